"""A third dialect: all of a call in JSON text, audio as base64 inside.

Not what chan_websocket sends; a media gateway in front of us may. Every message is
an object with a "type". Unknown keys are ignored, other types are Unrecognised.

    type    from     accepted                                     we write
    start   caller   "call-id" | "call_id" | "callId" (required)  "call-id"
                     "codec" | "format" (ulaw)                    "codec"
                     "direction" and any other string: variables  as they are
    media   both     "audio" base64, "ts" whole number (optional) both
    dtmf    caller   "digit" | "dtmf": one key, or a number 0-9   "digit"
    clear   agent    nothing else; is Flush                       alone
    stop    both     "reason" (optional); Stopped, or Hangup      "reason" if any

`ts` numbers 20 ms frames, one numbering for both legs: whoever speaks goes on from
one past the highest number heard or said so far. It is our reading of "both legs
share frame numbering"; a peer that counts otherwise still sees it grow.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .audio import CODECS
from .commands import Command, Flush, Hangup, Ignored
from .errors import LocalError, PeerError
from .events import Dtmf, Event, MediaStart, Stopped, Unrecognised, keypress
from .fields import count, json_object, string

PTIME = 20
FRAME_BYTES = 160
"""Of ulaw, the dialect's own codec."""
# The largest whole number that every JSON reader keeps exact.
MAX_TS = 2**53 - 1

_CALL_ID = ("call-id", "call_id", "callId")
_CODEC = ("codec", "format")
_DIGIT = ("digit", "dtmf")


@dataclass(frozen=True, slots=True)
class Media:
    payload: bytes
    ts: int | None = None


def parse_event(text: str) -> Event | Media:
    """What the caller's side says."""
    kind, fields = _typed(text)
    try:
        match kind:
            case "media":
                return _media(fields)
            case "start":
                return _start(fields)
            case "dtmf":
                return _dtmf(fields)
            case "stop":
                return Stopped(string(fields, "reason", ""))
    except PeerError as error:
        raise PeerError(f"bad {kind}: {error}") from error
    return Unrecognised(kind)


def parse_command(text: str) -> Command | Media | Ignored:
    """What the agent says."""
    kind, fields = _typed(text)
    match kind:
        case "media":
            return _media(fields)
        case "clear":
            return Flush()
        case "stop":
            return Hangup()
    return Ignored(f"type unknown: {kind!r}")


def encode_event(event: Event) -> str | None:
    """None: the envelope has no such word."""
    match event:
        case MediaStart():
            return _write(
                {
                    **event.variables,
                    "type": "start",
                    "call-id": event.channel_id,
                    "codec": event.format,
                }
            )
        case Dtmf(digit):
            return _write({"type": "dtmf", "digit": digit})
        case Stopped(reason):
            return _write({"type": "stop", **({"reason": reason} if reason else {})})
    return None


def encode_command(command: Command) -> str | None:
    """None: the envelope has no such word."""
    match command:
        case Flush():
            return '{"type":"clear"}'
        case Hangup():
            return '{"type":"stop"}'
    return None


def encode_media(payload: bytes, ts: int) -> str:
    if not 0 <= ts <= MAX_TS:
        raise LocalError(f"ts is {ts}, not in 0..{MAX_TS}")
    # Base64 needs no escaping: much cheaper than json.dumps, 50 times a second.
    return (
        f'{{"type":"media","audio":"{base64.b64encode(payload).decode()}","ts":{ts}}}'
    )


def _typed(text: str) -> tuple[str, Mapping[str, Any]]:
    fields = json_object(text)
    return string(fields, "type"), fields


def _media(fields: Mapping[str, Any]) -> Media:
    audio = fields.get("audio")
    if not isinstance(audio, str):
        raise PeerError(f"audio is {type(audio).__name__}, expected base64")
    try:
        payload = base64.b64decode(audio, validate=True)
    except ValueError as error:
        raise PeerError(f"audio is not base64 ({error}): {audio[:40]!r}") from error
    return Media(payload, count(fields, "ts", MAX_TS) if "ts" in fields else None)


def _start(fields: Mapping[str, Any]) -> MediaStart:
    codec = string(fields, _spelling(fields, _CODEC), "ulaw")
    known = CODECS.get(codec)
    named = {"type", *_CALL_ID, *_CODEC}
    return MediaStart(
        channel_id=string(fields, _spelling(fields, _CALL_ID)),
        format=codec,
        frame_size=known.frame_bytes(PTIME) if known else 0,
        ptime=PTIME,
        variables={
            name: string(fields, name)
            for name, value in fields.items()
            if name not in named and isinstance(value, str)
        },
    )


def _dtmf(fields: Mapping[str, Any]) -> Dtmf:
    name = _spelling(fields, _DIGIT)
    if type(fields.get(name)) is int:
        return Dtmf(str(count(fields, name, 9)))
    return keypress(string(fields, name))


def _spelling(fields: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """The first of `names` that is used; the first of all when none is."""
    return next((name for name in names if name in fields), names[0])


def _write(fields: Mapping[str, str]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
