"""Does a stall of the agent become delay for the rest of the call?

    python -m bench.stalls [--stalls 200]

Asterisk plays one frame per tick and never catches up (asterisk#2115), so whatever
once piles up in its queue delays every later word. Here the agent recites sentences,
each frame stamped with the moment at which it was due; its process is stopped for 40 to
200 ms again and again; a play queue with chan_websocket's habits says when each frame
is heard. The delay of whole quiet stretches before and after is compared: the end may
be at most one frame above the start.
"""

import argparse
import asyncio
import base64
import os
import random
import signal
import statistics
import sys
import time
from dataclasses import asdict, dataclass

from websockets.asyncio.client import ClientConnection, connect

from agent.phone import stamp, ulaw
from agent.wire.events import Event, MediaStart, encode
from agent.wire.playqueue import PlayQueue
from bench.capacity import LOAD_CORE, SERVER_CORE, keep
from bench.server import PASSWORD, Server
from bench.servers.talking import DIGITS

TICK = 0.02
SETTLE = 3.0
"""Seconds after the last stall, in which it may have an effect."""
STRETCH = 12.0
"""Seconds before, and after, in which nothing is done to the agent."""
SHORTEST, LONGEST = 0.04, 0.2
_WRAP = stamp.BASE**DIGITS
MEDIA_START = MediaStart("stalls.1", "ulaw", ulaw.FRAME, ptime=20)


class Asterisk:
    """Its end of one call: a clock, a queue, and how late each frame is heard."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._queue = PlayQueue(say=self._tell)
        self._outgoing: asyncio.Queue[bytes | str] = asyncio.Queue()
        self.late: list[int] = []
        """Milliseconds, in the order of hearing."""

    async def run(self) -> None:
        self._tell(MEDIA_START)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read())
            tasks.create_task(self._write())
            tasks.create_task(self._tick())

    async def _tick(self) -> None:
        due = time.monotonic()
        while True:
            due += TICK
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._outgoing.put_nowait(ulaw.SILENCE * ulaw.FRAME)
            self._hear(self._queue.tick())

    def _hear(self, frame: bytes | None) -> None:
        due = None if frame is None else stamp.read(frame[:DIGITS])
        if due is not None:
            late = (round(time.monotonic() * 1000) - due) % _WRAP
            self.late.append(late if late < _WRAP // 2 else late - _WRAP)

    async def _read(self) -> None:
        async for message in self._socket:
            if isinstance(message, bytes):
                self._queue.audio(message)
            else:
                self._queue.command(message)

    async def _write(self) -> None:
        while True:
            await self._socket.send(await self._outgoing.get())

    def _tell(self, event: Event) -> None:
        self._outgoing.put_nowait(encode(event, "json", channel_id="stalls.1"))


@dataclass(frozen=True, slots=True)
class Drift:
    stalls: int
    stalled_seconds: float
    start_ms: float
    """Delay of a frame, at the median, before anything was stopped."""
    worst_ms: float
    end_ms: float
    machine_load: float

    @property
    def frames(self) -> float:
        return (self.end_ms - self.start_ms) / (TICK * 1000)


async def stall(server: Server, stalls: int, chance: random.Random) -> Drift:
    login = base64.b64encode(f"asterisk:{PASSWORD}".encode()).decode()
    async with connect(
        f"{server.url}?call_id=stalls",
        additional_headers={"Authorization": f"Basic {login}"},
        compression=None,
        ping_interval=None,
        proxy=None,
    ) as socket:
        asterisk = Asterisk(socket)
        call = asyncio.create_task(asterisk.run())
        await asyncio.sleep(STRETCH)
        start, before = statistics.median(asterisk.late), len(asterisk.late)
        stopped = 0.0
        for _ in range(stalls):
            await asyncio.sleep(chance.uniform(0.03, 0.15))
            length = chance.uniform(SHORTEST, LONGEST)
            os.kill(server.pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(length)
            finally:
                os.kill(server.pid, signal.SIGCONT)
            stopped += length
        worst = max(asterisk.late[before:])
        await asyncio.sleep(SETTLE)
        after = len(asterisk.late)
        await asyncio.sleep(STRETCH)
        end = statistics.median(asterisk.late[after:])
        call.cancel()
        await asyncio.wait([call])
    return Drift(stalls, round(stopped, 1), start, worst, end, os.getloadavg()[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stalls", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    with Server("talking", core=SERVER_CORE) as server:
        drift = asyncio.run(
            stall(server, arguments.stalls, random.Random(arguments.seed))
        )
    print(
        f"{drift.stalls} stalls, {drift.stalled_seconds:g} s in all: a frame was late"
        f" by {drift.start_ms:g} ms before, {drift.worst_ms:g} ms at worst,"
        f" {drift.end_ms:g} ms after ({drift.frames:+.1f} frames)"
    )
    print(keep("stalls", asdict(drift)))
    return 0 if drift.frames <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
