"""Keeps the garbage collector out of conversations.

A full collection walks all that lives: 40 ms for ten calls' worth of objects. Left to
itself it comes in the middle of a word.
"""

import asyncio
import gc
from typing import Protocol


class Counted(Protocol):
    """The calls, as far as this room needs to know of them."""

    ended: int

    def __len__(self) -> int:
        """Those that are up."""
        ...


def settle() -> None:
    """What lives now lives as long as the process: the collector need not walk it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 1_000)


async def sweep(calls: Counted) -> None:
    """Frees what ended calls leave in cycles, when nobody is on the line; under load
    without end after every 500 calls. Until cancelled."""
    swept = 0
    while True:
        await asyncio.sleep(1.0)
        ended = calls.ended - swept
        if ended and (not len(calls) or ended >= 500):
            gc.collect()
            swept = calls.ended
