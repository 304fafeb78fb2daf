"""A model server beside the agent: started, watched, restarted, stopped with it.

It is a process of its own, on loopback, so the conversation knows only URLs, a crash
in native code ends no call, and it can be niced: the media loop must never starve.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
from loguru import logger

from agent.observe import metrics

from .child import Child

LOOPBACK = "127.0.0.1"


class LocalServerError(Exception):
    """A local server did not come up. Says why, with the last lines that it wrote."""


@dataclass(frozen=True, slots=True)
class LocalServer:
    name: str
    argv: tuple[str, ...]
    """The program and its arguments; `{port}` in them becomes the port."""
    port: int
    health_url: str = f"http://{LOOPBACK}:{{port}}/health"
    """Answers 200 once the server can work; `{port}` as above."""
    start_deadline: float = 60.0
    """Seconds."""
    nice: int = 5
    memory_mib: int = 0
    """What it will hold when busy, roughly; for the log."""

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/v1"

    @property
    def command(self) -> tuple[str, ...]:
        return tuple(self._with_port(word) for word in self.argv)

    @property
    def health(self) -> str:
        return self._with_port(self.health_url)

    def _with_port(self, text: str) -> str:
        return text.replace("{port}", str(self.port))


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient a `Supervised` is. All in seconds but one."""

    poll: float = 0.1
    """Between two looks at a server that is starting."""
    check_every: float = 5.0
    answer_within: float = 5.0
    """Long: under load a niced server is slow, and killing it would make that worse."""
    failures: int = 3
    """So many checks in a row without a 200, and it counts as hung."""
    first_pause: float = 0.5
    longest_pause: float = 30.0
    settled_after: float = 60.0
    """After so long without a fault the next pause is the first again."""
    stop_grace: float = 5.0


def free_port() -> int:
    """A port of loopback that was free just now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


class Supervised:
    def __init__(
        self,
        server: LocalServer,
        pace: Pace | None = None,
        after_start: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """`after_start` is awaited whenever the server has come up: to warm it."""
        self.server = server
        self.healthy = False
        self.restarts = 0
        self._pace = pace or Pace()
        self._after_start = after_start
        self._child: Child | None = None
        self._watch: asyncio.Task[None] | None = None
        # Loopback must never go by way of a proxy that the environment names.
        self._http = httpx.AsyncClient(
            trust_env=False, verify=False, timeout=self._pace.answer_within
        )

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    async def start(self) -> None:
        """Returns when the server is healthy; otherwise raises LocalServerError."""
        try:
            child = await self._launch()
        except BaseException:
            await self._http.aclose()
            raise
        self._watch = asyncio.create_task(
            self._keep_up(child), name=f"supervise {self.server.name}"
        )

    async def stop(self) -> None:
        self.healthy = False
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
        if self._child is not None:
            await self._child.end(self._pace.stop_grace)
        await self._http.aclose()

    async def _launch(self) -> Child:
        name = self.server.name
        began = asyncio.get_running_loop().time()
        try:
            child = await Child.spawn(name, self.server.command, self.server.nice)
        except OSError as error:
            raise LocalServerError(f"{name}: cannot be started: {error}") from error
        self._child = child
        try:
            await self._until_healthy(child)
        except BaseException:
            await child.end(self._pace.stop_grace)
            raise
        self.healthy = True
        logger.info(
            "[{}] ready in {:.1f} s on {} (process {}{})",
            name,
            asyncio.get_running_loop().time() - began,
            self.server.url,
            child.pid,
            f", about {self.server.memory_mib} MiB" if self.server.memory_mib else "",
        )
        if self._after_start is not None:
            await self._after_start()
        return child

    async def _until_healthy(self, child: Child) -> None:
        server = self.server
        try:
            async with asyncio.timeout(server.start_deadline):
                while not await child.gone(within=self._pace.poll):
                    if await self._answers():
                        return
        except TimeoutError:
            raise LocalServerError(
                f"{server.name}: {server.health} did not answer 200 within"
                f" {server.start_deadline:g} s; its last lines:\n{child.last_lines}"
            ) from None
        raise LocalServerError(
            f"{server.name}: ended before it was ready ({child.status});"
            f" its last lines:\n{child.last_lines}"
        )

    async def _answers(self) -> bool:
        try:
            return (await self._http.get(self.server.health)).status_code == 200
        except httpx.HTTPError:
            return False

    async def _keep_up(self, child: Child) -> None:
        now = asyncio.get_running_loop().time
        pause = self._pace.first_pause
        while True:
            began = now()
            fault = await self._until_unwell(child)
            self.healthy = False
            if now() - began >= self._pace.settled_after:
                pause = self._pace.first_pause
            logger.error(
                "[{}] {}: restarting in {:g} s", self.server.name, fault, pause
            )
            await child.end(self._pace.stop_grace)
            while True:
                await asyncio.sleep(pause)
                pause = min(pause * 2, self._pace.longest_pause)
                self.restarts += 1
                metrics.local_restarts.labels(self.server.name).inc()
                try:
                    child = await self._launch()
                    break
                except LocalServerError as error:
                    logger.error(
                        "[{}] trying again in {:g} s: {}",
                        *(self.server.name, pause, error),
                    )

    async def _until_unwell(self, child: Child) -> str:
        """Waits for its end or for so many failed checks; says which."""
        failures = 0
        while True:
            if await child.gone(within=self._pace.check_every):
                return f"ended ({child.status})"
            failures = 0 if await self._answers() else failures + 1
            self.healthy = failures == 0
            if failures >= self._pace.failures:
                return f"hangs: {failures} health checks failed"
