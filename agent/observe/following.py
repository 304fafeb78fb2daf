"""One call from its INVITE to its recording, checked against the way that it must go.

The sequence is short and rigid: what is missing first is where to look. Which of the
reasons it was stands in the lines around it.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta

from . import connected, missing, troubles, unconnected
from .findings import Finding, Report, State, nothing_of
from .ladder import SWITCH_ON
from .lines import Line, Source
from .onecall import OneCall
from .steps import Steps
from .troubles import Trouble

_UPLOADER = timedelta(seconds=10)
"""In which the agent has taken a job that was left to it."""
_CLOSING = timedelta(seconds=10)
"""In which Asterisk has closed a recording."""
_LOST = (
    missing.Cause.NOT_STARTED,
    missing.Cause.HOOK_FAILED,
    missing.Cause.UPLOAD_FAILING,
    missing.Cause.CREDENTIALS,
    missing.Cause.REJECTED,
    missing.Cause.GONE_FROM_STORE,
)


def report(call: OneCall) -> Report:
    if not call.lines:
        return nothing_of(call.asked)
    steps = Steps.of(call)
    met = troubles.known(call)
    recording = _recording(call, steps)
    kept = recording[1].cause is missing.Cause.KEPT
    findings = [*_sequence(call, steps, kept=kept), recording[0]]
    cause, sentence = _verdict(call, steps, met, recording)
    noticed = [
        Finding(
            "trouble",
            State.BROKEN if each.grave else State.NOTICED,
            each.said,
            each.line.when,
            (each.line.text,),
        )
        for each in met
    ]
    body = tuple(
        f"{line.source:8}  {text}"
        for line in call.lines
        for text in line.whole.split("\n")
    )
    more = {
        "ids": sorted(call.ids),
        "caller_left_first": call.caller_left_first and str(call.caller_left_first),
        "troubles": [
            {"cause": each.cause, "said": each.said, "grave": each.grave}
            for each in met
        ],
        "lines": [
            {
                "source": line.source.value,
                "at": line.at.isoformat() if line.at else None,
                "text": line.whole,
            }
            for line in call.lines
        ],
    }
    status = 0 if cause == "well" else 1
    return Report(
        call.asked, cause, sentence, status, (*findings, *noticed), body, more
    )


def _sequence(call: OneCall, steps: Steps, *, kept: bool) -> Iterator[Finding]:
    """The eight of the book, and the job of the upload."""
    yield from _sip(steps)
    if call.asterisk_seen:
        yield from _bridge(steps)
        yield _closed(steps)
        yield _left_to_the_agent(steps, kept=kept)
    else:
        yield Finding("bridge", State.UNKNOWN, "Asterisk's log is not among these")


def _sip(steps: Steps) -> Iterator[Finding]:
    dialog = steps.dialog
    for what, message in (
        ("100 Trying", dialog.trying),
        ("200 OK", dialog.ok),
        ("ACK", dialog.ack),
    ):
        if message:
            yield _found(what, message.line)
        elif not dialog.invite:
            said = "Asterisk's SIP logger was off"
            if what == "200 OK" and steps.caller_joined:
                said += "; it was answered, as the bridge shows"
            yield Finding(what, State.UNKNOWN, said)
        elif what == "ACK" and not dialog.ok:
            yield Finding(what, State.NOT_ASKED, "nothing was answered")
        else:
            yield Finding(what, State.MISSING)


def _bridge(steps: Steps) -> Iterator[Finding]:
    for what, line, expected in (
        ("caller's leg joined the bridge", steps.caller_joined, True),
        ("agent's leg joined the bridge", steps.agent_joined, True),
        ("agent's leg left", steps.agent_left, bool(steps.agent_joined)),
        ("caller's leg left", steps.caller_left, bool(steps.caller_joined)),
    ):
        if line:
            yield _found(what, line)
        elif not expected:
            yield Finding(what, State.NOT_ASKED, "it never joined")
        else:
            yield Finding(what, State.MISSING)


def _closed(steps: Steps) -> Finding:
    what = "End MixMonitor"
    if steps.recording_ended:
        return _found(what, steps.recording_ended)
    if steps.recording_begun or steps.agent_joined:
        return Finding(what, State.MISSING)
    return Finding(what, State.NOT_ASKED, "it never came to the recording")


def _left_to_the_agent(steps: Steps, *, kept: bool) -> Finding:
    what, told = "upload hook left its job", steps.hook_said
    if told and " left " in told.said:
        return _found(what, told)
    if told:
        return Finding(what, State.BROKEN, told.said, told.when, (told.text,))
    if steps.hook and kept:
        return Finding(what, State.OK, "the agent has stored it", steps.hook.when)
    if steps.hook:
        said = "the hook ran; what it said is in syslog or on Asterisk's console"
        return Finding(what, State.UNKNOWN, said, steps.hook.when)
    if steps.recording_ended and steps.agent_joined:
        return Finding(what, State.MISSING)
    return Finding(what, State.NOT_ASKED, "nothing was recorded")


def _found(what: str, line: Line) -> Finding:
    return Finding(what, State.OK, "", line.when, (line.text,))


def _verdict(
    call: OneCall,
    steps: Steps,
    met: Sequence[Trouble],
    recording: tuple[Finding, missing.Verdict],
) -> tuple[str, str]:
    """One word and one sentence: the first thing that went wrong."""
    for each in (
        unconnected.refused(call, steps),
        unconnected.no_agent_leg(call, steps, met),
        connected.asterisk_unseen(call, steps, met),
        connected.asterisk_died(call, steps),
        connected.unacknowledged(steps),
        connected.grave_trouble(call, steps, met),
        connected.sound_lost(call, steps),
        _recording_lost(call, steps, recording),
        connected.clocks(call, steps),
    ):
        if each:
            return each
    return "well", _well(steps)


def _well(steps: Steps) -> str:
    parts = ["well"]
    joined, left = steps.caller_joined, steps.caller_left
    if joined and left and joined.at and left.at:
        parts.append(f"{(left.at - joined.at).total_seconds():.1f} s long")
    bye = steps.dialog.bye
    if steps.ended:
        reason = steps.ended.said.removeprefix("[CALL] ended: ").split(" after ")[0]
        parts.append(f"ended: {reason}")
    elif bye:
        parts.append("hung up by Asterisk" if bye.sent else "hung up by the caller")
    if not steps.dialog.invite:
        parts.append(f"of its SIP nothing is known: {SWITCH_ON}")
    return ", ".join(parts)


def _recording(call: OneCall, steps: Steps) -> tuple[Finding, missing.Verdict]:
    """What became of it, as missing-recording says."""
    texts = [line.text for line in call.lines if line.source is Source.ASTERISK]
    if call.restarted:
        texts.append(call.restarted.text)
    theirs = [line.text for line in call.lines if line.source is not Source.ASTERISK]
    verdict = missing.from_logs(_agents_id(call), [texts, theirs])
    never = verdict.cause is missing.Cause.NEVER_BRIDGED
    if verdict.cause is missing.Cause.KEPT:
        state = State.OK
    elif never or (texts and not steps.agent_joined):
        state = State.NOT_ASKED
    elif verdict.cause in _LOST and not _too_early(call, steps, verdict):
        state = State.BROKEN
    elif verdict.cause in (missing.Cause.ERASED, missing.Cause.EXPIRED):
        state = State.NOTICED
    else:
        state = State.UNKNOWN
    said = verdict.sentence
    return Finding("recording", state, said, evidence=verdict.evidence), verdict


def _too_early(call: OneCall, steps: Steps, verdict: missing.Verdict) -> bool:
    """The agent's log ends where it would begin to speak of the recording."""
    ran = steps.hook
    if verdict.cause is not missing.Cause.HOOK_FAILED or not ran or not ran.at:
        return False
    if steps.hook_said and " left " not in steps.hook_said.said:
        return False
    return call.agent_until is None or call.agent_until - ran.at < _UPLOADER


def _agents_id(call: OneCall) -> str:
    """What the agent calls it, and its recording."""
    made = call.first(r"Set\(\"[^\"]*\", \"CALL_ID=", "pbx.c")
    if made and (match := re.search(r"\"CALL_ID=([^\"]+)\"", made.said)):
        return match[1]
    named = [line.call for line in call.lines if line.source is Source.AGENT]
    return next((each for each in named if each), call.asked)


def _recording_lost(
    call: OneCall, steps: Steps, recording: tuple[Finding, missing.Verdict]
) -> tuple[str, str] | None:
    finding, verdict = recording
    if not steps.agent_joined:
        return None
    if not steps.recording_begun:
        return "not_recorded", (
            "no recording was begun: the dialplan has no MixMonitor before Dial, or"
            " app_mixmonitor is not loaded"
        )
    if finding.bad:
        return f"recording_{verdict.cause.value}", verdict.sentence
    if not steps.recording_ended and not _just_now(call, steps):
        return "recording_open", (
            "the call is over and MixMonitor never ended: a hangup handler hangs (see"
            " the last Executing line), or Asterisk's disk does"
        )
    return None


def _just_now(call: OneCall, steps: Steps) -> bool:
    """It was over in this moment, and Asterisk may still write."""
    at = steps.over.at if steps.over else None
    if at is None or call.now is None:
        return False
    return call.now - at < _CLOSING
