"""Sounds that a test can find again."""

import math

import numpy as np

from agent.phone import ulaw
from agent.phone.ear import LOUD


def tone(seconds: float, hertz: float = 440.0) -> bytes:
    """µ-law."""
    at = np.arange(round(seconds * ulaw.RATE)) / ulaw.RATE
    samples = 8000 * np.sin(2 * math.pi * hertz * at)
    return ulaw.from_pcm(samples.astype("<i2").tobytes())


def strength(pcm: bytes, hertz: float) -> float:
    """How much of what is not silence is this tone: 0 nothing, 1 all of it."""
    frames = np.frombuffer(pcm, dtype="<i2").astype(float)
    frames = frames[: len(frames) // ulaw.FRAME * ulaw.FRAME].reshape(-1, ulaw.FRAME)
    loud = frames[np.sqrt(np.mean(frames**2, axis=1)) > LOUD]
    if not loud.size:
        return 0.0
    at = np.arange(ulaw.FRAME) / ulaw.RATE
    amplitude = np.abs(loud @ np.exp(-2j * math.pi * hertz * at)) / ulaw.FRAME
    power = np.sqrt(np.mean(loud**2, axis=1))
    return float(np.mean(math.sqrt(2) * amplitude / power))
