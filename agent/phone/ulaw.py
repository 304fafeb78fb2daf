"""µ-law, as a phone line carries it: 8000 samples a second, one byte each."""

import warnings

with warnings.catch_warnings():  # audioop-lts takes over from Python 3.13 on
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

RATE = 8000
FRAME = 160
"""Bytes in 20 ms."""
SILENCE = b"\xff"


def to_pcm(ulaw: bytes) -> bytes:
    """16-bit little-endian samples at 8 kHz."""
    return audioop.ulaw2lin(ulaw, 2)


def from_pcm(pcm: bytes) -> bytes:
    return audioop.lin2ulaw(pcm, 2)


def loudness(ulaw: bytes) -> int:
    """Root mean square of the samples, 0 to 32767. Speech is some thousands."""
    return audioop.rms(to_pcm(ulaw), 2)
