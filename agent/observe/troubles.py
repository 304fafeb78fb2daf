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
    "loop_lag": "the agent's machine is late by more than OFFHOOK_MAX_LAG_SECONDS: more"
    " calls than it can carry, or something else uses its processors",
    "stt_queue": "more than OFFHOOK_MAX_STT_WAITING utterances wait for the recogniser:"
    " a smaller OFFHOOK_STT_MODEL, more OFFHOOK_STT_WORKERS, or fewer calls",
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
            r"^Unable to open file (?P<file>\S+\.wav): (?P<e>.*)$",
            "MixMonitor cannot write {file}: {e}",
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
            "connection_lost",
            r"^the socket broke: (?P<why>.*)$",
            "the connection between Asterisk and the agent broke: {why}; the agent"
            " lived on, so look at Asterisk and at what is between them: network,"
            " proxy, firewall",
            True,
        ),
        (
            "codec_mismatch",
            r"^MEDIA_START says (?P<why>.*)$",
            "Asterisk's MEDIA_START contradicts itself, so the codec is another than it"
            " says and nothing but noise was heard: it says {why}",
            True,
        ),
        (
            "no_xon",
            r"^no XON for (?P<s>[\d.]+) s",
            "Asterisk said that its queue is full (XOFF) and not that it has room again"
            " (XON): for {s} s or more the AI could not be heard",
            False,
        ),
        (
            "pings",
            r"^(?P<n>\d+) pings came",
            "{n} pings came on the call's socket: Asterisk sends none, so something"
            " between floods it",
            False,
        ),
        (
            "early_audio",
            r"^media: .*; early (?P<n>\d+)",
            "{n} messages of audio came before MEDIA_START and were dropped: an old"
            " Asterisk (issue 1712), or something between changes their order",
            False,
        ),
        (
            "odd_audio",
            r"^media: .*; odd (?P<n>\d+)",
            "audio came in odd sizes, {n} messages of no whole 10 ms: something between"
            " Asterisk and the agent cuts it anew",
            False,
        ),
        (
            "late_audio",
            r"^media: .*; late (?P<s>[\d.]+) s",
            "the caller's sound came in bursts, up to {s} s late: the network, Asterisk"
            " or the agent stood still for so long",
            False,
        ),
        (
            "second_socket",
            r"^refused with 409: duplicate_call_id",
            "a call of that id is up, and a second socket that came for it was refused"
            " (409): two Asterisks share an agent, or something repeats requests",
            False,
        ),
        (
            "silent_connections",
            r"^\[SERVE\] (?P<n>\d+) connections? said nothing",
            "{n} connections that say nothing were opened to the agent, and closed by"
            " it: a port scan, a broken health check, or an attack",
            False,
        ),
        (
            "refused",
            r"^refused with (?P<status>\d+): (?P<reason>\w+)",
            "the agent refused it with {status} {reason}: {why}",
            True,
        ),
        (
            "refused",
            r"^refused: (?P<why>.*)$",
            "the agent refused it: {why}",
            True,
        ),
        (
            "refused",
            r"^AudioSocket refused: (?P<reason>\w+)",
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
            r"^\[SERVE\] the event loop is stuck",
            "the agent was stuck and ended itself, so that Asterisk does not freeze",
            True,
        ),
        (
            "agent_stood_still",
            r"^\[SERVE\] the agent stood still for (?P<s>[\d.]+) s: (?P<why>.*)$",
            "the agent stood still for {s} s, and the AI neither heard nor spoke:"
            " {why}",
            True,
        ),
        (
            "asterisk_stood_still",
            r"^Asterisk stood still for (?P<s>[\d.]+) s",
            "Asterisk stood still for {s} s, and nobody heard anything: its process was"
            " stopped, its machine is overloaded, or the network to it hung",
            True,
        ),
        (
            "agent_part_died",
            r"^\[SERVE\] a part of the agent has died: (?P<why>.*)$",
            "a part of the agent died: {why}",
            True,
        ),
        ("agent_failed", r"^\[CALL\] failed", "the agent failed at this call", True),
        (
            "agent_died",
            r"^\[CALL\] its agent \S+ died; it is ended",
            "the agent died during the call",
            True,
        ),
        (
            "shutdown",
            r"^\[CALL\] ended: shutdown",
            "the agent was stopped, and OFFHOOK_DRAIN_SECONDS were over",
            True,
        ),
        (
            "provider",
            r"^\[(?P<stage>STT|LLM|TTS)\] (?P<who>\S+) (?P<cause>unreachable|timeout"
            r"|stalled|cut|throttled|no_credit|refused|bad_request|server_error"
            r"|nonsense)(?:: (?P<why>.*))?$",
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
            r"^\[VAD\] the call cannot be listened to any more",
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
            "Asterisk's queue of our sound ran full (XOFF)",
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
            r"^\[STT\] (?P<s>(?:[3-9]|\d\d+)\.\d+) s: ",
            "the recogniser took {s} s for an utterance",
            False,
        ),
        (
            "slow_tts",
            r"^\[TTS\] (?P<s>(?:[3-9]|\d\d+)\.\d+) s: ",
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
            r"^\[TOOL\] (?P<name>\S+) (?:\d+ ms: )?failed",
            "the tool {name} failed",
            False,
        ),
        (
            "tool_refused",
            r"^\[TOOL\] (?P<name>\S+) \d+ ms: refused$",
            "the policy refused the tool {name}; the call's record says why",
            False,
        ),
        (
            "no_human",
            r"^\[CALL\] no human takes it: (?P<why>.*)$",
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
            "the agent's disk is full or read-only and does not take the call's facts;"
            " a crash now would lose them: {why}",
            False,
        ),
        *(
            (
                "facts_database",
                rf"^\[FACTS\] wait in (?P<why>.*(?:{pattern}).*)$",
                f"{meaning}; facts of calls wait in the agent's journal and none is"
                " lost: {why}",
                False,
            )
            for pattern, meaning in (
                (
                    r"locked",
                    "another process holds the lock of the agent's database"
                    " (`fuser -v` on its file says which)",
                ),
                (r"is full|No space", "the disk of the agent's database is full"),
                (
                    r"read-?only",
                    "the agent's database takes no writes: it is read-only, or a"
                    " standby after a failover",
                ),
                (
                    r"not done in|timeout|in time",
                    "the agent's database takes requests and does not answer: it"
                    " hangs, or is overloaded",
                ),
                (
                    r"[Cc]onnection|connect|shutting down|starting up|terminat|closed",
                    "the agent's database was away: stopped, restarted or not"
                    " reachable",
                ),
                ("", "the agent's database did not work"),
            )
        ),
        (
            "recording_cut",
            r"^\[REC\] (?:call \S+: )?(?P<track>\w+) may lack its end: (?P<why>.*)$",
            "the recording ({track}) may lack its end: {why}",
            False,
        ),
        (
            "worker",
            r"^\[WORK\] (?P<why>cannot listen on .*)$",
            "the worker, which stores recordings and tells webhooks, cannot start, and"
            " is tried again and again: {why}",
            False,
        ),
        (
            "worker",
            r"^\[work\] (?P<why>(?:ended|hangs).*): restarting in .*$",
            "the worker, which stores recordings and tells webhooks, {why} meanwhile; a"
            " new one goes on where it was",
            False,
        ),
        (
            "facts_rejected",
            r"^\[FACTS\] rejected: (?P<why>.*)$",
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
                if each.cause not in _ACCOUNT:
                    break
    left = call.caller_left_first
    return _without_echoes(
        [
            each
            for each in found.values()
            if each.cause != "connection_lost" or not _beside(each.line.at, left)
        ]
    )


def _beside(at: datetime | None, left: datetime | None) -> bool:
    """In the moment in which the caller hung up, as far as two clocks agree."""
    return at is not None and left is not None and abs(at - left) < _BESIDE


_STOOD_STILL = ("agent_stood_still", "asterisk_stood_still")
_ECHOES = ("late_audio", "backlog")
_AFTER = timedelta(seconds=5)


def _without_echoes(found: list[Trouble]) -> list[Trouble]:
    """Whoever stands still finds everybody else late."""
    stood = [each for each in found if each.cause in _STOOD_STILL]
    ours = [each.line.at for each in stood if each.cause == "agent_stood_still"]

    def echo(each: Trouble) -> bool:
        if each.cause in _ECHOES:
            return bool(stood)
        at = each.line.at
        return each.cause == "asterisk_stood_still" and any(
            at and one and abs(at - one) < _AFTER for one in ours
        )

    return [each for each in found if not echo(each)]


_OF_ONE = ("refused", "no_start", "second_socket")
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
    if line.call in call.ids or any(named(each).search(line.said) for each in call.ids):
        return True
    if connecting is None or line.at is None:
        return False
    return connecting[0] <= line.at <= connecting[1]


_ACCOUNT = ("early_audio", "odd_audio", "late_audio")
"""All in one line, at a call's end."""
_BESIDE = timedelta(seconds=1)
"""By which two clocks may differ."""
_ONCE = ("garbage", "socket_lost", "slow_stt", "slow_tts", "backlog", "rtp_not_sent")
