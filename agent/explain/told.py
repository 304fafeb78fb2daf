"""What logs add to a record, and where they know better than it does."""

from dataclasses import replace
from datetime import datetime, timedelta

from agent.calls.call import EndReason
from agent.calls.record import CallRecord
from agent.observe.findings import Report

from .afterwards import recording
from .case import Case
from .verdict import Reason, Weight

_RECORD_KNOWS_BETTER = (
    *("well", "asterisk_unknown", "provider", "slow_stt", "slow_tts"),
    *("tool", "tool_refused", "connection_lost"),
)
_NOBODY_CAN_TALK = ("not_heard", "not_sent_on", "one_way_in", "one_way_out", "silent")
_MOMENT = timedelta(seconds=1)


def put_right(record: CallRecord, log: Report | None) -> CallRecord:
    """In a hang-up Asterisk may close the socket without a word, and its log knows."""
    end = record.end
    if end is None or end.reason is not EndReason.SOCKET_LOST or log is None:
        return record
    left = log.more.get("caller_left_first")
    if not left or abs(end.ended_at - datetime.fromisoformat(left)) > _MOMENT:
        return record
    return replace(record, end=replace(end, reason=EndReason.CALLER_HUNG_UP, detail=""))


def by_logs(case: Case) -> Reason | None:
    """What only they know: handshakes, SIP, sound that never came."""
    log = case.log
    if log is None or log.status != 1 or log.cause in _RECORD_KNOWS_BETTER:
        return None
    if log.cause.startswith("recording_") and recording(case):
        return None
    if log.cause == "mute" and case.troubles("tts"):
        return None
    if log.cause == "refused" and case.record.call.answered_at is not None:
        return None  # at Asterisk's first try
    grave = any(finding.bad for finding in log.findings)
    weight = Weight.FELT if grave else Weight.NOTICED
    if log.cause in _NOBODY_CAN_TALK:
        weight = Weight.FATAL
    return Reason(log.cause, log.sentence, evidence(log), weight)


def by_lines(case: Case) -> Reason | None:
    """Single ones: queues, garbage, holds, a database that was away."""
    log = case.log
    if log is None:
        return None
    told = [
        one
        for one in log.more.get("troubles", ())
        if one["cause"] not in (*_RECORD_KNOWS_BETTER, case.reason)
        if one["cause"] != "mute" or not case.troubles("tts")
        if one["said"] != log.sentence
    ]
    if not told:
        return None
    said = dict.fromkeys(one["said"] for one in told)
    texts = [
        text
        for finding in log.findings
        if finding.what == "trouble" and finding.said in said
        for text in finding.evidence
    ]
    grave = any(one["grave"] and one["cause"] != "refused" for one in told)
    return Reason(
        told[0]["cause"],
        "; ".join(said),
        tuple(texts[:6]),
        Weight.FELT if grave else Weight.NOTICED,
    )


def evidence(log: Report) -> tuple[str, ...]:
    bad = [finding for finding in log.findings if finding.bad]
    texts = [text for finding in bad for text in finding.evidence]
    texts += [f"{each.what}: {each.state}" for each in bad if not each.evidence]
    return tuple(dict.fromkeys(texts))[:6]
