"""Measures a finished WAV file, or says why it is not one.

Asterisk fills in the lengths of the header when it closes the file, so a header
that agrees with the file's size means that the file is whole. One that does not, of
a file that nobody writes any more, tells of an Asterisk that was killed.
"""

import hashlib
import os
import wave
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from .files import BadFile

_HEADER_BYTES = 44
"""As Asterisk writes it: `fmt ` of 16 bytes, and the data."""


class Unfinished(BadFile):
    """The lengths in the header are not those of the file."""


@dataclass(frozen=True, slots=True)
class Measured:
    bytes: int
    samples: int
    rate: int
    """Samples a second."""
    sha256: str

    @property
    def seconds(self) -> float:
        return self.samples / self.rate


def measure(file: BufferedReader) -> Measured:
    """Reads the whole file. Leaves it at its beginning."""
    before = os.fstat(file.fileno())
    file.seek(0)
    samples, rate = _length(file, before.st_size)
    file.seek(0)
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise Unfinished("it was written to while it was read")
    return Measured(before.st_size, samples, rate, sha256)


def repair(path: Path) -> None:
    """Puts the lengths into a header that was never finished; the sound stays as it is.

    Raises BadFile unless the file begins as Asterisk's do.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "r+b") as file:
        header = file.read(_HEADER_BYTES)
        if not header:
            raise BadFile("it is empty: 0 bytes")
        if (
            len(header) < _HEADER_BYTES
            or (header[:4], header[8:20]) != (b"RIFF", b"WAVEfmt \x10\0\0\0")
            or header[36:40] != b"data"
        ):
            raise BadFile("it is not a WAV file of Asterisk's: its header is broken")
        frame_bytes = int.from_bytes(header[32:34], "little") or 1
        size = os.fstat(file.fileno()).st_size
        data_bytes = (size - _HEADER_BYTES) // frame_bytes * frame_bytes
        file.truncate(_HEADER_BYTES + data_bytes)
        for position, length in ((4, data_bytes + _HEADER_BYTES - 8), (40, data_bytes)):
            file.seek(position)
            file.write(length.to_bytes(4, "little"))
        file.flush()
        os.fsync(file.fileno())


def _length(file: BufferedReader, size: int) -> tuple[int, int]:
    """Samples, and samples a second."""
    if size == 0:
        raise Unfinished("it is empty: 0 bytes")
    riff_bytes = int.from_bytes(file.read(8)[4:], "little") + 8
    # A chunk of odd length is padded, and not every writer counts the padding.
    if size - riff_bytes not in (0, 1):
        raise Unfinished(
            f"its header tells of {riff_bytes} bytes, and there are {size}"
        )
    file.seek(0)
    try:
        with wave.open(file) as sound:
            frames, rate = sound.getnframes(), sound.getframerate()
            data_bytes = frames * sound.getsampwidth() * sound.getnchannels()
            # Positioned behind the header of the data.
            header_bytes = file.tell()
    # RuntimeError: a chunk that is longer than the file.
    except (wave.Error, EOFError, RuntimeError) as error:
        raise BadFile(
            f"it is not a WAV file: {error or 'it ends too early'}"
        ) from error
    if header_bytes + data_bytes > size:
        raise BadFile(
            f"its data should have {data_bytes} bytes, and {size - header_bytes} follow"
        )
    if rate == 0:
        raise BadFile("its header tells of 0 samples a second")
    return frames, rate
