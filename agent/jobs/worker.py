"""`offhook work`: the process that does what must survive a crash.

It may be killed at any moment; so when something is wrong that cannot be waited for, it
ends, and whoever started it starts it again. It waits for a database that is away.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from enum import StrEnum
from typing import NoReturn, Protocol

from loguru import logger
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from agent.net import outside
from agent.storage.database import Database, work_url
from agent.storage.errors import StorageError

from . import engine
from .alone import Lost, alone
from .config import WorkConfig
from .deliveries import Deliveries

_LOOPBACK = "127.0.0.1"
_DATABASE_PAUSE = 2.0
_REQUEST_WITHIN = 5.0


class Job(Protocol):
    """A kind of work. Its workflows are known to DBOS once it is made."""

    async def run(self) -> None:
        """Looks for work, until it is cancelled."""


MakeJob = Callable[[Database], Job]


class CannotListen(Exception):
    """Somebody else has the port."""


class State(StrEnum):
    """All of them are healthy."""

    WAITING = "waiting for the database"
    STANDING_BY = "standing by: another worker is at it"
    WORKING = "working"


class Worker:
    def __init__(self, config: WorkConfig, more: Sequence[MakeJob] = ()) -> None:
        """`more`: beside webhooks; they are made when the database is open."""
        self.state = State.WAITING
        self._config = config
        self._more = more

    async def work(self) -> None:
        """Until it is cancelled. Raises Lost, or what else cannot be waited for."""
        async with AsyncExitStack() as house:
            server = await self._listen()
            await house.enter_async_context(server)
            database = Database(self._config.database_url)
            await self._open(database)
            house.push_async_callback(database.close)
            held = await house.enter_async_context(
                alone(self._config.database_url, lambda: self._is(State.STANDING_BY))
            )
            deliveries = self._config.deliveries
            http = await house.enter_async_context(
                outside.client(deliveries.allow, timeout=deliveries.timeout)
            )
            jobs: list[Job] = [Deliveries(database, http, deliveries)]
            jobs += [make(database) for make in self._more]
            await house.enter_async_context(
                engine.running(work_url(self._config.database_url))
            )
            self._is(State.WORKING)
            async with asyncio.TaskGroup() as tasks:
                for job in jobs:
                    tasks.create_task(job.run())
                tasks.create_task(held())

    async def _listen(self) -> asyncio.Server:
        port = self._config.port
        try:
            return await asyncio.start_server(self._answer, _LOOPBACK, port)
        except OSError as error:
            why = error.strerror or str(error)
            said = f"cannot listen on {_LOOPBACK}:{port} (OFFHOOK_WORK_PORT): {why}"
            raise CannotListen(said) from error

    async def _open(self, database: Database) -> None:
        said = False
        while True:
            try:
                return await database.open()
            except StorageError as error:
                if not said:
                    logger.error("[WORK] trying again: {}", error)
                said = True
                await asyncio.sleep(_DATABASE_PAUSE)

    def _is(self, state: State) -> None:
        if state is not self.state:
            self.state = state
            logger.info("[WORK] {}", state.value)

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            async with asyncio.timeout(_REQUEST_WITHIN):
                head = await reader.readuntil(b"\r\n\r\n")
                match head.split(b" ", 2)[1:2]:
                    case [b"/healthz"]:
                        writer.write(_http(200, "text/plain", self.state.encode()))
                    case [b"/metrics"]:
                        writer.write(_http(200, CONTENT_TYPE_LATEST, generate_latest()))
                    case _:
                        writer.write(_http(404, "text/plain", b"not here"))
                await writer.drain()
        except (
            *(TimeoutError, ConnectionError, asyncio.IncompleteReadError),
            asyncio.LimitOverrunError,
        ):
            pass  # whoever asked has gone, or never was a client
        finally:
            writer.close()


def run(config: WorkConfig, more: Sequence[MakeJob] = ()) -> NoReturn:
    """SIGTERM and SIGINT end it, with status 0; all else with 1."""
    loop = asyncio.new_event_loop()
    work = loop.create_task(Worker(config, more).work())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, work.cancel)
    status = 1
    try:
        loop.run_until_complete(work)
    except asyncio.CancelledError:
        status = 0
    except BaseException as error:  # noqa: BLE001 - the edge of the process
        lost = error.split(Lost)[0] if isinstance(error, BaseExceptionGroup) else None
        if isinstance(error, CannotListen):
            logger.error("[WORK] {}", error)
        elif lost is not None:
            logger.error("[WORK] ending: {}", lost.exceptions[0])
        else:
            logger.opt(exception=error).error("[WORK] ending")
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit, which waits for threads: those of DBOS wait for the database, and
    # it may be that which is gone.
    os._exit(status)


def _http(status: int, kind: str, content: bytes) -> bytes:
    reason = {200: "OK", 404: "Not Found"}[status]
    head = (
        f"HTTP/1.1 {status} {reason}\r\ncontent-type: {kind}\r\n"
        f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + content
