"""What went wrong in a call in which the agent was on the line. Each says one word and
one sentence, or nothing.
"""

from collections.abc import Sequence

from . import rtp
from .ladder import messages, no_ack
from .lines import Source
from .media import LINE, Media, media
from .onecall import OneCall
from .steps import Steps
from .troubles import Trouble

_SET_BACK = 1.0
_CLOCKS = 5.0
"""Seconds by which two machines may differ."""
_MOMENT = 1.0
"""Seconds."""
_LONG = 3.0
"""Seconds in which more than a greeting was to be heard."""
_SHARE = 0.5
_ENOUGH_PACKETS = 100
_PACKET = 0.02
"""Seconds of sound in it, nearly always."""


def asterisk_unseen(
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
        reason = steps.ended.said.removeprefix("[CALL] ended: ")
        return "asterisk_unknown", (
            f"for the agent it went well and ended: {reason}; Asterisk's log is needed"
            " for the rest"
        )
    return "asterisk_unknown", "Asterisk's log has no line of it: is it the right file?"


def asterisk_died(call: OneCall, steps: Steps) -> tuple[str, str] | None:
    if not steps.agent_joined or not call.restarted or steps.over:
        return None
    return "asterisk_died", (
        "Asterisk ended during the call, and was started again: it was killed,"
        " crashed (a core file, dmesg), or somebody restarted it"
    )


def unacknowledged(steps: Steps) -> tuple[str, str] | None:
    dialog = steps.dialog
    if dialog.ok and not dialog.ack:
        return "no_ack", no_ack(dialog)
    return None


def grave_trouble(
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
    if not (steps.agent_left and steps.caller_left) and not steps.over:
        return "still_up", (
            "both legs joined and none left: it is up, as far as the log goes"
        )
    return None


def sound_lost(call: OneCall, steps: Steps) -> tuple[str, str] | None:
    """As rtp-check says; of a moment nothing can be told."""
    sound = rtp.heard(call)
    if not steps.agent_joined or (sound.seconds or 0.0) < _MOMENT:
        return None
    cause, sentence = rtp.verdict(call, sound, messages(call.lines))
    if cause not in ("well", "no_evidence", "gaps", "one_way_out"):
        return cause, sentence
    line = call.last(LINE.pattern, source=Source.AGENT)
    if line and not _handed_over(steps) and (counted := media(line.said)):
        if lost := _lost_between(sound, counted):
            return lost
    return (cause, sentence) if cause == "one_way_out" else None


def _handed_over(steps: Steps) -> bool:
    """The caller's sound went on without the agent."""
    agent, caller = steps.agent_left, steps.caller_left
    if agent is None or caller is None or agent.at is None or caller.at is None:
        return False
    return (caller.at - agent.at).total_seconds() > _MOMENT


def _lost_between(sound: rtp.Sound, counted: Media) -> tuple[str, str] | None:
    """Sound that one of Asterisk and the agent gave, and the other never had."""
    came, went = sound.came.packets or 0, sound.went.packets
    # A packet may be of 10 ms.
    if came >= _ENOUGH_PACKETS and counted.in_seconds < 0.4 * came * _PACKET:
        return "not_heard", (
            f"{came} packets came from the phone to Asterisk, and only"
            f" {counted.in_seconds:.1f} s of sound reached the agent: it is lost"
            " between them, d(out) is in the dial string, or no codec translates it"
        )
    share = 1.0 if went is None else went * _PACKET / (sound.seconds or 1.0)
    if (sound.seconds or 0.0) >= _LONG and share < _SHARE and counted.out_seconds:
        return "not_sent_on", (
            f"the phone was sent sound for {share:.0%} of the call only, and the agent"
            " sends all the time: its sound was lost between the agent and Asterisk"
            " (something drops frames, or cuts them into fragments), or XOFF held it"
            " back"
        )
    return None


def clocks(call: OneCall, steps: Steps) -> tuple[str, str] | None:
    if call.jumped > _SET_BACK:
        return "clock", (
            f"Asterisk's clock was set back by {call.jumped:.0f} s during the call:"
            " order and lengths here are wrong"
        )
    if steps.answered and steps.began and steps.answered.at and steps.began.at:
        apart = (steps.answered.at - steps.began.at).total_seconds()
        if abs(apart) > _CLOCKS:
            return "clock", (
                f"the clocks of the two logs are {abs(apart):.0f} s apart: set TZ for"
                " this command to Asterisk's zone, or the machines' time"
            )
    return None
