"""One interface over the three ways in which the other side may speak.

`detect` looks at the first message of a socket; from then on the session says what
it means and the dialect finds the words. One dialect object belongs to one call.
"""

from dataclasses import dataclass, field
from typing import Literal, Protocol

from . import commands, envelope, events
from .commands import Command, SetDirection
from .errors import PeerError
from .events import Event, Format, MediaStart
from .fields import json_object

Name = Literal["json", "plain-text", "envelope"]

# Far below the 65535 bytes, header included, that end a call on 22.10.1, and it holds
# whole frames of all our codecs.
MAX_AUDIO_BYTES = 16_000


@dataclass(frozen=True, slots=True)
class Audio:
    payload: bytes


class Dialect(Protocol):
    @property
    def name(self) -> Name: ...

    def read(self, message: str | bytes) -> Event | Audio: ...

    def command(self, command: Command) -> str | None:
        """None: this dialect has no such word."""
        ...

    def audio(self, payload: bytes) -> list[bytes | str]:
        """The messages that carry it. Whole frames: the driver drops a tail."""
        ...


def detect(first: str | bytes) -> Dialect | None:
    """None for audio, which may come before the start (Asterisk 22.7): ask again."""
    if isinstance(first, bytes):
        return None
    if first == "MEDIA_START" or first.startswith("MEDIA_START "):
        return Driver("plain-text")
    if first.startswith("{"):
        fields = json_object(first)
        if fields.get("event") == "MEDIA_START":
            return Driver("json")
        if fields.get("type") == "start":
            return Envelope()
    raise PeerError(f"a call begins with MEDIA_START or a start, not {first[:80]!r}")


@dataclass(slots=True)
class Driver:
    """chan_websocket: binary audio, text control."""

    name: Format
    _audio_bytes: int = field(default=MAX_AUDIO_BYTES, init=False)

    def read(self, message: str | bytes) -> Event | Audio:
        if isinstance(message, bytes):
            return Audio(message)
        event = events.parse(message)
        if isinstance(event, MediaStart) and event.frame_size:
            whole = MAX_AUDIO_BYTES // event.frame_size * event.frame_size
            self._audio_bytes = whole or event.frame_size
        return event

    def command(self, command: Command) -> str | None:
        if isinstance(command, SetDirection) and self.name == "plain-text":
            return None
        return commands.encode(command, self.name)

    def audio(self, payload: bytes) -> list[bytes | str]:
        return list(pieces(payload, self._audio_bytes))


@dataclass(slots=True)
class Envelope:
    name: Literal["envelope"] = field(default="envelope", init=False)
    _frame_bytes: int = field(default=envelope.FRAME_BYTES, init=False)
    _numbering: "Numbering" = field(default_factory=lambda: Numbering(), init=False)

    def read(self, message: str | bytes) -> Event | Audio:
        if isinstance(message, bytes):
            raise PeerError(f"{len(message)} bytes of binary; an envelope is text")
        match envelope.parse_event(message):
            case envelope.Media(payload, ts):
                self._numbering.heard(ts)
                return Audio(payload)
            case event:
                if isinstance(event, MediaStart):
                    self._frame_bytes = event.frame_size or envelope.FRAME_BYTES
                return event

    def command(self, command: Command) -> str | None:
        return envelope.encode_command(command)

    def audio(self, payload: bytes) -> list[bytes | str]:
        return [
            envelope.encode_media(frame, self._numbering.next())
            for frame in pieces(payload, self._frame_bytes)
        ]


@dataclass(slots=True)
class Numbering:
    """The frame numbers that both legs of an envelope call share."""

    _last: int = field(default=-1, init=False)

    def heard(self, ts: int | None) -> None:
        if ts is not None:
            self._last = max(self._last, ts)

    def next(self) -> int:
        self._last = 0 if self._last >= envelope.MAX_TS else self._last + 1
        return self._last


def pieces(payload: bytes, size: int) -> list[bytes]:
    """`payload` itself, uncopied, when it fits in one."""
    if len(payload) <= size:
        return [payload] if payload else []
    return [payload[start : start + size] for start in range(0, len(payload), size)]
