"""Reads a WAV file of any rate as a phone line carries it."""

import wave
from pathlib import Path

import numpy as np
import soxr

from .ulaw import RATE


class SoundError(ValueError):
    """Not a WAV file that we can play."""


def read(path: Path) -> bytes:
    """16-bit samples at 8 kHz; of several channels, their mean."""
    try:
        with wave.open(str(path), "rb") as file:
            rate, channels, width = (
                file.getframerate(),
                file.getnchannels(),
                file.getsampwidth(),
            )
            frames = file.readframes(file.getnframes())
    except (wave.Error, EOFError, OSError) as error:
        raise SoundError(f"{path} is not a WAV file: {error}") from error
    if width != 2:
        raise SoundError(f"{path} has {8 * width} bits a sample, expected 16")
    samples = np.frombuffer(frames, dtype="<i2").reshape(-1, channels)
    mono = samples.mean(axis=1).astype("<i2")
    if rate != RATE:
        mono = soxr.resample(mono, rate, RATE).astype("<i2")
    return bytes(mono.tobytes())
