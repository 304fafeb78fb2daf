"""How much of what we sent the caller has still to hear.

Asterisk owns the playout clock: it plays its queue in real time and says nothing
while doing so. We keep our own account, and a mark or a STATUS puts it right. Time
is always passed in, never read, so a ten-minute call tests in a millisecond.
"""

import math
from dataclasses import dataclass, field


@dataclass(slots=True)
class Playout:
    """All in seconds. `now` comes from one clock and never goes back."""

    _sent: float = field(default=0.0, init=False)
    _flushed: float = field(default=0.0, init=False)
    _unheard: float = field(default=0.0, init=False)
    """As it was at `_as_of`."""
    _as_of: float = field(default=-math.inf, init=False)
    _paused: bool = field(default=False, init=False)
    _held: bool = field(default=False, init=False)

    def sent(self, seconds: float, now: float) -> None:
        self._settle(now)
        self._unheard += seconds
        self._sent += seconds

    def flushed(self, now: float) -> None:
        """Ends no pause and no hold, as in Asterisk."""
        self._settle(now)
        self._flushed += self._unheard
        self._unheard = 0.0

    def paused(self, now: float) -> None:
        """The playout clock stands still."""
        self._settle(now)
        self._paused = True

    def continued(self, now: float) -> None:
        self._settle(now)
        self._paused = False

    def hold(self) -> None:
        """Xoff: send no more. What is queued goes on playing."""
        self._held = True

    def release(self) -> None:
        """Xon."""
        self._held = False

    def corrected(self, unheard: float, now: float) -> None:
        """Asterisk told what is left. More than was ever sent is not believed."""
        self._settle(now)
        self._unheard = max(0.0, min(unheard, self._sent - self._flushed))

    def unheard(self, now: float) -> float:
        if self._paused:
            return self._unheard
        return max(0.0, self._unheard - (now - self._as_of))

    def heard(self, now: float) -> float:
        """Since the start. Falls back only when a correction says so."""
        return max(0.0, self._sent - self._flushed - self.unheard(now))

    def wait(self, now: float, ahead: float) -> float | None:
        """Until less than `ahead` is unheard; None while held or paused."""
        if self._held or self._paused:
            return None
        return max(0.0, self.unheard(now) - ahead)

    def _settle(self, now: float) -> None:
        self._unheard = self.unheard(now)
        self._as_of = now
