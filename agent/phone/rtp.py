"""RTP (RFC 3550) and key presses in it (RFC 4733): bytes and values, no socket."""

import struct
from dataclasses import dataclass

PCMU = 0
TELEPHONE_EVENT = 101
"""The number that our SDP gives it."""
KEYS = "0123456789*#ABCD"

_HEADER = struct.Struct("!BBHII")
_EVENT = struct.Struct("!BBH")
_VERSION_2 = 0x80
_VOLUME = 10
"""Of a key's tone, in -dBm0."""


@dataclass(frozen=True, slots=True)
class Packet:
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False

    def encode(self) -> bytes:
        return (
            _HEADER.pack(
                _VERSION_2,
                self.payload_type | self.marker << 7,
                self.sequence & 0xFFFF,
                self.timestamp & 0xFFFFFFFF,
                self.ssrc,
            )
            + self.payload
        )


def parse(datagram: bytes) -> Packet:
    """ValueError when it is not RTP."""
    if len(datagram) < _HEADER.size or datagram[0] >> 6 != 2:
        raise ValueError(f"not an RTP packet: {datagram[:12].hex()}")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(datagram)
    begin = _HEADER.size + 4 * (first & 0x0F)
    if first & 0x10:
        if len(datagram) < begin + 4:
            raise ValueError(f"RTP header extension is cut off: {datagram.hex()}")
        begin += 4 + 4 * int.from_bytes(datagram[begin + 2 : begin + 4], "big")
    end = len(datagram) - (datagram[-1] if first & 0x20 else 0)
    if begin > end:
        raise ValueError(f"RTP header is longer than the packet: {datagram.hex()}")
    return Packet(
        payload_type=second & 0x7F,
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=datagram[begin:end],
        marker=bool(second & 0x80),
    )


def key_event(key: str, samples: int, *, released: bool) -> bytes:
    """The payload that says: `key` has been down for `samples`."""
    return _EVENT.pack(KEYS.index(key), released << 7 | _VOLUME, samples)
