"""One call from its INVITE to its recording, checked against the way that it must go.

The sequence is short and rigid: what is missing first is where to look. Which of the
reasons it was stands in the lines around it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from . import missing, rtp, troubles
from .findings import Finding, Report, State, nothing_of
from .ladder import SWITCH_ON, Dialog, messages, no_ack
from .lines import Line, Source
from .onecall import OneCall
from .troubles import Trouble

_AGENT_LEG = r"(?:WebSocket|AudioSocket)/"
_HANDSHAKE = re.compile(
    r"Websocket connection to (?P<url>\S+) failed after (?P<tries>\d+) tries: "
    r"(?P<error>[^(.]*[^(. ])"
)
_AUDIOSOCKET = re.compile(
    r"^Connecting to '(?P<where>[^']*)' failed for url '[^']*': (?P<error>.*)$"
)
_SLOW = 0.45
"""Seconds for one try, from which on nobody refused: nobody answered."""
CLOCKS = 5.0
"""Seconds by which two machines may differ."""
SET_BACK = 1.0
_UPLOADER = timedelta(seconds=10)
"""In which the agent has taken a job that was left to it."""
_MOMENT = 1.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What the sequence is made of; each is a line, or None where there is none."""

    dialog: Dialog
    caller_joined: Line | None
    agent_joined: Line | None
    agent_left: Line | None
    caller_left: Line | None
    recording_begun: Line | None
    recording_ended: Line | None
    hook: Line | None
    hook_said: Line | None
    answered: Line | None
    over: Line | None
    no_agent: Line | None
    handshake: Line | None
    dialled: Line | None
    began: Line | None
    """The agent's."""
    ended: Line | None
    """The agent's."""

    @classmethod
    def of(cls, call: OneCall) -> "Steps":
        bridge, monitor = "bridge_channel.c", "app_mixmonitor.c"
        agent = Source.AGENT
        return cls(
            Dialog.of(messages(call.lines)),
            caller_joined=call.first(rf"^Channel (?!{_AGENT_LEG})\S+ joined '", bridge),
            agent_joined=call.first(rf"^Channel {_AGENT_LEG}\S+ joined '", bridge),
            agent_left=call.last(rf"^Channel {_AGENT_LEG}\S+ left '", bridge),
            caller_left=call.last(rf"^Channel (?!{_AGENT_LEG})\S+ left '", bridge),
            recording_begun=call.first("^Begin MixMonitor Recording", monitor),
            recording_ended=call.last("^End MixMonitor Recording", monitor),
            hook=call.last(r"^Executing \[", monitor),
            hook_said=call.last("", source=Source.HOOK),
            answered=call.first(r" answered ", "app_dial.c"),
            over=call.last(r"^Call \S+ over: ", "app_verbose.c")
            or call.last(r"^Spawn extension", "pbx.c"),
            no_agent=call.first(r"^Call \S+: no agent: "),
            handshake=call.last(_HANDSHAKE.pattern),
            dialled=call.last(rf"^Executing \[\S+\] Dial\(\"[^\"]*\", \"{_AGENT_LEG}"),
            began=call.first(r"^call began", source=agent),
            ended=call.last(r"^call ended: ", source=agent),
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
    dialog = steps.dialog
    no_sip = not dialog.invite
    sip = (
        ("100 Trying", dialog.trying),
        ("200 OK", dialog.ok),
        ("ACK", dialog.ack),
    )
    for what, message in sip:
        if message:
            yield _found(what, message.line)
        elif no_sip:
            said = "Asterisk's SIP logger was off"
            if what == "200 OK" and steps.caller_joined:
                said += "; it was answered, as the bridge shows"
            yield Finding(what, State.UNKNOWN, said)
        elif what == "ACK" and not dialog.ok:
            yield Finding(what, State.NOT_ASKED, "nothing was answered")
        else:
            yield Finding(what, State.MISSING)
    if not call.asterisk_seen:
        yield Finding("bridge", State.UNKNOWN, "Asterisk's log is not among these")
        return
    bridge = (
        ("caller's leg joined the bridge", steps.caller_joined, True),
        ("agent's leg joined the bridge", steps.agent_joined, True),
        ("agent's leg left", steps.agent_left, bool(steps.agent_joined)),
        ("caller's leg left", steps.caller_left, bool(steps.caller_joined)),
    )
    for what, line, expected in bridge:
        if line:
            yield _found(what, line)
        elif not expected:
            yield Finding(what, State.NOT_ASKED, "it never joined")
        else:
            yield Finding(what, State.MISSING)
    what = "End MixMonitor"
    if steps.recording_ended:
        yield _found(what, steps.recording_ended)
    elif steps.recording_begun or steps.agent_joined:
        yield Finding(what, State.MISSING)
    else:
        yield Finding(what, State.NOT_ASKED, "it never came to the recording")
    what = "upload hook left its job"
    if steps.hook_said and " left " in steps.hook_said.said:
        yield _found(what, steps.hook_said)
    elif steps.hook_said:
        yield Finding(
            what,
            State.BROKEN,
            steps.hook_said.said,
            steps.hook_said.when,
            (steps.hook_said.text,),
        )
    elif steps.hook and kept:
        yield Finding(what, State.OK, "the agent has stored it", steps.hook.when)
    elif steps.hook:
        said = "the hook ran; what it said is in syslog or on Asterisk's console"
        yield Finding(what, State.UNKNOWN, said, steps.hook.when)
    elif steps.recording_ended and steps.agent_joined:
        yield Finding(what, State.MISSING)
    else:
        yield Finding(what, State.NOT_ASKED, "nothing was recorded")


def _found(what: str, line: Line) -> Finding:
    return Finding(what, State.OK, "", line.when, (line.text,))


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


_LOST = (
    missing.Cause.NOT_STARTED,
    missing.Cause.HOOK_FAILED,
    missing.Cause.UPLOAD_FAILING,
    missing.Cause.CREDENTIALS,
    missing.Cause.REJECTED,
    missing.Cause.GONE_FROM_STORE,
)


def _agents_id(call: OneCall) -> str:
    """What the agent calls it, and its recording."""
    made = call.first(r"Set\(\"[^\"]*\", \"CALL_ID=", "pbx.c")
    if made and (match := re.search(r"\"CALL_ID=([^\"]+)\"", made.said)):
        return match[1]
    named = [line.call for line in call.lines if line.source is Source.AGENT]
    return next((each for each in named if each), call.asked)


def _verdict(
    call: OneCall,
    steps: Steps,
    met: Sequence[Trouble],
    recording: tuple[Finding, missing.Verdict],
) -> tuple[str, str]:
    """One word and one sentence: the first thing that went wrong."""
    for each in (
        _before_the_dialplan(call, steps),
        _no_agent_leg(call, steps, met),
        _agent_only(call, steps, met),
        _unacknowledged(steps),
        _during(call, steps, met),
        _sound(call, steps),
        _after(steps, recording),
        _clocks(call, steps),
    ):
        if each:
            return each
    return "well", _well(steps)


def _before_the_dialplan(call: OneCall, steps: Steps) -> tuple[str, str] | None:
    if call.first(r"No matching endpoint found"):
        return "unknown_caller", (
            "Asterisk refused it: the caller's address is not TRUNK_ADDRESS, and its"
            " name is not an extension's"
        )
    if call.first(r"Failed to authenticate") and not steps.dialog.ok:
        return "sip_password", (
            "Asterisk refused it: the phone's password is wrong"
            " (EXTENSION_..._PASSWORD)"
        )
    if missed := call.first(r"rejected because extension not found"):
        match = re.search(r"extension '([^']*)'", missed.said)
        number = match[1] if match else "dialled"
        return "unknown_number", (
            f"Asterisk refused it: its dialplan has no number {number} in that context"
        )
    dialog = steps.dialog
    if dialog.refused and not steps.dialled and not dialog.cancel:
        who = "Asterisk" if dialog.refused.sent else "the other side"
        return "refused", f"{who} refused it: {dialog.refused.title}"
    return None


def _no_agent_leg(
    call: OneCall, steps: Steps, met: Sequence[Trouble]
) -> tuple[str, str] | None:
    if steps.agent_joined and steps.no_agent:
        return _left_alone(call, steps, met)
    if steps.agent_joined or not any(
        line.source is Source.ASTERISK for line in call.lines
    ):
        return None
    failed = steps.handshake or steps.no_agent
    cancel = steps.dialog.cancel
    if cancel and not (
        failed and failed.at and cancel.line.at and failed.at < cancel.line.at
    ):
        return "cancelled", (
            "the caller gave up before anybody answered; first missing: 200 OK"
        )
    if not failed and call.restarted:
        return "asterisk_died", "Asterisk ended before the agent was on the line"
    if not failed and not steps.dialled:
        return "not_dialled", (
            "no agent's leg: the dialplan never came to Dial(WebSocket/...): look at"
            " its last Executing line"
        )
    if not failed and not steps.over:
        return "connecting", (
            "Asterisk is still connecting to the agent, as far as the log goes;"
            " later calls wait for that (asterisk issue 1979)"
        )
    cause, why = _handshake(call, steps, met)
    return cause, f"no agent's leg: {why}"


def _left_alone(call: OneCall, steps: Steps, met: Sequence[Trouble]) -> tuple[str, str]:
    """The agent was on the line, and then nobody."""
    assert steps.no_agent is not None
    told = re.search(r"no agent: (\w+)", steps.no_agent.said)
    if handed := call.last(r"^Executing \[[^@]*@connect:\d+\] Dial\("):
        number = re.search(r"\[([^@]*)@", handed.said)
        return "no_human", (
            f"the AI handed it to {number[1] if number else 'somebody'}, who did not"
            f" take it: {told[1] if told else 'no answer'}"
        )
    for each in met:
        if each.cause in ("refused", "no_start", "unsupported_format", "no_way"):
            return each.cause, each.said
    return "agent_refused", (
        "the agent hung up at once, which is how it refuses by AudioSocket: its log"
        " says why"
    )


def _handshake(call: OneCall, steps: Steps, met: Sequence[Trouble]) -> tuple[str, str]:
    """Why the agent never was on the line."""
    for each in met:
        if each.cause in ("codec", "unsupported_format"):
            return each.cause, each.said
    refusals = [each for each in met if each.cause == "refused"]
    for each in refusals:
        if match := re.search(r"refused(?: with \d+)?: (\w+)$", each.line.said):
            return f"refused_{match[1]}", each.said
    match = _HANDSHAKE.search(steps.handshake.said) if steps.handshake else None
    if match is None:
        if socket := call.first(_AUDIOSOCKET.pattern):
            return _audiosocket(socket)
        if made := call.first(r"^Unable to create channel of type '(\w+)'"):
            return "no_channel", (
                f"{made.said}: chan_websocket is not loaded, or websocket_client.conf"
                " has no such connection"
            )
        if started := next((each for each in met if each.cause == "no_start"), None):
            return "no_start", started.said
        said = "Dial ended"
        if steps.no_agent:
            told = re.search(r"no agent: (\w*) with cause (\w*)", steps.no_agent.said)
            if told:
                said = f"Dial says {told[1] or 'nothing'}, cause {told[2] or 'unknown'}"
        return "no_agent", f"{said}; no line says why"
    url, error, tries = match["url"], match["error"].strip(), int(match["tries"])
    if error == "Client start error":
        if _lasted(steps) > _SLOW * tries:
            return "agent_timeout", (
                f"{url} does not answer: a firewall, or the wrong host in AGENT_URL"
            )
        return "agent_down", (
            f"nobody listens at {url}: the agent is down, or AGENT_URL is wrong"
        )
    if error == "URI resolve error":
        return "agent_dns", f"the name in {url} is not known to DNS: AGENT_URL"
    if error == "Unauthorized":
        return "refused_unauthorised", (
            "the agent refused the password (401): Asterisk's AGENT_PASSWORD is not"
            " the agent's OFFHOOK_MEDIA_PASSWORD"
        )
    if refusals:
        return "refused", refusals[-1].said
    if error == "URL not found":
        return "agent_not_found", (
            f"404 from {url}: the dialplan asks for an AI that there is not, or this"
            " is not the agent's address: it ends in /telephony/ws"
        )
    if error == "Bad request":
        return "refused_bad_call_id", "the agent does not take the call's id (400)"
    if error == "Invalid response code":
        return "agent_refused", (
            "the agent refused it (402, 409, 503 or another): its log says why"
        )
    return "no_websocket", f"what answers at {url} is not the agent: {error}"


def _audiosocket(line: Line) -> tuple[str, str]:
    match = _AUDIOSOCKET.search(line.said)
    where, error = (match["where"], match["error"]) if match else ("", line.said)
    if "refused" in error:
        return "agent_down", (
            f"nobody listens at {where}: the agent is down, or OFFHOOK_AUDIOSOCKET_PORT"
            " is not set"
        )
    return "agent_timeout", f"{where} does not answer: {error}"


def _lasted(steps: Steps) -> float:
    first, last = steps.dialled, steps.handshake
    if first and last and first.at and last.at:
        return (last.at - first.at).total_seconds()
    return 0.0


def _agent_only(
    call: OneCall, steps: Steps, met: Sequence[Trouble]
) -> tuple[str, str] | None:
    """Asterisk's log has nothing of it."""
    if any(line.source is Source.ASTERISK for line in call.lines):
        return None
    for each in met:
        if each.grave:
            return each.cause, each.said
    if steps.began and not steps.ended:
        return "still_up", "the agent has it on the line, as far as its log goes"
    if steps.ended:
        reason = steps.ended.said.removeprefix("call ended: ")
        return "asterisk_unknown", (
            f"for the agent it went well and ended: {reason}; Asterisk's log is needed"
            " for the rest"
        )
    return "asterisk_unknown", "Asterisk's log has no line of it: is it the right file?"


def _unacknowledged(steps: Steps) -> tuple[str, str] | None:
    dialog = steps.dialog
    if dialog.ok and not dialog.ack:
        return "no_ack", no_ack(dialog)
    return None


def _during(
    call: OneCall, steps: Steps, met: Sequence[Trouble]
) -> tuple[str, str] | None:
    if not steps.agent_joined:
        return None
    grave = [each for each in met if each.grave]
    lost = next((each for each in grave if each.cause == "socket_lost"), None)
    for each in grave:
        # A socket breaks because something else did.
        if each.cause not in ("socket_lost", "recorder"):
            return each.cause, each.said
    if lost and not steps.ended:
        return "agent_died", (
            "the agent went away in mid-call: it was killed, crashed, or the network"
            " to it broke; its log, dmesg and its supervisor say which"
        )
    if lost:
        return "socket_lost", lost.said
    if call.restarted and not steps.over:
        return "asterisk_died", "Asterisk ended during the call, and was started again"
    if not (steps.agent_left and steps.caller_left) and not steps.over:
        return "still_up", (
            "both legs joined and none left: it is up, as far as the log goes"
        )
    return None


def _sound(call: OneCall, steps: Steps) -> tuple[str, str] | None:
    """As rtp-check says; of a moment nothing can be told."""
    sound = rtp.heard(call)
    if not steps.agent_joined or (sound.seconds or 0.0) < _MOMENT:
        return None
    cause, sentence = rtp.verdict(call, sound, messages(call.lines))
    return None if cause in ("well", "no_evidence", "gaps") else (cause, sentence)


def _after(
    steps: Steps, recording: tuple[Finding, missing.Verdict]
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
    if not steps.recording_ended:
        return "recording_open", (
            "the call is over and MixMonitor never ended: a hangup handler hangs (see"
            " the last Executing line), or Asterisk's disk does"
        )
    return None


def _clocks(call: OneCall, steps: Steps) -> tuple[str, str] | None:
    if call.jumped > SET_BACK:
        return "clock", (
            f"Asterisk's clock was set back by {call.jumped:.0f} s during the call:"
            " order and lengths here are wrong"
        )
    if steps.answered and steps.began and steps.answered.at and steps.began.at:
        apart = (steps.answered.at - steps.began.at).total_seconds()
        if abs(apart) > CLOCKS:
            return "clock", (
                f"the clocks of the two logs are {abs(apart):.0f} s apart: set TZ for"
                " this command to Asterisk's zone, or the machines' time"
            )
    return None


def _well(steps: Steps) -> str:
    parts = ["well"]
    joined, left = steps.caller_joined, steps.caller_left
    if joined and left and joined.at and left.at:
        parts.append(f"{(left.at - joined.at).total_seconds():.1f} s long")
    bye = steps.dialog.bye
    if steps.ended:
        reason = steps.ended.said.removeprefix("call ended: ").split(" after ")[0]
        parts.append(f"ended: {reason}")
    elif bye:
        parts.append("hung up by Asterisk" if bye.sent else "hung up by the caller")
    if not steps.dialog.invite:
        parts.append(f"of its SIP nothing is known: {SWITCH_ON}")
    return ", ".join(parts)
