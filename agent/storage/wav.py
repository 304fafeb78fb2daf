"""Measures a finished WAV file, or says why it is not one.

Asterisk fills in the lengths of the header when it closes the file, so a header
that agrees with the file's size means that the file is whole.
"""

import hashlib
import os
import wave
from dataclasses import dataclass
from io import BufferedReader

from .files import BadFile


@dataclass(frozen=True, slots=True)
class Measured:
    bytes: int
    seconds: float
    sha256: str


def measure(file: BufferedReader) -> Measured:
    """Reads the whole file. Leaves it at its beginning."""
    before = os.fstat(file.fileno())
    seconds = _seconds(file, before.st_size)
    file.seek(0)
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise BadFile("it was written to while it was read")
    return Measured(before.st_size, seconds, sha256)


def _seconds(file: BufferedReader, size: int) -> float:
    riff_bytes = int.from_bytes(file.read(8)[4:], "little") + 8
    # A chunk of odd length is padded, and not every writer counts the padding.
    if size - riff_bytes not in (0, 1):
        raise BadFile(f"its header tells of {riff_bytes} bytes, and there are {size}")
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
    return float(frames / rate)
