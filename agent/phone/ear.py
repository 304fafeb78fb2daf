"""What came out of the line, and when it was sound rather than silence."""

import asyncio
from dataclasses import dataclass, field

from .ulaw import loudness

LOUD = 200
"""Root mean square above which a packet is sound: -44 dB of full scale."""
_CLICK = 3
"""Packets in a row that make a sound; fewer are a click."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One packet of the other side's sound."""

    at: float
    """Seconds since the answer when it arrived."""
    ulaw: bytes
    timestamp: int
    """In samples, of the sender's own count."""
    marker: bool = False
    """The sender says: a talk begins here, after silence."""

    @property
    def loud(self) -> bool:
        return loudness(self.ulaw) > LOUD


@dataclass(slots=True)
class Ear:
    heard: list[Heard] = field(default_factory=list)
    last_sound: float = 0.0
    """Seconds since the answer; 0 as long as nothing was heard."""
    _run: int = 0
    _waiting: list[tuple[float, asyncio.Future[float]]] = field(default_factory=list)

    def hear(self, packet: Heard) -> None:
        self.heard.append(packet)
        if not packet.loud:
            self._run = 0
            return
        self._run += 1
        if self._run < _CLICK:
            return
        self.last_sound = packet.at
        began = self.heard[-self._run].at
        self._tell(began)

    def next_sound(self, after: float) -> asyncio.Future[float]:
        """When sound was first heard from `after` on, or is at that moment."""
        waiting: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting.append((after, waiting))
        return waiting

    def _tell(self, began: float) -> None:
        waiting, self._waiting = self._waiting, []
        for after, future in waiting:
            if not future.done():
                future.set_result(max(after, began))
