"""AudioSocket: a call's sound over plain TCP, for Asterisk without chan_websocket.

    kind, 1 byte | length, 2 bytes, big-endian | so many bytes

    Asterisk -> us                               us -> Asterisk
    01  UUID, 16 bytes: first, always            10-18  sound: any length
    10  sound, 8 kHz; 11-18: see RATES           00     hang up
    03  a key, 1 byte of ASCII
    close  the end, however caused

Nothing else is said: no names of caller and called, no queue, no marks, no flush.
Asterisk passes on what it is sent as soon as it comes (res_audiosocket.c), so whoever
sends keeps the clock. Samples are 16 bit, little-endian.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from .errors import LocalError

RATES: Mapping[int, int] = {
    0x10: 8000,
    0x11: 12000,
    0x12: 16000,
    0x13: 24000,
    0x14: 32000,
    0x15: 44100,
    0x16: 48000,
    0x17: 96000,
    0x18: 192000,
}
"""Samples a second by kind. Asterisk before October 2025 knows the first only."""
HANGUP = b"\x00\x00\x00"

_HEADER_BYTES = 3
_LONGEST = 0xFFFF
_KINDS = {rate: kind for kind, rate in RATES.items()}


@dataclass(frozen=True, slots=True)
class Identity:
    """First message of every call."""

    id: UUID


@dataclass(frozen=True, slots=True)
class Sound:
    rate: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Key:
    digit: str


@dataclass(frozen=True, slots=True)
class HungUp:
    """Asterisk just closes; other clients say so."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The peer's own trouble. Asterisk never says it."""

    code: bytes


@dataclass(frozen=True, slots=True)
class Garbage:
    """Not of this protocol, or of a newer one. Each message stands alone: go on."""

    why: str


Message = Identity | Sound | Key | HungUp | Failed | Garbage


@dataclass(slots=True)
class Messages:
    """Of one connection, however TCP has cut them up."""

    _rest: bytearray = field(default_factory=bytearray, init=False)

    def feed(self, received: bytes) -> list[Message]:
        """What is complete now. Keeps 65537 bytes at most between two calls."""
        self._rest += received
        complete = []
        at = 0
        while len(self._rest) - at >= _HEADER_BYTES:
            kind = self._rest[at]
            length = int.from_bytes(self._rest[at + 1 : at + _HEADER_BYTES])
            end = at + _HEADER_BYTES + length
            if end > len(self._rest):
                break
            complete.append(_message(kind, bytes(self._rest[at + _HEADER_BYTES : end])))
            at = end
        del self._rest[:at]
        return complete


def sound(pcm: bytes, rate: int) -> bytes:
    """The message that carries it."""
    if (kind := _KINDS.get(rate)) is None:
        known = ", ".join(map(str, _KINDS))
        raise LocalError(f"sound at {rate} Hz; AudioSocket has {known}")
    if not 0 < len(pcm) <= _LONGEST:
        # Asterisk ends the call over a length of 0.
        raise LocalError(f"{len(pcm)} bytes of sound in a message, not 1 to {_LONGEST}")
    return bytes((kind,)) + len(pcm).to_bytes(2) + pcm


def _message(kind: int, payload: bytes) -> Message:
    match kind:
        case 0x00:
            return HungUp()
        case 0x01 if len(payload) == 16:
            return Identity(UUID(bytes=payload))
        case 0x03 if len(payload) == 1:
            return _key(payload.decode("latin-1"))
        case 0xFF:
            return Failed(payload[:16])
        case _ if rate := RATES.get(kind):
            return Sound(rate, payload)
    return Garbage(f"message of kind {kind:#04x} with {len(payload)} bytes")


def _key(digit: str) -> Message:
    if digit in "0123456789*#ABCD":
        return Key(digit)
    return Garbage(f"key is {digit!r}, expected one of 0-9 * # A-D")
