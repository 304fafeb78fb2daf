"""Turns a recording into the format in which it is kept, and makes sure of it.

What comes out was decoded again: the same samples (FLAC), or as many (Opus, MP3). It
carries the SHA-256 of Asterisk's file as a comment, since Opus never comes out twice
as the same bytes.
"""

import hashlib
from enum import StrEnum
from tempfile import SpooledTemporaryFile
from typing import IO, BinaryIO

from .wav import Measured

_IN_MEMORY = 64 * 2**20
"""Bytes. Only longer ones need room on the disk, which may be full of recordings."""
_BLOCK = 65_536
"""Samples."""


class EncodingError(Exception):
    """It could not be encoded, or does not decode to what it was made of."""


class Format(StrEnum):
    WAV = "wav"
    """Exactly as Asterisk wrote it."""
    FLAC = "flac"
    OPUS = "opus"
    MP3 = "mp3"

    @property
    def content_type(self) -> str:
        return {
            Format.WAV: "audio/wav",
            Format.FLAC: "audio/flac",
            Format.OPUS: "audio/ogg",
            Format.MP3: "audio/mpeg",
        }[self]


_LIBSNDFILE = {
    Format.FLAC: ("FLAC", "PCM_16"),
    Format.OPUS: ("OGG", "OPUS"),
    Format.MP3: ("MP3", "MPEG_LAYER_III"),
}


def encode(source: BinaryIO, measured: Measured, format: Format) -> IO[bytes]:
    """At its beginning. Leaves `source` anywhere."""
    # 0.1 s to import, and only those who want another format than WAV need it.
    import soundfile

    container, subtype = _LIBSNDFILE[format]
    encoded = SpooledTemporaryFile(max_size=_IN_MEMORY)
    samples = hashlib.sha256()
    source.seek(0)
    try:
        with soundfile.SoundFile(source) as sound:
            with soundfile.SoundFile(
                encoded, "w", sound.samplerate, sound.channels, subtype, None, container
            ) as copy:
                copy.comment = _comment(measured.sha256)
                for block in sound.blocks(_BLOCK, dtype="int16"):
                    samples.update(block.tobytes())
                    copy.write(block)
        encoded.seek(0)
        with soundfile.SoundFile(encoded) as copy:
            decoded, frames = hashlib.sha256(), 0
            for block in copy.blocks(_BLOCK, dtype="int16"):
                decoded.update(block.tobytes())
                frames += len(block)
    # AssertionError: soundfile's own, when less was written than it was given.
    except (OSError, RuntimeError, ValueError, TypeError, AssertionError) as error:
        encoded.close()
        raise EncodingError(
            f"it cannot be made into {format.value}: {error}"
        ) from error
    if frames != measured.samples or (
        format is Format.FLAC and decoded.digest() != samples.digest()
    ):
        encoded.close()
        raise EncodingError(
            f"as {format.value} it decodes to {frames} samples, and other ones,"
            f" not to the {measured.samples} that it was made of"
        )
    encoded.seek(0)
    return encoded


def made_of(file: BinaryIO) -> str:
    """The SHA-256 of the file that it was encoded from; empty if it does not say."""
    import soundfile

    try:
        with soundfile.SoundFile(file) as sound:
            return str(sound.comment).removeprefix(_comment(""))
    except (OSError, RuntimeError):
        return ""


def _comment(sha256: str) -> str:
    return f"sha256 of the original: {sha256}"
