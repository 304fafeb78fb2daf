"""The caller's voice without the noise around it, for the voice detector alone.

Speech recognition hears the caller as he is: what these filters take away it misses
(docs/noise.md). Whatever happens to a filter, the detector gets every frame, in order
and soon: cleaned if the filter is well, as it came if not.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from loguru import logger
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from agent.observe import metrics

from .config import NoiseServiceConfig
from .gtcrn import Gtcrn

DEADLINE = 0.04
"""Seconds in which a frame must be back from the service."""
RETRY = 5.0
"""Seconds of raw sound after the service has failed a call."""
_OPEN_WITHIN = 1.0

Take = Callable[[bytes], None]
"""Gets 16-bit samples, as many as went in."""


class Filter(Protocol):
    """One call's."""

    def hear(self, pcm: bytes) -> None: ...
    def close(self) -> None: ...


MakeFilter = Callable[[int, Take], Filter]
"""For a call of so many samples a second."""


class InProcess:
    """On the agent's own loop: 4 to 5 % of a core for each call."""

    def __init__(self, model: Gtcrn, rate: int, take: Take) -> None:
        self._clean = model.stream(rate).clean
        self._take = take

    def hear(self, pcm: bytes) -> None:
        self._take(self._clean(pcm))

    def close(self) -> None:
        pass


class NoiseService:
    """`python -m agent.nc`, as all calls of the process see it."""

    def __init__(self, config: NoiseServiceConfig) -> None:
        self._url = config.url.rstrip("/")
        self._well = True

    def stream(self, rate: int, take: Take) -> Filter:
        return _Stream(self, f"{self._url}/?rate={rate}", take)

    def failed(self, kind: str, why: str) -> None:
        """Logged once, until it is well again."""
        metrics.noise_fallbacks.labels(kind).inc()
        if self._well:
            self._well = False
            logger.warning("[NC] {}; the voice detector hears the noise, too", why)

    def worked(self) -> None:
        if not self._well:
            self._well = True
            logger.info("[NC] the noise cancellation is back")


class _Stream:
    def __init__(self, service: NoiseService, url: str, take: Take) -> None:
        self._service = service
        self._url = url
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._socket: ClientConnection | None = None
        """None: frames are taken as they are."""
        self._pending: deque[tuple[float, bytes]] = deque()
        """When it is too late for a frame, and the frame as it was."""
        self._outbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._timer: asyncio.TimerHandle | None = None
        self._running = asyncio.create_task(self._run())

    def hear(self, pcm: bytes) -> None:
        if self._socket is None or not pcm:
            self._take(pcm)
            return
        self._pending.append((self._loop.time() + DEADLINE, pcm))
        self._outbox.put_nowait(pcm)
        if self._timer is None:
            self._timer = self._loop.call_later(DEADLINE, self._look_at_the_clock)

    def close(self) -> None:
        self._socket = None
        self._pending.clear()
        self._running.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _run(self) -> None:
        while True:
            try:
                socket = await connect(
                    self._url,
                    compression=None,
                    ping_interval=None,
                    proxy=None,
                    open_timeout=_OPEN_WITHIN,
                )
            except (WebSocketException, OSError, TimeoutError) as error:
                why = f"no noise cancellation at {self._url}: {error}"
                self._service.failed("down", why)
            else:
                await self._converse(socket)
            await asyncio.sleep(RETRY)

    async def _converse(self, socket: ClientConnection) -> None:
        self._outbox = asyncio.Queue()
        self._socket = socket
        writing = asyncio.create_task(self._write(socket, self._outbox))
        try:
            async for cleaned in socket:
                self._cleaned(cleaned)
        except WebSocketException:
            pass  # it is over, however it ended
        finally:
            writing.cancel()
            self._give_up("down", f"{self._url} closed with {socket.close_code}")
            socket.transport.abort()

    async def _write(
        self, socket: ClientConnection, outbox: asyncio.Queue[bytes]
    ) -> None:
        try:
            while True:
                await socket.send(await outbox.get())
        except WebSocketException:
            pass  # whoever reads says so

    def _cleaned(self, cleaned: str | bytes) -> None:
        if self._socket is None or not self._pending:
            return  # too late
        _, raw = self._pending[0]
        if isinstance(cleaned, str) or len(cleaned) != len(raw):
            self._give_up("down", f"{len(raw)} bytes came back as {cleaned[:20]!r}")
            return
        self._pending.popleft()
        self._service.worked()
        self._take(cleaned)

    def _look_at_the_clock(self) -> None:
        self._timer = None
        if not self._pending:
            return
        left = self._pending[0][0] - self._loop.time()
        if left <= 0:
            why = f"a frame took {self._url} more than {DEADLINE * 1000:g} ms"
            self._give_up("late", why)
        else:
            self._timer = self._loop.call_later(left, self._look_at_the_clock)

    def _give_up(self, kind: str, why: str) -> None:
        """Raw sound for a while, beginning with what is on its way."""
        socket, self._socket = self._socket, None
        if socket is None:
            return
        self._service.failed(kind, why)
        while self._pending:
            self._take(self._pending.popleft()[1])
        socket.transport.abort()
