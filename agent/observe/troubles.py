"""Lines that say that something is wrong in a call, and what they mean.

One table, from the words of Asterisk and of the agent to a cause and what to do. Found
in a call that otherwise went well, they say why it was slow, silent or ended early.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from .lines import Line, Source, named
from .onecall import OneCall


@dataclass(frozen=True, slots=True)
class Known:
    cause: str
    source: Source
    pattern: re.Pattern[str]
    meaning: str
    """With the pattern's groups by name."""
    grave: bool
    """The call cannot have been a good one."""


@dataclass(frozen=True, slots=True)
class Trouble:
    cause: str
    said: str
    line: Line
    grave: bool


def _of(source: Source, *rows: tuple[str, str, str, bool]) -> Iterator[Known]:
    for cause, pattern, meaning, grave in rows:
        yield Known(cause, source, re.compile(pattern), meaning, grave)


_REASONS = {
    "unauthorised": "Asterisk's AGENT_PASSWORD is not the agent's"
    " OFFHOOK_MEDIA_PASSWORD, or the user is not",
    "bad_call_id": "the dialplan's call_id is no id: letters, digits, . _ - only",
    "unknown_ai": "the AI that the dialplan asks for is not among the agent's; the"
    " agent's line before says which there are",
    "duplicate_call_id": "a call of that id is up: two Asterisks share an agent, or a"
    " second socket came for one call",
    "budget_spent": "the budget of the customer or of the AI is spent",
    "at_capacity": "OFFHOOK_MAX_CALLS calls are up",
    "loop_lag": "the agent's machine is late: more calls than it can carry, or"
    " something else uses its processors",
    "stt_queue": "too many utterances wait for the recogniser",
    "shutting_down": "the agent was told to stop and takes no new calls",
}

KNOWN = (
    *_of(
        Source.ASTERISK,
        (
            "socket_lost",
            r"^Web socket closed abruptly|forcefully closed due to"
            r"|^Failed to (?:read header|receive frame) from AudioSocket",
            "the socket to the agent broke: the agent died, was killed, or the network"
            " between them failed",
            True,
        ),
        (
            "codec",
            r"^No path to translate from (?P<a>\S+) to (?P<b>\S+)",
            "no codec joins the phone and the agent: c(...) in the dial string must be"
            " one of ulaw, alaw, slin, slin16, and its codec_*.so loaded",
            True,
        ),
        (
            "no_rtp",
            r"for lack of (?:audio )?RTP activity in (?P<s>\d+) seconds",
            "Asterisk ended it: no sound came from the phone for {s} s",
            True,
        ),
        (
            "frame_too_big",
            r"^Cannot fit huge websocket frame|frame type -?\d+ not supported",
            "the agent, or what is between, sent a WebSocket frame that Asterisk"
            " does not take",
            True,
        ),
        (
            "no_way",
            r"no way to connect it to (?P<number>.*)$",
            "the AI wanted to connect it to {number}, which [connect] of the dialplan"
            " does not know",
            True,
        ),
        (
            "recorder",
            r"^(?:Cannot open|Unable to add) (?P<file>\S+)",
            "MixMonitor cannot write {file}: the folder is missing, full or not"
            " Asterisk's",
            True,
        ),
        (
            "rtp_not_sent",
            r"^RTP .*[Tt]ransmission error (?:of packet \d+ )?to (?P<to>\S+):"
            r" (?P<e>.*)$",
            "sound to {to} could not be sent: {e}",
            False,
        ),
        (
            "agent_not_told",
            r"\('https?://\S*/(?:over|next)'\)$",
            "the dialplan could not reach the agent over HTTP",
            False,
        ),
        (
            "dialplan",
            r"^(?:Could not find|No application|Function \S+ not)|^No such "
            r"(?:application|extension)",
            "the dialplan asks for something that this Asterisk has not",
            True,
        ),
    ),
    *_of(
        Source.AGENT,
        (
            "refused",
            r"refused with (?P<status>\d+): (?P<reason>\w+)",
            "the agent refused it with {status} {reason}: {why}",
            True,
        ),
        (
            "refused",
            r"^call \S+ refused: (?P<why>.*)$",
            "the agent refused it: {why}",
            True,
        ),
        (
            "refused",
            r"^AudioSocket call \S+ refused: (?P<reason>\w+)",
            "the agent refused it, {reason}: {why}",
            True,
        ),
        (
            "no_start",
            r"^no call came of this (?:socket|AudioSocket connection): (?P<why>.*)$",
            "connected, and nothing that begins a call came: {why}",
            True,
        ),
        (
            "unsupported_format",
            r"^cannot speak with this Asterisk: (?P<why>.*)$",
            "the agent cannot speak its codec: {why}",
            True,
        ),
        (
            "agent_stuck",
            r"the event loop is stuck",
            "the agent was stuck and ended itself, so that Asterisk does not freeze",
            True,
        ),
        (
            "agent_part_died",
            r"^a part of the agent has died: (?P<why>.*)$",
            "a part of the agent died: {why}",
            True,
        ),
        ("agent_failed", r"^the call failed", "the agent failed at this call", True),
        (
            "agent_died",
            r"its agent \S+ died; it is ended",
            "the agent died during the call",
            True,
        ),
        (
            "shutdown",
            r"^call ended: shutdown",
            "the agent was stopped, and OFFHOOK_DRAIN_SECONDS were over",
            True,
        ),
        (
            "provider",
            r"^\[(?P<stage>STT|LLM|TTS)\] (?P<who>\S+) (?P<cause>unreachable|timeout"
            r"|stalled|cut|throttled|no_credit|refused|bad_request|server_error"
            r"|nonsense): (?P<why>.*)$",
            "{stage}: {who}: {cause}: {why}",
            True,
        ),
        (
            "provider",
            r"^\[(?P<stage>STT|LLM|TTS)\] (?:.* )?failed: (?P<why>.*)$",
            "{stage} failed: {why}",
            True,
        ),
        ("mute", r"^\[TTS\] no voice says ", "no voice could say the answer", True),
        (
            "realtime",
            r"^\[REALTIME\] (?P<why>\S+ failed: .*|unreadable: .*|incomplete: .*)$",
            "the model that hears and speaks: {why}",
            True,
        ),
        (
            "local_server",
            r"^\[(?P<name>speech|llm)\] (?P<why>ended \(.*|.*: restarting in .*)$",
            "the local server {name} died meanwhile: {why}",
            True,
        ),
        (
            "deaf",
            r"a call cannot be listened to any more",
            "the voice detector failed: the caller is not heard any more",
            True,
        ),
        (
            "garbage",
            r"garbage no\. (?P<n>\d+)(?: on the wire)?: (?P<why>.*)$",
            "what came on the socket makes no sense ({n} times): {why}",
            False,
        ),
        (
            "unknown_event",
            r"^unknown event '(?P<name>[^']*)', ignored",
            "Asterisk sent an event that this agent does not know: {name}",
            False,
        ),
        (
            "command_refused",
            r"^Asterisk refused a command: (?P<why>.*)$",
            "Asterisk refused a command: {why}",
            False,
        ),
        (
            "xoff",
            r"queue is nearly full \(XOFF\)",
            "Asterisk's queue of our sound ran full",
            False,
        ),
        (
            "backlog",
            r"^Asterisk is (?P<s>[\d.]+) s behind; flushed",
            "Asterisk, or the agent, stood still: {s} s of delay had gathered",
            False,
        ),
        (
            "hold",
            r"^the caller's audio has ceased: on hold",
            "no sound came from the caller for a while: on hold, or lost",
            False,
        ),
        (
            "slow_stt",
            r"^\[STT\] (?P<s>(?:[3-9]|\d\d+)\.\d+) s[:,] ",
            "the recogniser took {s} s for an utterance",
            False,
        ),
        (
            "slow_tts",
            r"^\[TTS\] (?P<s>(?:[3-9]|\d\d+)\.\d+) s[:,] ",
            "the voice took {s} s for its first sound",
            False,
        ),
        (
            "noise",
            r"^\[NC\] (?P<why>.*); the voice detector hears the noise",
            "noise cancellation failed and the call went on without: {why}",
            False,
        ),
        (
            "tool",
            r"^\[TOOL\] (?P<name>\S+) failed",
            "the tool {name} failed",
            False,
        ),
        (
            "tool_refused",
            r"^\[TOOL\] (?P<name>\S+) \d+ ms: (?P<why>too many tools .*"
            r"|this call may not cost .*|no more connections.*|.* is no number .*"
            r"|.* may not be (?:called|written to)|.* is not one e-mail .*"
            r"|.* is not for you to set|a line break .*)$",
            "the policy refused the tool {name}: {why}",
            False,
        ),
        (
            "no_human",
            r"no human takes the call: (?P<why>.*)$",
            "no human took the call: {why}",
            False,
        ),
        (
            "mcp",
            r"^\[MCP\] (?P<who>\S+) is gone: (?P<why>.*)$",
            "the tools of {who} are gone: {why}",
            False,
        ),
        (
            "not_silenced",
            r"^\[REC\] still silent: (?P<why>.*)$",
            "the recording stayed silent, as Asterisk's AMI did not obey: {why}",
            False,
        ),
        (
            "facts_disk",
            r"^\[FACTS\] cannot be written to (?P<why>.*)$",
            "the agent's disk does not take the call's facts: {why}",
            False,
        ),
        (
            "facts_database",
            r"^\[FACTS\] wait in (?P<why>.*)$",
            "the database was away; nothing is lost: {why}",
            False,
        ),
        (
            "facts_rejected",
            r"^\[FACTS\] call \S+: rejected: (?P<why>.*)$",
            "a fact of this call was rejected by the database: {why}",
            False,
        ),
    ),
)


def known(call: OneCall) -> list[Trouble]:
    """Each once, the first time that it is said."""
    found: dict[tuple[str, str], Trouble] = {}
    connecting = _connecting(call)
    for line in call.lines:
        for each in KNOWN:
            if each.source is not line.source:
                continue
            if each.cause in _OF_ONE and not _ours(line, call, connecting):
                continue
            if match := each.pattern.search(line.said):
                groups = match.groupdict()
                why = _REASONS.get(groups.get("reason") or "", groups.get("why") or "")
                said = each.meaning.format_map({**groups, "why": why}).rstrip(": ")
                key = each.cause, "" if each.cause in _ONCE else said
                found.setdefault(key, Trouble(each.cause, said, line, each.grave))
                break
    return list(found.values())


_OF_ONE = ("refused", "no_start")
"""What the agent says of one call, and not of which."""


def _connecting(call: OneCall) -> tuple[datetime, datetime] | None:
    """When Asterisk tried to reach the agent, in vain."""
    began = call.last(
        r"^Executing \[\S+\] Dial\(\"[^\"]*\", \"(?:WebSock|AudioSock)et/"
    )
    failed = call.last(r"^Call \S+: no agent: |^\S+: Websocket connection to ")
    if not began or not failed or not began.at or not failed.at:
        return None
    return began.at - _BESIDE, failed.at + _BESIDE


def _ours(
    line: Line, call: OneCall, connecting: tuple[datetime, datetime] | None
) -> bool:
    if line.call or any(named(each).search(line.said) for each in call.ids):
        return True
    if connecting is None or line.at is None:
        return False
    return connecting[0] <= line.at <= connecting[1]


_BESIDE = timedelta(seconds=1)
"""By which two clocks may differ."""
_ONCE = ("garbage", "socket_lost", "slow_stt", "slow_tts", "backlog", "rtp_not_sent")
