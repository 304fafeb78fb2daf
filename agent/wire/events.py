"""What Asterisk tells us over the media websocket, in JSON or plain text.

Both formats become the same events here, and each message is recognised by itself,
so nothing above this module knows which one is in use. Audio is binary and never
passes through here. `encode` is the other direction: Asterisk's own bytes, for the
test caller that plays Asterisk.
"""

import json
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, assert_never

from .errors import LocalError, PeerError
from .fields import MAX_TEXT, count, flag, json_object, string, strings

Format = Literal["json", "plain-text"]
"""As in f(...) of the dial string."""

# What one websocket frame of Asterisk can hold, and more than any codec's packet.
MAX_FRAME_BYTES = 65_535
MAX_PTIME = 1000
MAX_QUEUE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class MediaStart:
    """First message of every call: which channel, and how audio is framed."""

    channel_id: str
    """Unique id of the AI leg."""
    format: str
    """The codec's name."""
    frame_size: int
    """Bytes that Asterisk plays every `ptime`; 0 for codecs passed through."""
    ptime: int
    """Milliseconds."""
    channel: str = ""
    """The AI leg's name."""
    connection_id: str = ""
    """The section in websocket_client.conf, the same for all calls."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Of the AI leg. Plain text has none."""


@dataclass(frozen=True, slots=True)
class Dtmf:
    """The caller pressed a key, and let go."""

    digit: str


@dataclass(frozen=True, slots=True)
class MarkReached:
    """What we sent before MARK_MEDIA has been played."""

    mark: str


@dataclass(frozen=True, slots=True)
class BufferingCompleted:
    """What we sent before STOP_MEDIA_BUFFERING has been played."""

    mark: str


@dataclass(frozen=True, slots=True)
class QueueDrained:
    """Answers REPORT_QUEUE_DRAINED, once: nothing is left to be played."""


@dataclass(frozen=True, slots=True)
class Xoff:
    """Asterisk's queue is nearly full. Past 1000 frames it drops, silently."""


@dataclass(frozen=True, slots=True)
class Xon:
    """There is room again."""


@dataclass(frozen=True, slots=True)
class Status:
    queue_length: int
    """Frames waiting; marks are not counted."""
    xon_level: int = 800
    xoff_level: int = 900
    queue_full: bool = False
    """MEDIA_XOFF was said, and no MEDIA_XON since."""
    bulk_media: bool = False
    media_paused: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """ERROR: a command of ours could not be read or obeyed. The call goes on."""

    error_text: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The peer ended the call. Only the envelope says so; others just close."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """A newer Asterisk said something we do not know. Log it and carry on."""

    name: str


Event = (
    MediaStart
    | Dtmf
    | MarkReached
    | BufferingCompleted
    | QueueDrained
    | Xoff
    | Xon
    | Status
    | Refused
    | Stopped
    | Unrecognised
)


def parse(text: str) -> Event:
    if len(text) > MAX_TEXT:
        raise PeerError(f"{len(text)} characters in a message, more than {MAX_TEXT}")
    name, fields = _json(text) if text.startswith("{") else _plain(text)
    try:
        return _event(name, fields)
    except PeerError as error:
        raise PeerError(f"bad {name}: {error}") from error


def encode(event: Event, format: Format, *, channel_id: str = "") -> str:
    """What Asterisk would write. `channel_id` is left out of most events here."""
    name, fields = _spell(event, channel_id)
    if format == "json":
        return _jansson({"event": name, **fields})
    match event:
        case MarkReached(mark) | BufferingCompleted(mark):
            return f"{name} {mark}" if mark else name
        case Dtmf(digit):
            return f"{name} digit:{digit} channel_id:{channel_id}"
        case QueueDrained() | Xoff() | Xon() | Unrecognised():
            return name
    words = (
        f"{key}:{str(value).lower() if isinstance(value, bool) else value}"
        for key, value in fields.items()
        if key != "channel_variables"
    )
    return " ".join((name, *words))


def _event(name: str, fields: Mapping[str, Any]) -> Event:
    match name:
        case "MEDIA_START":
            return MediaStart(
                channel_id=string(fields, "channel_id"),
                format=string(fields, "format"),
                frame_size=count(fields, "optimal_frame_size", MAX_FRAME_BYTES),
                ptime=count(fields, "ptime", MAX_PTIME),
                channel=string(fields, "channel", ""),
                connection_id=string(fields, "connection_id", ""),
                variables=strings(fields, "channel_variables"),
            )
        case "DTMF_END":
            return keypress(string(fields, "digit"))
        case "MEDIA_MARK_PROCESSED":
            return MarkReached(string(fields, "correlation_id", ""))
        case "MEDIA_BUFFERING_COMPLETED":
            return BufferingCompleted(string(fields, "correlation_id", ""))
        case "QUEUE_DRAINED":
            return QueueDrained()
        case "MEDIA_XOFF":
            return Xoff()
        case "MEDIA_XON":
            return Xon()
        case "STATUS":
            return Status(
                queue_length=count(fields, "queue_length", MAX_QUEUE),
                xon_level=count(fields, "xon_level", MAX_QUEUE),
                xoff_level=count(fields, "xoff_level", MAX_QUEUE),
                queue_full=flag(fields, "queue_full"),
                bulk_media=flag(fields, "bulk_media"),
                media_paused=flag(fields, "media_paused"),
            )
        case "ERROR":
            return Refused(string(fields, "error_text", ""))
        case _:
            return Unrecognised(name)


def keypress(digit: str) -> Dtmf:
    """0-9 * # A-D in practice. A stranger one is no reason to end a call."""
    if len(digit) != 1 or not digit.isprintable() or digit == " ":
        raise PeerError(f"digit is {reprlib.repr(digit)}, expected one key")
    return Dtmf(digit)


def _spell(event: Event, channel_id: str) -> tuple[str, dict[str, Any]]:
    """Asterisk's name for it, and its fields in Asterisk's order."""
    here = {"channel_id": channel_id}
    match event:
        case MediaStart():
            return "MEDIA_START", {
                "connection_id": event.connection_id,
                "channel": event.channel,
                "channel_id": event.channel_id,
                "format": event.format,
                "optimal_frame_size": event.frame_size,
                "ptime": event.ptime,
                "channel_variables": dict(event.variables),
            }
        case Dtmf(digit):
            return "DTMF_END", {**here, "digit": digit}
        case MarkReached(mark):
            return "MEDIA_MARK_PROCESSED", {**here, "correlation_id": mark}
        case BufferingCompleted(mark):
            return "MEDIA_BUFFERING_COMPLETED", {**here, "correlation_id": mark}
        case QueueDrained():
            return "QUEUE_DRAINED", here
        case Xoff():
            return "MEDIA_XOFF", here
        case Xon():
            return "MEDIA_XON", here
        case Status():
            return "STATUS", {
                **here,
                "queue_length": event.queue_length,
                "xon_level": event.xon_level,
                "xoff_level": event.xoff_level,
                "queue_full": event.queue_full,
                "bulk_media": event.bulk_media,
                "media_paused": event.media_paused,
            }
        case Refused(error_text):
            return "ERROR", {**here, "error_text": error_text}
        case Unrecognised(name):
            return name, here
        case Stopped():
            raise LocalError("chan_websocket has no word for Stopped: it closes")
        case _:
            assert_never(event)


def _json(text: str) -> tuple[str, Mapping[str, Any]]:
    fields = json_object(text)
    return string(fields, "event"), fields


def _plain(text: str) -> tuple[str, Mapping[str, Any]]:
    # "DTMF_END digit:5 channel_id:17.1", but a mark's id stands alone and an error's
    # text runs on to the end, blanks and all.
    name, _, rest = text.partition(" ")
    if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,99}", name):
        raise PeerError(f"not an event: {reprlib.repr(text)}")
    match name:
        case "MEDIA_MARK_PROCESSED" | "MEDIA_BUFFERING_COMPLETED":
            return name, {"correlation_id": rest}
        case "ERROR":
            return name, {"error_text": rest.partition("error_text:")[2]}
    words = (word.partition(":") for word in rest.split(" "))
    return name, {key: _typed(key, value) for key, colon, value in words if colon}


_NUMBERS = {"optimal_frame_size", "ptime", "queue_length", "xon_level", "xoff_level"}
_FLAGS = {"queue_full", "bulk_media", "media_paused"}


def _typed(key: str, value: str) -> str | int | bool:
    if key in _NUMBERS and re.fullmatch("[0-9]{1,10}", value):
        return int(value)
    if key in _FLAGS and value in ("true", "false"):
        return value == "true"
    return value


def _jansson(fields: Mapping[str, Any]) -> str:
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    # jansson writes \u001B where Python writes \u001b.
    return re.sub(r"\\(?:u(....)|.)", _upper, text)


def _upper(escape: re.Match[str]) -> str:
    return rf"\u{escape[1].upper()}" if escape[1] else escape[0]
