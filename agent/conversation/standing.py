"""Which providers have failed lately. They are asked last, until they have rested.

One for the process: the second caller need not wait for what the first one waited for.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from .errors import Cause

REST = 15.0
"""Seconds. Long enough not to make each turn wait, short enough to come back soon."""
LONG_REST = 120.0
"""After a failure that does not pass by itself: a key, a bill, a model that is not."""
_LASTING = (Cause.REFUSED, Cause.NO_CREDIT, Cause.BAD_REQUEST)


class Named(Protocol):
    @property
    def name(self) -> str: ...


Provider = TypeVar("Provider", bound=Named)


class Standing:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rests_until: dict[str, float] = {}

    def order(self, providers: Sequence[Provider]) -> list[Provider]:
        """As they were named; those that rest behind the others."""
        now = self._clock()
        return sorted(
            providers,
            key=lambda provider: self._rests_until.get(provider.name, 0) > now,
        )

    def failed(self, name: str, cause: Cause) -> None:
        rest = LONG_REST if cause in _LASTING else REST
        self._rests_until[name] = self._clock() + rest

    def worked(self, name: str) -> None:
        self._rests_until.pop(name, None)
