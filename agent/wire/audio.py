"""The codecs that we speak: a table. Nothing is converted here."""

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import PeerError


@dataclass(frozen=True, slots=True)
class Codec:
    name: str
    """As Asterisk spells it in c(...) and in MEDIA_START."""
    rate: int
    """Samples in a second."""
    bytes_per_sample: int
    silence: bytes
    """One byte of it; the linear ones are little-endian, 16 bit."""

    def frame_bytes(self, ptime: int = 20) -> int:
        """Bytes in `ptime` milliseconds."""
        return self.rate * ptime // 1000 * self.bytes_per_sample

    def seconds(self, size: int) -> float:
        """How long `size` bytes last."""
        return size / (self.rate * self.bytes_per_sample)


CODECS: Mapping[str, Codec] = {
    codec.name: codec
    for codec in (
        Codec("ulaw", rate=8000, bytes_per_sample=1, silence=b"\xff"),
        Codec("alaw", rate=8000, bytes_per_sample=1, silence=b"\xd5"),
        Codec("slin", rate=8000, bytes_per_sample=2, silence=b"\x00"),
        Codec("slin16", rate=16000, bytes_per_sample=2, silence=b"\x00"),
    )
}


def codec(name: str) -> Codec:
    try:
        return CODECS[name]
    except KeyError:
        raise PeerError(
            f"the codec is {name!r}; we speak {', '.join(CODECS)}"
        ) from None
