"""When a voice ends, to the frame: what somebody at the telephone would say.

The voice detector knows a voice from a noise, in windows of 32 ms, and lets go of it
some of them early or late. A waiting time is counted from the last frame that is loud,
as agent/phone/ear.py and the benches measure it from the wire.

When this process is late, frames come in a heap. He who speaks is not late: a frame was
there at least its own length before the next one.
"""

import math
from collections import deque
from collections.abc import Callable
from statistics import median

LOUD = 200
"""Root mean square from which a frame is sound: -44 dB of full scale."""
ABOVE_NOISE = 2.0
"""How much louder than the silence that follows it: 6 dB."""
BEFORE, AFTER = 0.4, 0.2
"""Seconds by which the detector may be late, and early."""
_NOISE = 0.2
"""Seconds of silence, of which the line's noise is measured."""
_KEPT = 200
"""Frames: 4 s, more than any silence that is waited for and what stands before it."""


class Loudness:
    """Of one caller's frames. Times are of one clock, passed in."""

    def __init__(self, level: Callable[[bytes], int]) -> None:
        """`level`: the root mean square of a frame. It is asked of the few around the
        end of a voice, and not of every frame of every call."""
        self._level = level
        self._frames: deque[tuple[float, float, bytes]] = deque(maxlen=_KEPT)
        """When it came, its seconds, and the frame."""

    def frame(self, sound: bytes, seconds: float, at: float) -> None:
        self._frames.append((at, seconds, sound))

    def ended(self, voiced_until: float, now: float) -> float:
        """When the last loud frame came of the voice that the detector heard until
        then; its own time, if none was louder than the line."""
        noise = [
            self._level(sound) for at, _, sound in self._frames if at > now - _NOISE
        ]
        loud = max(LOUD, ABOVE_NOISE * median(noise)) if noise else LOUD
        there, following = math.inf, 0.0
        for at, seconds, sound in reversed(self._frames):
            there, following = min(at, there - following), seconds
            if there < voiced_until - BEFORE:
                break
            if there <= voiced_until + AFTER and self._level(sound) > loud:
                return there
        return voiced_until
