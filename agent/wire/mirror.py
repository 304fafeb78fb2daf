"""The three dialects as Asterisk's side speaks them, for what plays Asterisk.

The mirror image of dialect.py: events and the caller's audio are written here, and
what the agent sends is read as the driver would read it.
"""

from dataclasses import dataclass, field
from typing import Literal, Protocol, assert_never

from . import commands, envelope, events
from .commands import Command, Ignored
from .dialect import Audio, Name, Numbering, pieces
from .errors import PeerError
from .events import Event, Format, MediaStart, Stopped


class Mirror(Protocol):
    @property
    def name(self) -> Name: ...

    def event(self, event: Event) -> str | None:
        """None: this dialect has no such word."""
        ...

    def audio(self, payload: bytes) -> list[bytes | str]:
        """The messages that carry what the caller said: one RTP packet's worth."""
        ...

    def read(self, message: str | bytes) -> Command | Ignored | Audio:
        """PeerError is what the driver answers with ERROR, in its own words."""
        ...


def mirror(name: Name, *, channel_id: str = "") -> Mirror:
    match name:
        case "json" | "plain-text":
            return DriverMirror(name, channel_id)
        case "envelope":
            return EnvelopeMirror()
        case _:
            assert_never(name)


@dataclass(slots=True)
class DriverMirror:
    name: Format
    channel_id: str = ""
    """Most events of JSON name it."""

    def event(self, event: Event) -> str | None:
        if isinstance(event, Stopped):
            return None
        return events.encode(event, self.name, channel_id=self.channel_id)

    def audio(self, payload: bytes) -> list[bytes | str]:
        return [payload]

    def read(self, message: str | bytes) -> Command | Ignored | Audio:
        if isinstance(message, bytes):
            return Audio(message)
        return commands.parse(message, self.name)


@dataclass(slots=True)
class EnvelopeMirror:
    name: Literal["envelope"] = field(default="envelope", init=False)
    _frame_bytes: int = field(default=envelope.FRAME_BYTES, init=False)
    _numbering: Numbering = field(default_factory=Numbering, init=False)

    def event(self, event: Event) -> str | None:
        if isinstance(event, MediaStart):
            self._frame_bytes = event.frame_size or envelope.FRAME_BYTES
        return envelope.encode_event(event)

    def audio(self, payload: bytes) -> list[bytes | str]:
        return [
            envelope.encode_media(frame, self._numbering.next())
            for frame in pieces(payload, self._frame_bytes)
        ]

    def read(self, message: str | bytes) -> Command | Ignored | Audio:
        if isinstance(message, bytes):
            raise PeerError(f"{len(message)} bytes of binary; an envelope is text")
        match envelope.parse_command(message):
            case envelope.Media(payload, ts):
                self._numbering.heard(ts)
                return Audio(payload)
            case command:
                return command
