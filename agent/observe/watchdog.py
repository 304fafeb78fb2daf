"""Ends a process whose event loop is stuck.

An agent that stops reading its sockets freezes all of Asterisk, other calls included
(asterisk#2140). A closed socket frees it at once, and whoever started us starts us
again. Only turns of the loop that this thread saw missing count: a process that was
stopped and goes on, or a machine that slept, is not stuck.
"""

import asyncio
import faulthandler
import os
import sys
import threading
import time

from loguru import logger

from . import metrics

EXIT_STATUS = 70
STOOD_STILL = 1.0
"""Seconds without a turn of the loop that every caller has heard."""
_BEAT = 0.1
_CHECK = 0.5


class Watchdog:
    def __init__(self, patience: float = 6.0) -> None:
        """`patience`: seconds."""
        self._patience = patience
        self._beats = 0
        self.lag = 0.0
        """Seconds by which the loop was late, at its worst in the last seconds."""
        self._over = threading.Event()
        self._checked = time.monotonic()
        self._overslept = 0.0
        """When the thread last looked, and how many seconds too late."""

    async def run(self) -> None:
        """Until cancelled. Also tells how late the loop is."""
        thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        thread.start()
        loop = asyncio.get_running_loop()
        try:
            while True:
                due = loop.time() + _BEAT
                await asyncio.sleep(_BEAT)
                late = max(0.0, loop.time() - due)
                metrics.loop_lag_seconds.observe(late)
                # A single stall is forgotten in seconds, a lasting one stays.
                self.lag = max(late, 0.93 * self.lag)
                self._beats += 1
                if late >= STOOD_STILL:
                    logger.warning(
                        "[SERVE] the agent stood still for {:.1f} s: {}",
                        late,
                        self._why(late),
                    )
        finally:
            self._over.set()

    def _why(self, late: float) -> str:
        """The loop did not turn. Did our thread?"""
        since = time.monotonic() - self._checked - _CHECK
        if max(self._overslept, since) < late / 2:
            return "something in it kept the event loop busy"
        return (
            "its process was stopped, or its machine gave it no time: overloaded,"
            " swapping, or paused as a whole"
        )

    def _watch(self) -> None:
        missed, seen = 0, -1
        while not self._over.wait(_CHECK):
            now = time.monotonic()
            self._overslept = now - self._checked - _CHECK
            self._checked = now
            missed = missed + 1 if self._beats == seen else 0
            seen = self._beats
            if missed * _CHECK >= self._patience:
                logger.critical("[SERVE] the event loop is stuck; ending the process")
                faulthandler.dump_traceback(sys.stderr)
                os._exit(EXIT_STATUS)
