"""One life of a local server: its process, what it said, and its end."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from loguru import logger

from .output import Output

_LEASH = (sys.executable, "-I", "-S", str(Path(__file__).with_name("leash.py")))
_DRAIN_SECONDS = 1.0


class Child:
    """Dies with the thread that spawned it, so spawn it where the event loop lives."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        self._name = name
        self._process = process
        self._output = Output(name)
        self._reading = asyncio.create_task(self._output.forward(process.stdout))
        self._exited = asyncio.create_task(process.wait())

    @classmethod
    async def spawn(cls, name: str, command: tuple[str, ...], nice: int) -> "Child":
        process = await asyncio.create_subprocess_exec(
            *_LEASH,
            str(os.getpid()),
            str(nice),
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        return cls(name, process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def last_lines(self) -> str:
        return self._output.last_lines

    @property
    def status(self) -> str:
        match self._process.returncode:
            case None:
                return "running"
            case code if code < 0:
                return f"killed by {signal.Signals(-code).name}"
            case code:
                return f"exit status {code}"

    async def gone(self, within: float) -> bool:
        """Waits so many seconds at most for its end."""
        done, _ = await asyncio.wait({self._exited}, timeout=within)
        if done:
            # The last lines are still in the pipe.
            await asyncio.wait({self._reading}, timeout=_DRAIN_SECONDS)
        return bool(done)

    async def end(self, grace: float) -> None:
        """SIGTERM, and SIGKILL for what is still there after `grace` seconds."""
        try:
            self._signal(signal.SIGTERM)
            if not await self.gone(grace):
                logger.warning(
                    "[{}] still runs {:g} s after SIGTERM: SIGKILL", self._name, grace
                )
        finally:
            self._signal(signal.SIGKILL)
            await self._exited
            self._reading.cancel()

    def _signal(self, number: signal.Signals) -> None:
        if not self._exited.done() and self._process.returncode is None:
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                pass  # it ended on its own, and we have not heard yet
