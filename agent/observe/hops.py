"""Where a call's sound stops: RTP in, WebSocket, STT, LLM, TTS, RTP out.

Each hop with what shows it, and the first that is broken in a sentence. A hop that let
something through works, whatever the logs lack.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from . import rtp, troubles
from .findings import Finding, Report, State, nothing_of
from .following import report as followed
from .ladder import messages
from .lines import Line, Source
from .media import LINE, Media, media
from .onecall import OneCall
from .steps import Steps
from .troubles import Trouble

# Their number, or the words themselves where those are asked for.
_UNDERSTOOD = (
    r"^\[CALLER\] (?!0 words\b).*\w|^\[STT\] while we speak: .*\w"
    r"|^\[STT\] [\d.]+ s: [1-9]\d* words$"
)
_NO_WORDS = r"^\[STT\] [\d.]+ s: 0 words$"
_CALLER = r"^\[CALLER\] (?!0 words\b).*\w"
_AGENT = r"^\[AGENT\] (?!0 words\b).*\w"
_SPOKEN = r"^\[TTS\] [\d.]+ s: "
ENOUGH = 0.5
"""Seconds of a voice, of which a recogniser must make something."""
_BROKEN = "provider"


@dataclass(frozen=True, slots=True)
class _Evidence:
    call: OneCall
    steps: Steps
    met: Sequence[Trouble]
    sound: rtp.Sound
    counted: Media | None
    counted_line: Line | None

    def met_of(self, stage: str) -> Trouble | None:
        """Trouble with STT, LLM or TTS."""
        for each in self.met:
            if each.cause == _BROKEN and each.line.said.startswith(f"[{stage}]"):
                return each
        return None

    def met_as(self, *causes: str) -> Trouble | None:
        return next((each for each in self.met if each.cause in causes), None)

    def said(self, pattern: str) -> list[Line]:
        return self.call.all(pattern, source=Source.AGENT)


def report(call: OneCall) -> Report:
    if not call.lines:
        return nothing_of(call.asked)
    line = call.last(LINE.pattern, source=Source.AGENT)
    seen = _Evidence(
        call,
        Steps.of(call),
        troubles.known(call),
        rtp.heard(call),
        media(line.said) if line else None,
        line,
    )
    findings = (
        _rtp_in(seen),
        _websocket(seen),
        _stt(seen),
        _llm(seen),
        _tts(seen),
        _rtp_out(seen),
    )
    broken = [each for each in findings if each.bad]
    if broken:
        first = broken[0]
        name = first.what.lower().replace(" ", "_")
        return Report(
            call.asked, name, f"broken at {first.what}: {first.said}", 1, findings
        )
    unknown = [each.what for each in findings if each.state is State.UNKNOWN]
    if unknown:
        sentence = f"nothing is broken as far as the logs go; of {', '.join(unknown)}"
        sentence += " they do not tell"
        return Report(call.asked, "cannot_tell", sentence, 2, findings)
    return Report(call.asked, "well", "all hops let sound through", 0, findings)


def _finding(what: str, state: State, said: str, *lines: Line | None) -> Finding:
    kept = [line for line in lines if line]
    return Finding(
        what,
        state,
        said,
        kept[0].when if kept else "",
        tuple(line.text for line in kept),
    )


def _rtp_in(seen: _Evidence) -> Finding:
    what, came = "RTP in", seen.sound.came
    if came.packets:
        said = f"{came.packets} packets came from the phone"
        if came.loss >= rtp.LOSS:
            return Finding(
                what,
                State.BROKEN,
                f"{said}, and {came.loss:.0%} were lost",
                evidence=tuple(came.evidence[:2]),
            )
        return Finding(what, State.OK, said, evidence=tuple(came.evidence[:2]))
    if came.packets == 0 and seen.steps.agent_joined:
        _, why = rtp.verdict(seen.call, seen.sound, messages(seen.call.lines))
        return Finding(what, State.BROKEN, why, evidence=tuple(came.evidence[:2]))
    if trouble := seen.met_as("no_rtp"):
        return _finding(what, State.BROKEN, trouble.said, trouble.line)
    if seen.counted and seen.counted.in_frames and seen.counted.loud > 0:
        said = f"the agent got {seen.counted.loud:g} s of sound"
        return _finding(what, State.OK, said, seen.counted_line)
    if spoke := _words(seen):
        return _finding(what, State.OK, "the caller was understood", spoke)
    if not seen.steps.agent_joined:
        return Finding(what, State.UNKNOWN, "nobody was on the line to hear it")
    if trouble := seen.met_as("hold"):
        return _finding(what, State.BROKEN, trouble.said, trouble.line)
    if seen.counted and not seen.counted.in_frames:
        said = "no frame reached the agent, as when no RTP comes"
        return _finding(what, State.BROKEN, said, seen.counted_line)
    return Finding(what, State.UNKNOWN, rtp.SWITCH_ON)


def _words(seen: _Evidence) -> Line | None:
    """The caller's, understood."""
    found = seen.said(_UNDERSTOOD)
    return found[0] if found else None


def _websocket(seen: _Evidence) -> Finding:
    what, steps = "WebSocket", seen.steps
    if trouble := seen.met_as("no_start", "unsupported_format", "frame_too_big"):
        return _finding(what, State.BROKEN, trouble.said, trouble.line)
    asterisk = any(line.source is Source.ASTERISK for line in seen.call.lines)
    if asterisk and not steps.agent_joined and not steps.began:
        told = followed(seen.call)
        return _finding(
            what, State.BROKEN, told.sentence, steps.handshake, steps.no_agent
        )
    if trouble := seen.met_as("socket_lost"):
        if not steps.ended:
            said = f"{trouble.said}, in mid-call"
            return _finding(what, State.BROKEN, said, trouble.line)
    if seen.counted:
        got = seen.counted
        if got.garbage and got.garbage >= got.in_frames:
            said = f"{got.garbage} messages made no sense"
            return _finding(what, State.BROKEN, said, seen.counted_line)
        if not got.in_frames and seen.sound.came.packets:
            said = (
                "RTP came to Asterisk, and no frame to the agent: a codec that cannot"
                " be translated, or d(out) in the dial string"
            )
            return _finding(what, State.BROKEN, said, seen.counted_line)
        if got.in_frames:
            said = f"{got.in_frames} frames came to the agent"
            return _finding(what, State.OK, said, seen.counted_line)
    if spoke := _words(seen):
        return _finding(what, State.OK, "the caller was understood", spoke)
    if trouble := seen.met_as("garbage"):
        return _finding(what, State.BROKEN, trouble.said, trouble.line)
    if steps.began:
        return _finding(what, State.OK, "the call began for the agent", steps.began)
    if steps.agent_joined and not seen.call.agent_seen:
        said = "the agent's leg joined the bridge"
        return _finding(what, State.OK, said, steps.agent_joined)
    return _finding(
        what,
        State.UNKNOWN,
        "the agent's leg joined, and the agent's log has nothing of this call",
        steps.agent_joined,
    )


def _not_here(seen: _Evidence) -> str:
    """Why nothing can be said of what happens in the agent."""
    if not seen.call.agent_seen:
        return "the agent's log is not among these"
    if not seen.steps.began:
        return "the call never began for the agent"
    return ""


def _stt(seen: _Evidence) -> Finding:
    what = "STT"
    if trouble := seen.met_of("STT") or seen.met_as("deaf", "realtime"):
        return _finding(what, State.BROKEN, trouble.said, trouble.line)
    if spoke := _words(seen):
        return _finding(what, State.OK, "words were understood", spoke)
    if why := _not_here(seen):
        return Finding(what, State.UNKNOWN, why)
    empty = seen.said(_NO_WORDS)
    if empty:
        said = "sound, and no word in it: noise, music, or the AI's language is another"
        return _finding(what, State.BROKEN, said, empty[0])
    counted = seen.counted
    if counted and counted.voiced >= ENOUGH:
        said = f"{counted.voiced:g} s of a voice, and the recogniser said nothing"
        return _finding(what, State.BROKEN, said, seen.counted_line)
    if counted and counted.loud >= ENOUGH:
        said = (
            f"{counted.loud:g} s of sound, and none taken for a voice: noise, a wrong"
            " codec, or OFFHOOK_VAD_VOICED is too high"
        )
        return _finding(what, State.BROKEN, said, seen.counted_line)
    if counted and counted.in_frames:
        said = (
            "nothing to understand: all that came was quieter than"
            " OFFHOOK_VAD_FLOOR_DBFS; the caller was silent, or muted"
        )
        return _finding(what, State.UNKNOWN, said, seen.counted_line)
    return Finding(what, State.UNKNOWN, "no [CALLER] line: nothing counted as a voice")


def _llm(seen: _Evidence) -> Finding:
    what = "LLM"
    if trouble := seen.met_of("LLM"):
        return _finding(what, State.BROKEN, trouble.said, trouble.line)
    if why := _not_here(seen):
        return Finding(what, State.UNKNOWN, why)
    asked = seen.said(_CALLER)
    for line in seen.said(rf"{_AGENT}|^\[TOOL\] \S+ \d+ ms: "):
        if asked and line.at and asked[0].at and line.at >= asked[0].at:
            return _finding(what, State.OK, "it answered what the caller said", line)
    if asked:
        last = asked[-1]
        ended = seen.steps.ended
        if ended and ended.at and last.at and (ended.at - last.at).total_seconds() < 3:
            said = "the call ended before it could answer"
            return _finding(what, State.UNKNOWN, said, last)
        said = "the caller was understood and never answered"
        return _finding(what, State.BROKEN, said, asked[0])
    return Finding(what, State.UNKNOWN, "it was never asked: no [CALLER] line")


def _tts(seen: _Evidence) -> Finding:
    what = "TTS"
    if trouble := seen.met_of("TTS") or seen.met_as("mute"):
        return _finding(what, State.BROKEN, trouble.said, trouble.line)
    if why := _not_here(seen):
        return Finding(what, State.UNKNOWN, why)
    if spoke := seen.said(_SPOKEN):
        return _finding(what, State.OK, "it spoke", spoke[0])
    if seen.counted and seen.counted.out_seconds > 0:
        said = f"{seen.counted.out_seconds:g} s were given to Asterisk"
        return _finding(what, State.OK, said, seen.counted_line)
    if turns := seen.said(_AGENT):
        return _finding(what, State.OK, "the agent took a turn", turns[0])
    return Finding(what, State.UNKNOWN, "there was nothing to say: no [AGENT] line")


def _rtp_out(seen: _Evidence) -> Finding:
    what, went = "RTP out", seen.sound.went
    said = messages(seen.call.lines)
    cause, why = rtp.verdict(seen.call, seen.sound, said)
    if went.packets:
        evidence = tuple(went.evidence[:2])
        if cause == "wrong_address" or went.loss >= rtp.LOSS:
            return Finding(what, State.BROKEN, why, evidence=evidence)
        told = f"{went.packets} packets were sent to the phone"
        return Finding(what, State.OK, told, evidence=evidence)
    if trouble := seen.met_as("rtp_not_sent"):
        return _finding(what, State.BROKEN, trouble.said, trouble.line)
    if went.packets == 0 and seen.counted and seen.counted.out_frames:
        told = f"the agent gave {seen.counted.out_seconds:g} s, and Asterisk sent none"
        return _finding(what, State.BROKEN, told, seen.counted_line)
    if went.packets == 0 and seen.steps.agent_joined:
        told = "Asterisk sent the phone nothing"
        return Finding(what, State.BROKEN, told, evidence=tuple(went.evidence[:2]))
    if cause == "wrong_address":
        return Finding(what, State.BROKEN, why)
    if seen.counted and seen.counted.heard:
        told = f"Asterisk has played {seen.counted.heard:g} s; sent on, nothing tells"
        return _finding(what, State.UNKNOWN, told, seen.counted_line)
    return Finding(what, State.UNKNOWN, rtp.SWITCH_ON)
