"""How many requests somebody may make: a bucket of tokens each, filled steadily.

In memory, so each agent counts for itself. `now` is passed in, in seconds of a clock
that never goes back.
"""

import math

from .config import ApiLimits
from .problems import Refusal


class Buckets:
    def __init__(self, per_second: float, burst: float, most: int = 10_000) -> None:
        """`most`: of them that are remembered; the one not asked of longest goes."""
        self._per_second = per_second
        self._burst = burst
        self._most = most
        self._left: dict[str, tuple[float, float]] = {}
        """Tokens, and when there were so many."""

    def wait(self, whose: str, now: float) -> float:
        """Seconds until there is a token; 0: there is one."""
        return max(0.0, (1.0 - self._tokens(whose, now)) / self._per_second)

    def take(self, whose: str, now: float) -> float:
        """Takes one if there is one; otherwise as `wait`."""
        if (wait := self.wait(whose, now)) > 0:
            return wait
        left = self._tokens(whose, now) - 1.0
        self._left.pop(whose, None)  # to stand last
        self._left[whose] = (left, now)
        if len(self._left) > self._most:
            del self._left[next(iter(self._left))]
        return 0.0

    def _tokens(self, whose: str, now: float) -> float:
        left, then = self._left.get(whose, (self._burst, now))
        return min(self._burst, left + (now - then) * self._per_second)


class Limits:
    def __init__(self, config: ApiLimits) -> None:
        self._requests = Buckets(config.per_second, config.burst)
        self._wrong = Buckets(config.wrong_per_minute / 60, config.wrong_per_minute)

    def take(self, whose: str, now: float) -> None:
        """A request. This and the others raise a Refusal when it is one too many."""
        _refuse(self._requests.take(whose, now), "too many requests")

    def before_guess(self, peer: str, now: float) -> None:
        """A key of which we do not know yet whether it is right."""
        _refuse(self._wrong.wait(peer, now), "too many wrong keys")

    def wrong_guess(self, peer: str, now: float) -> None:
        self._wrong.take(peer, now)


def _refuse(wait: float, what: str) -> None:
    if wait > 0:
        seconds = max(1, math.ceil(wait))
        raise Refusal(
            429,
            "too_many_requests",
            f"{what}; again in {seconds} s",
            {"Retry-After": str(seconds)},
        )
