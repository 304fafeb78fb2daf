"""What we may ask of Asterisk over the media websocket, and how Asterisk reads it.

`encode` refuses whatever chan_websocket would drop or misread. `parse` is the
driver's own reading, silences included, for the test caller that plays Asterisk.
"""

import json
import reprlib
from dataclasses import dataclass
from typing import Any, Literal, assert_never

from .errors import LocalError, PeerError
from .events import Format
from .fields import is_text, json_value

# chan_websocket.c, MAX_TEXT_MESSAGE_LEN: longer commands are dropped with only
# a warning in Asterisk's own log, so we refuse to send them.
MAX_COMMAND_BYTES = 128

Direction = Literal["both", "in", "out"]
"""Seen from us: "in" is the caller's audio only, "out" is ours only."""


@dataclass(frozen=True, slots=True)
class Answer:
    """For Dial's option n; harmless otherwise."""


@dataclass(frozen=True, slots=True)
class Hangup:
    """At once: queued audio is thrown away. Mark and wait first to be heard out."""


@dataclass(frozen=True, slots=True)
class Flush:
    """Throw away queued audio, and with it every mark not yet reached."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Play nothing, keep the queue. A flush does not end it."""


@dataclass(frozen=True, slots=True)
class Continue:
    """Ends a pause."""


@dataclass(frozen=True, slots=True)
class GetStatus:
    pass


@dataclass(frozen=True, slots=True)
class ReportQueueDrained:
    """One QueueDrained, on the first tick that finds nothing to play."""


@dataclass(frozen=True, slots=True)
class StartBuffering:
    """From here on the driver reframes: no tail of a message is lost."""


@dataclass(frozen=True, slots=True)
class StopBuffering:
    """Queues what is left as a short frame; BufferingCompleted when it was played."""

    mark: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """MarkReached when all that was sent before it has been played."""

    mark: str


@dataclass(frozen=True, slots=True)
class SetDirection:
    direction: Direction


@dataclass(frozen=True, slots=True)
class Ignored:
    """The driver drops this text and tells nobody but its own log."""

    why: str


Command = (
    Answer
    | Hangup
    | Flush
    | Pause
    | Continue
    | GetStatus
    | ReportQueueDrained
    | StartBuffering
    | StopBuffering
    | Mark
    | SetDirection
)


def encode(command: Command, format: Format) -> str:
    name, argument = _spell(command)
    value = next(iter(argument.values()), "")
    if format == "json":
        if not is_text(value):
            raise LocalError(f"{name} with {value!r}, which Asterisk cannot read")
        text = json.dumps(
            {"command": name, **argument}, ensure_ascii=False, separators=(",", ":")
        )
    else:
        if isinstance(command, SetDirection):
            raise LocalError(f"{name} exists in JSON only")
        if " " in value or not value.isprintable():
            raise LocalError(f"{name} with {value!r}: plain text takes one plain word")
        text = f"{name} {value}".rstrip(" ")
    if (size := len(text.encode())) > MAX_COMMAND_BYTES:
        raise LocalError(
            f"command of {size} bytes, Asterisk drops more than "
            f"{MAX_COMMAND_BYTES}: {text[:60]}…"
        )
    return text


def parse(text: str, format: Format) -> Command | Ignored:
    """As chan_websocket reads it. PeerError is its error_text, word for word."""
    size = len(text.encode(errors="surrogatepass"))
    if not 0 < size <= MAX_COMMAND_BYTES:
        return Ignored(f"{size} bytes, not 1 to {MAX_COMMAND_BYTES}")
    text = text.partition("\0")[0].strip(_BLANKS)
    name: str | None
    if format == "json":
        fields = _json(text)
        name = fields.get("command")
    else:
        name, _, word = text.partition(" ")
        fields = {"correlation_id": word}
    mark = fields.get("correlation_id", "")
    match name:
        case "ANSWER":
            return Answer()
        case "HANGUP":
            return Hangup()
        case "FLUSH_MEDIA":
            return Flush()
        case "PAUSE_MEDIA":
            return Pause()
        case "CONTINUE_MEDIA":
            return Continue()
        case "GET_STATUS":
            return GetStatus()
        case "REPORT_QUEUE_DRAINED":
            return ReportQueueDrained()
        case "START_MEDIA_BUFFERING":
            return StartBuffering()
        case "STOP_MEDIA_BUFFERING":
            return StopBuffering(mark)
        case "MARK_MEDIA":
            return Mark(mark)
        case "SET_MEDIA_DIRECTION" if format == "json":
            return SetDirection(_direction(fields.get("direction")))
        case "SET_MEDIA_DIRECTION":
            raise PeerError("SET_MEDIA_DIRECTION only supports JSON format.\n")
        case _:
            return Ignored(f"command unknown: {reprlib.repr(name)}")


# What ast_strip() takes off both ends.
_BLANKS = "".join(map(chr, range(1, 33)))


def _spell(command: Command) -> tuple[str, dict[str, str]]:
    match command:
        case Answer():
            return "ANSWER", {}
        case Hangup():
            return "HANGUP", {}
        case Flush():
            return "FLUSH_MEDIA", {}
        case Pause():
            return "PAUSE_MEDIA", {}
        case Continue():
            return "CONTINUE_MEDIA", {}
        case GetStatus():
            return "GET_STATUS", {}
        case ReportQueueDrained():
            return "REPORT_QUEUE_DRAINED", {}
        case StartBuffering():
            return "START_MEDIA_BUFFERING", {}
        case StopBuffering(mark):
            return "STOP_MEDIA_BUFFERING", {"correlation_id": mark} if mark else {}
        case Mark(mark):
            return "MARK_MEDIA", {"correlation_id": mark} if mark else {}
        case SetDirection(direction):
            return "SET_MEDIA_DIRECTION", {"direction": direction}
        case _:
            assert_never(command)


def _json(text: str) -> dict[str, str]:
    """The strings of the object: the driver takes all else for absent."""
    try:
        value: Any = json_value(text)
    except PeerError as error:
        raise PeerError("Unable to parse JSON command") from error
    match value:
        case dict():
            return {key: item for key, item in value.items() if isinstance(item, str)}
        case list():
            return {}
        case _:
            raise PeerError("Unable to parse JSON command")


def _direction(direction: str | None) -> Direction:
    match direction:
        case "both" | "in" | "out":
            return direction
        case None:
            raise PeerError("SET_MEDIA_DIRECTION requires a 'direction' parameter.\n")
        case _:
            raise PeerError(
                f"'{direction}' is not a valid direction for SET_MEDIA_DIRECTION.\n"
            )
