"""What the caller is about to say and to press, cut into ticks of 20 ms."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from .rtp import KEYS
from .ulaw import FRAME, SILENCE

QUIET = SILENCE * FRAME
_KEY_TICKS = 8
_KEY_PAUSE_TICKS = 5


@dataclass(frozen=True, slots=True)
class Press:
    """A key that has been down for `ticks`."""

    key: str
    ticks: int
    released: bool


@dataclass(slots=True, eq=False)
class Clip:
    ticks: deque[bytes | Press]
    done: asyncio.Future[None]


@dataclass(slots=True)
class Mouth:
    said: bytearray = field(default_factory=bytearray)
    """Everything so far, silence included, in µ-law: byte 8000 is second 1."""
    _clips: deque[Clip] = field(default_factory=deque)

    def say(self, ulaw: bytes) -> Clip:
        frames = (ulaw[at : at + FRAME] for at in range(0, len(ulaw), FRAME))
        return self._add(deque(frame.ljust(FRAME, SILENCE) for frame in frames))

    def press(self, keys: str) -> Clip:
        ticks: deque[bytes | Press] = deque()
        for key in keys:
            if key not in KEYS:
                raise ValueError(f"no phone has a key {key!r}; there are {KEYS}")
            ticks.extend(
                Press(key, n, n == _KEY_TICKS) for n in range(1, _KEY_TICKS + 1)
            )
            ticks.extend([QUIET] * _KEY_PAUSE_TICKS)
        return self._add(ticks)

    def drop(self, clip: Clip) -> None:
        if clip in self._clips:
            self._clips.remove(clip)

    def tick(self) -> bytes | Press:
        said: bytes | Press = QUIET
        if self._clips:
            clip = self._clips[0]
            said = clip.ticks.popleft()
            if not clip.ticks:
                self._clips.popleft()
                if not clip.done.done():
                    clip.done.set_result(None)
        self.said += said if isinstance(said, bytes) else QUIET
        return said

    def _add(self, ticks: deque[bytes | Press]) -> Clip:
        clip = Clip(ticks, asyncio.get_running_loop().create_future())
        if ticks:
            self._clips.append(clip)
        else:
            clip.done.set_result(None)
        return clip
