"""Why a call was as it was: a rule for each cause, gravest first.

A rule looks at the case and says its Reason, or nothing. Add one here, and a row to
tests/explain/test_rules.py.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from agent.calls.ai import CONSENT
from agent.calls.call import EndReason
from agent.calls.record import CallRecord, Recording, RecordingState
from agent.calls.transcript import Speaker, ToolUse, Trouble, Turn
from agent.calls.usage import Meter
from agent.observe.findings import Report

from . import waits
from .verdict import Reason, Verdict, Weight
from .waits import Wait
from .words import CAUSES, ENDS, MENDS, NORMAL, STAGES, q850

LONG_ENOUGH = 10.0
"""Seconds of talk in which a caller who is there says something."""
UNANSWERED = 2.5
"""Seconds that a caller waited in vain, at least, before the call was over."""
LONG_UP = timedelta(hours=4)


@dataclass(frozen=True, slots=True)
class Case:
    record: CallRecord
    now: datetime
    log: Report | None = None
    """What the logs say, if there are any."""
    facts_behind: float = 0.0
    """Facts that are not in the database yet, by the agent's metrics."""

    @property
    def seconds(self) -> float:
        """Of talk."""
        call, end = self.record.call, self.record.end
        began = call.answered_at or call.started_at
        return max(0.0, ((end.ended_at if end else self.now) - began).total_seconds())

    @property
    def reason(self) -> EndReason | None:
        return self.record.end.reason if self.record.end else None

    @property
    def detail(self) -> str:
        return self.record.end.detail if self.record.end else ""

    def turns(self, speaker: Speaker) -> list[Turn]:
        return [turn for turn in self.record.turns if turn.speaker is speaker]

    def troubles(self, stage: str) -> list[Trouble]:
        return [one for one in self.record.troubles if one.stage == stage]


Rule = Callable[[Case], Reason | None]


def explain(
    record: CallRecord,
    now: datetime,
    log: Report | None = None,
    facts_behind: float = 0.0,
) -> Verdict:
    case = Case(record, now, log, facts_behind)
    found = [reason for rule in RULES if (reason := rule(case)) is not None]
    # sorted is stable: of the same weight the table's order counts.
    found.sort(key=lambda reason: -reason.weight)
    about = tuple(_about(case))
    call = record.call.id
    if not found:
        return Verdict(call, "well", _well(case), 0, about=about)
    first, *others = found
    return Verdict(
        call, first.cause, first.sentence, 1, first.evidence, tuple(others), about
    )


def without_record(call: str, log: Report) -> Verdict:
    """The agent has no record: it was refused, or never came so far."""
    return Verdict(call, log.cause, log.sentence, log.status, _evidence(log))


# How it ended, where that was somebody's fault.


def _no_media_start(case: Case) -> Reason | None:
    return _end(
        case,
        EndReason.NO_MEDIA_START,
        "the call never began: {end} ({detail}); what connected is not chan_websocket,"
        " or Asterisk is stuck",
    )


def _unsupported_format(case: Case) -> Reason | None:
    return _end(
        case,
        EndReason.UNSUPPORTED_FORMAT,
        "the call was ended at once: {detail}; set c(ulaw) in the dial string",
    )


def _agent_died(case: Case) -> Reason | None:
    return _end(
        case,
        EndReason.AGENT_DIED,
        "the call lost its AI after {seconds:.0f} s: the agent's process was killed or"
        " crashed during it",
        "an out-of-memory kill is in dmesg, a crash in the agent's log",
    )


def _agent_failed(case: Case) -> Reason | None:
    return _end(
        case,
        EndReason.AGENT_FAILED,
        "the call ended by a fault of ours: {detail}; the agent's log has the lines"
        " around it",
    )


def _provider_failed(case: Case) -> Reason | None:
    if case.reason is not EndReason.PROVIDER_FAILED:
        return None
    who = _failures(case.record.troubles)
    said = who or "nobody was left to go on with, and the record does not say why"
    return Reason(
        "provider_failed",
        f"the AI gave the call up: {said}",
        _trouble_lines(case.record.troubles),
        Weight.FATAL,
    )


def _shutdown(case: Case) -> Reason | None:
    return _end(
        case,
        EndReason.SHUTDOWN,
        "the agent was stopped or restarted while the call was up, and"
        " OFFHOOK_DRAIN_SECONDS were over before the caller had finished",
    )


def _operator(case: Case) -> Reason | None:
    return _end(
        case,
        EndReason.OPERATOR_HUNG_UP,
        "an operator ended the call by DELETE /calls/ID; the audit says who",
    )


def _too_long(case: Case) -> Reason | None:
    return _end(
        case,
        EndReason.TOO_LONG,
        "the call was cut at the AI's max_minutes: {detail}",
    )


# Silence.


def _mute(case: Case) -> Reason | None:
    """The caller heard nothing of us at all."""
    if case.turns(Speaker.AGENT) or case.reason in _NEVER_BEGAN or case.seconds < 3:
        return None
    if troubles := case.troubles("tts"):
        said = f"the caller heard nothing: {_failures(troubles)}"
        return Reason("mute", said, _trouble_lines(troubles), Weight.FATAL)
    if case.turns(Speaker.CALLER):
        return None  # the unanswered rule says more
    return Reason(
        "silent_call",
        f"nobody said a word in {case.seconds:.0f} s: the AI has no greeting, or its"
        " sound did not reach the caller, and nothing of the caller was understood",
        weight=Weight.FATAL,
    )


def _deaf(case: Case) -> Reason | None:
    """The AI spoke, and understood nothing of what the caller said."""
    if not _says_nothing(case):
        return None
    seconds = f"in {case.seconds:.0f} s"
    if troubles := case.troubles("stt"):
        said = f"the AI understood nothing {seconds}: {_failures(troubles)}"
        return Reason("deaf", said, _trouble_lines(troubles), Weight.FATAL)
    if any(turn.interrupted for turn in case.turns(Speaker.AGENT)):
        return Reason(
            "no_words",
            f"the AI was interrupted, and yet no words of the caller were understood"
            f" {seconds}: noise, echo, or another language than the AI's",
            weight=Weight.FATAL,
        )
    return None


def _not_heard(case: Case) -> Reason | None:
    if not _says_nothing(case):
        return None
    return Reason(
        "caller_not_heard",
        f"the AI heard no word of the caller in {case.seconds:.0f} s: no sound of his"
        " came, he said nothing, or it was too quiet to count as a voice",
        ("scripts/follow-call and scripts/rtp-check say whether his RTP came",),
    )


def _says_nothing(case: Case) -> bool:
    """The AI spoke, the caller was there, and no word of his is written down."""
    spoke, heard = case.turns(Speaker.AGENT), case.turns(Speaker.CALLER)
    excused = case.reason in (EndReason.OPERATOR_HUNG_UP, EndReason.SHUTDOWN)
    return bool(spoke) and not (heard or excused) and case.seconds >= LONG_ENOUGH


def _caller_silent(case: Case) -> Reason | None:
    if _says_nothing(case):
        return None
    return _end(
        case,
        EndReason.CALLER_SILENT,
        "the AI hung up because the caller said nothing more, after it had asked"
        " whether he is still there",
        weight=Weight.FELT,
    )


def _unanswered(case: Case) -> Reason | None:
    """The caller's last words, or some in the middle, got no answer."""
    turns = case.record.turns
    for number, turn in enumerate(turns, 1):
        if turn.speaker is not Speaker.CALLER:
            continue
        after = turns[number] if number < len(turns) else None
        if after is not None and after.speaker is Speaker.AGENT:
            continue
        over = case.record.end.ended_at if case.record.end else case.now
        until = after.started_at if after is not None else over
        waited = (until - turn.ended_at).total_seconds()
        if waited < UNANSWERED or (after is None and case.reason in _PARTED):
            continue
        met = [
            one
            for one in case.record.troubles
            if one.stage in ("llm", "tts") and turn.started_at <= one.at <= until
        ]
        tools = _running(case.record.tool_uses, turn.ended_at, until)
        if met:
            why = _failures(met)
        elif tools:
            why = f"the tool {tools[-1].name} ran meanwhile and was broken off"
        elif case.troubles("llm"):
            why = _failures(case.troubles("llm"))
        else:
            why = "the model had not answered when the call was over"
        return Reason(
            "unanswered",
            f"the caller waited {waited:.1f} s for an answer to turn {number} and got"
            f" none: {why}",
            _trouble_lines(met),
            Weight.FATAL if after is None else Weight.FELT,
        )
    return None


# Slowness.


def _slow(case: Case) -> Reason | None:
    found = list(waits.waits(case.record))
    slow = [one for one in found if one.seconds >= waits.SLOW]
    if not slow:
        return None
    worst = max(slow, key=lambda one: one.seconds)
    part = worst.worst
    others = waits.usual(found, worst)
    compared = "" if others is None else f", the others {others:.1f} s"
    why = _why_slow(case, worst, part)
    number = worst.number
    said = f"turn {number} came after {worst.seconds:.1f} s{compared}: {why}"
    if len(slow) > 1 and len(slow) * 2 > len(found):
        said = (
            f"{len(slow)} of {len(found)} answers were slow, turn {number} at worst"
            f" after {worst.seconds:.1f} s: {why}"
        )
    return Reason(
        f"slow_{part}",
        said,
        tuple(map(_wait_line, slow)),
        Weight.FELT if worst.seconds >= waits.VERY_SLOW else Weight.NOTICED,
    )


def _why_slow(case: Case, wait: Wait, part: str) -> str:
    seconds = wait.owed[part]
    stage = {"stt": "stt", "llm": "llm", "sentence": "llm", "tts": "tts"}.get(part, "")
    began = wait.began - timedelta(seconds=2)
    met = [
        one
        for one in case.record.troubles
        if began <= one.at <= wait.turn.ended_at and (one.stage == stage or not stage)
    ]
    if met:
        return f"{_failures(met)}, and that took {seconds:.1f} s of it"
    match part:
        case "silence":
            why = "his words or his voice sounded unfinished, or noise went on"
            return (
                f"{seconds:.1f} s of silence passed until it was sure that he had"
                f" finished: {why}"
            )
        case "tool":
            names = ", ".join(wait.tools)
            return f"the tool {names} took {seconds:.1f} s of it"
        case "playing":
            return (
                f"{seconds:.1f} s of it passed between the agent and the caller's ear:"
                " silence at the beginning of the voice's sound, or a full queue"
            )
    return f"{waits.NAMES[part]} took {seconds:.1f} s of it"


# What was suffered on the way.


def _troubled(case: Case) -> Reason | None:
    if not case.record.troubles or case.reason is EndReason.PROVIDER_FAILED:
        return None
    instead = _instead(case)
    return Reason(
        "troubled",
        f"{_failures(case.record.troubles)}{instead}",
        _trouble_lines(case.record.troubles),
        Weight.NOTICED,
    )


def _instead(case: Case) -> str:
    """Who answered in the place of those that failed."""
    failed = {one.provider for one in case.record.troubles}
    meters = {
        "llm": (Meter.LLM_OUTPUT_TOKENS, Meter.UNREPORTED_REQUESTS),
        "stt": (Meter.STT_SECONDS,),
        "tts": (Meter.TTS_CHARACTERS,),
    }
    wanted = {
        meter for one in case.record.troubles for meter in meters.get(one.stage, ())
    }
    others = sorted(
        {use.model for use in case.record.uses if use.meter in wanted} - failed - {""}
    )
    return f"; {' and '.join(others)} went on" if others else ""


def _tool_refused(case: Case) -> Reason | None:
    refused = [use for use in case.record.tool_uses if use.refused]
    return _tools("tool_refused", "the AI's policy refused the tool", refused)


def _tool_failed(case: Case) -> Reason | None:
    failed = [u for u in case.record.tool_uses if u.failed and not u.refused]
    return _tools("tool_failed", "the tool failed:", failed)


def _tools(cause: str, what: str, uses: Sequence[ToolUse]) -> Reason | None:
    if not uses:
        return None
    last = uses[-1]
    times = "" if len(uses) == 1 else f" ({len(uses)} times)"
    return Reason(
        cause,
        f"{what} {last.name}{times}: {last.result[:200]}",
        tuple(
            f"{_clock(use.started_at)} {use.name} {use.milliseconds:.0f} ms:"
            f" {use.result[:120]}"
            for use in uses
        ),
        Weight.FELT,
    )


def _interrupted(case: Case) -> Reason | None:
    spoke = case.turns(Speaker.AGENT)
    cut = [turn for turn in spoke if turn.interrupted]
    if len(cut) < 3 or 2 * len(cut) < len(spoke):
        return None
    return Reason(
        "interrupted_often",
        f"{len(cut)} of {len(spoke)} turns of the AI were interrupted: background"
        " voices, echo of its own voice, or answers that are too long",
        weight=Weight.NOTICED,
    )


def _long_pause(case: Case) -> Reason | None:
    """Nobody spoke for long, and the call went on: a hold or a private pause."""
    turns = case.record.turns
    for number, (before, after) in enumerate(zip(turns, turns[1:], strict=False), 1):
        gap = (after.started_at - before.ended_at).total_seconds()
        if gap > 30:
            return Reason(
                "pause",
                f"nobody spoke for {gap:.0f} s after turn {number}: on hold, or a"
                " private pause, in which nothing is written down; the agent's log"
                " says which",
                weight=Weight.NOTICED,
            )
    return None


def _line_failed(case: Case) -> Reason | None:
    cause = case.record.cause
    if cause is None or cause.q850 in NORMAL:
        return None
    sip = f", SIP {cause.sip}" if cause.sip else ""
    return Reason(
        "line_failed",
        f"the caller's line was cleared by the network, not by anybody's hand:"
        f" {q850(cause.q850)} (Q.850 cause {cause.q850}{sip})",
    )


def _still_up(case: Case) -> Reason | None:
    """Up for so long that somebody must have forgotten it."""
    if case.record.end is not None or case.now - case.record.call.started_at < LONG_UP:
        return None
    return Reason(
        "never_ended",
        "the call has no end in the record: its agent died and none has started since,"
        " or the facts wait in its journal",
    )


def _facts_behind(case: Case) -> Reason | None:
    if not case.facts_behind:
        return None
    return Reason(
        "database_away",
        f"the record is not whole yet: {case.facts_behind:.0f} facts wait in the"
        " agent's journal, as the database is away or slow; nothing is lost",
        weight=Weight.NOTICED,
    )


def _recording(case: Case) -> Reason | None:
    tracks = case.record.recordings
    for state, cause, what in _RECORDINGS:
        if bad := [one for one in tracks if one.state is state]:
            return Reason(
                f"recording_{cause}",
                f"{what}: {bad[0].last_error}" if bad[0].last_error else what,
                tuple(map(_recording_line, bad)),
                Weight.NOTICED,
            )
    end = case.record.end
    if tracks or end is None or case.record.call.answered_at is None:
        return None
    if (case.now - end.ended_at).total_seconds() < 60 or case.seconds < 1:
        return None
    return Reason(
        "recording_missing",
        "no recording of the call has come to the agent: `offhook recording why"
        f" {case.record.call.id}` says where it is",
        weight=Weight.NOTICED,
    )


_RECORDINGS = (
    (RecordingState.REJECTED, "rejected", "the recording can never be stored"),
    (RecordingState.FAILING, "failing", "the recording cannot be stored so far"),
    (RecordingState.ERASED, "erased", "the recording was erased on request"),
    (RecordingState.EXPIRED, "expired", "the recording is older than they are kept"),
)


def _unpriced(case: Case) -> Reason | None:
    if case.record.cost is not None:
        return None
    models = sorted({use.model for use in case.record.uses if use.cost is None})
    return Reason(
        "unpriced",
        f"the cost is not known: no price of {', '.join(models) or 'a model'}",
        weight=Weight.NOTICED,
    )


def _logs(case: Case) -> Reason | None:
    """What only the logs know: handshakes, SIP, sound that never came."""
    log = case.log
    if log is None or log.status != 1 or log.cause in _KNOWN_BETTER:
        return None
    grave = any(finding.bad for finding in log.findings)
    return Reason(
        log.cause,
        log.sentence,
        _evidence(log),
        Weight.FELT if grave else Weight.NOTICED,
    )


def _log_troubles(case: Case) -> Reason | None:
    """Single lines: queues, garbage, holds, a database that was away."""
    if case.log is None:
        return None
    told = [
        one
        for one in case.log.more.get("troubles", ())
        if one["cause"] not in _KNOWN_BETTER
    ]
    if not told:
        return None
    lines = [
        text
        for finding in case.log.findings
        if finding.what == "trouble" and finding.said in {one["said"] for one in told}
        for text in finding.evidence
    ]
    return Reason(
        told[0]["cause"],
        "; ".join(dict.fromkeys(one["said"] for one in told)),
        tuple(lines[:6]),
        Weight.FELT if any(one["grave"] for one in told) else Weight.NOTICED,
    )


_KNOWN_BETTER = (
    *("well", "asterisk_unknown", "provider", "slow_stt", "slow_tts"),
    *("tool", "tool_refused"),
)
"""By the record."""

RULES: Sequence[Rule] = (
    _no_media_start,
    _unsupported_format,
    _agent_died,
    _provider_failed,
    _agent_failed,
    _shutdown,
    _mute,
    _deaf,
    _unanswered,
    _slow,
    _logs,
    _not_heard,
    _tool_refused,
    _tool_failed,
    _too_long,
    _operator,
    _caller_silent,
    _line_failed,
    _still_up,
    _troubled,
    _long_pause,
    _interrupted,
    _recording,
    _facts_behind,
    _unpriced,
    _log_troubles,
)

_NEVER_BEGAN = (EndReason.NO_MEDIA_START, EndReason.UNSUPPORTED_FORMAT)
_PARTED = (
    EndReason.AGENT_HUNG_UP,
    EndReason.AGENT_LEFT,
    EndReason.CONNECTED,
    EndReason.OPERATOR_HUNG_UP,
    EndReason.TOO_LONG,
    EndReason.SHUTDOWN,
    EndReason.AGENT_DIED,
    EndReason.AGENT_FAILED,
    EndReason.PROVIDER_FAILED,
    None,
)
"""Ends after which a caller's last words need no answer, or have a better reason."""


# Words.


def _end(
    case: Case,
    reason: EndReason,
    sentence: str,
    *evidence: str,
    weight: Weight = Weight.FATAL,
) -> Reason | None:
    if case.reason is not reason:
        return None
    said = sentence.format(
        end=ENDS[reason], detail=case.detail or "no more is known", seconds=case.seconds
    )
    return Reason(reason.value, said, evidence, weight)


def _failures(troubles: Sequence[Trouble]) -> str:
    """Each who failed, and how, once; how to mend it for the last."""
    said = list(
        dict.fromkeys(
            f"{STAGES.get(one.stage, one.stage)} {one.provider}"
            f" {CAUSES.get(one.cause, one.cause)}"
            for one in troubles
        )
    )
    return " and ".join(said)


def _trouble_lines(troubles: Sequence[Trouble]) -> tuple[str, ...]:
    lines = [
        f"{_clock(one.at)} [{one.stage.upper()}] {one.provider} {one.cause}:"
        f" {one.detail[:200]}" + (f" ({one.remedy})" if one.remedy else "")
        for one in troubles[:6]
    ]
    if len(troubles) > 6:
        lines.append(f"and {len(troubles) - 6} more")
    for cause in dict.fromkeys(one.cause for one in troubles):
        if cause in MENDS:
            lines.append(f"{cause}: {MENDS[cause]}")
    return tuple(lines)


def _wait_line(wait: Wait) -> str:
    parts = ", ".join(
        f"{name} {seconds:.2f}" for name, seconds in wait.turn.latency.items()
    )
    return f"turn {wait.number}: {parts}"


def _recording_line(one: Recording) -> str:
    again = f", again at {_clock(one.next_try)}" if one.next_try else ""
    return f"{one.track}: {one.state}, {one.attempts} attempts{again} {one.last_error}"


def _running(
    uses: Sequence[ToolUse], since: datetime, until: datetime
) -> list[ToolUse]:
    return [use for use in uses if since <= use.started_at <= until]


def _evidence(log: Report) -> tuple[str, ...]:
    texts = [
        text for finding in log.findings if finding.bad for text in finding.evidence
    ]
    texts += [
        f"{finding.what}: {finding.state}"
        for finding in log.findings
        if finding.bad and not finding.evidence
    ]
    return tuple(dict.fromkeys(texts))[:6]


def _well(case: Case) -> str:
    end = case.record.end
    if end is None:
        return (
            f"the call is up, since {case.seconds:.0f} s, and nothing is wrong with it"
        )
    answers = len(list(waits.waits(case.record)))
    detail = f": {end.detail}" if end.detail else ""
    return (
        f"nothing was wrong: {ENDS[end.reason]}{detail} after {case.seconds:.0f} s and"
        f" {answers} answers"
    )


def _about(case: Case) -> Iterator[str]:
    record, end = case.record, case.record.end
    call = record.call
    yield (
        f"{_clock(call.started_at)} from {call.caller or 'unknown'} to"
        f" {call.called or 'unknown'}, AI {call.ai}, {call.codec or 'no codec'}"
    )
    if end is not None:
        detail = f" ({end.detail})" if end.detail else ""
        yield f"{_clock(end.ended_at)} ended: {ENDS[end.reason]}{detail}"
    if record.cause is not None:
        sip = f", SIP {record.cause.sip}" if record.cause.sip else ""
        yield f"line cleared with {record.cause.q850}{sip}: {q850(record.cause.q850)}"
    found = [one.seconds for one in waits.waits(record)]
    if found:
        longest = max(found)
        yield f"{len(found)} answers, heard after at most {longest:.2f} s"
    if CONSENT in record.variables:
        yield f"the caller had heard the consent line at {record.variables[CONSENT]}"
    for one in record.recordings:
        yield f"recording {one.track}: {one.state}"


def _clock(at: datetime) -> str:
    return at.strftime("%H:%M:%S")
