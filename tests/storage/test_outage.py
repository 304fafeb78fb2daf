"""PostgreSQL that is stopped, or hangs, and comes back; the process stays the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvloop
from sqlalchemy import text

from agent.storage.database import Database
from agent.storage.errors import StorageError

from . import postgres

SOON = 0.3
"""Seconds that a transaction may take here."""


@pytest.fixture(scope="module")
def server():
    """Not the one that other tests use."""
    if (bin := postgres.programs()) is None:
        pytest.skip("PostgreSQL is not tested: scripts/postgres fetches it")
    with postgres.server(bin) as running:
        yield running


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop])
def run(request):
    """Runs on either loop, and fails when something waits for ever."""

    async def in_time(main):
        async with asyncio.timeout(60):
            await main

    def run(main):
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(in_time(main))

    return run


@asynccontextmanager
async def opened(server) -> AsyncIterator[Database]:
    database = Database(server.url)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def use(database, step=lambda: None):
    """A transaction with a `step` in its middle."""
    async with database.session("count", seconds=SOON) as session:
        await session.execute(text("SELECT 1"))
        step()
        await session.execute(text("SELECT 2"))


def test_a_server_that_was_stopped_and_started(server, run):
    async def main():
        async with opened(server) as database:
            await asyncio.gather(*(database.check() for _ in range(20)))
            server.stop()
            for _ in range(3):
                with pytest.raises(StorageError, match="could not ask the database: "):
                    await database.check()
            server.start()
            await asyncio.gather(*(database.check() for _ in range(20)))

    run(main())


def test_a_server_that_stops_in_the_middle(server, run):
    async def main():
        async with opened(server) as database:
            with pytest.raises(StorageError, match="could not count: "):
                await use(database, server.stop)
            server.start()
            await database.check()

    run(main())


def test_a_server_that_hangs_in_the_middle(server, run):
    async def main():
        async with opened(server) as database:
            with server.hanging() as hang:
                hang.release()
                with pytest.raises(StorageError, match=r"not done in 0\.3 seconds"):
                    await use(database, hang.again)
            await database.check()

    run(main())


def test_a_server_that_hangs_when_it_is_asked_first(server, run):
    """With a connection from before, and when there is none."""

    async def main():
        async with opened(server) as warm, opened(server) as cold:
            await warm.check()
            with server.hanging():
                for database in (warm, cold):
                    with pytest.raises(StorageError, match=r"not done in 0\.3 seconds"):
                        await use(database)
            for database in (warm, cold):
                await database.check()

    run(main())


def test_a_server_that_hangs_when_all_is_to_be_kept(server, run):
    async def main():
        async with opened(server) as database:
            with server.hanging() as hang:
                hang.release()
                with pytest.raises(StorageError, match=r"not done in 0\.3 seconds"):
                    async with database.session("count", seconds=SOON) as session:
                        await session.execute(text("SELECT 1"))
                        hang.again()
            await database.check()

    run(main())


def test_more_at_once_than_there_are_connections(server, run):
    """All of them wait, and none is lost for those who come later."""

    async def main():
        async with opened(server) as database:
            with server.hanging():
                found = await asyncio.gather(
                    *(use(database) for _ in range(30)), return_exceptions=True
                )
                assert {type(each) for each in found} == {StorageError}
            await asyncio.gather(*(database.check() for _ in range(8)))

    run(main())


def test_who_is_cancelled_does_not_wait_for_a_server_that_hangs(server, run):
    async def main():
        async with opened(server) as database:
            with server.hanging() as hang:
                hang.release()
                reached = asyncio.Event()

                async def ask():
                    async with database.session("ask", seconds=1000) as session:
                        await session.execute(text("SELECT 1"))
                        hang.again()
                        reached.set()
                        await session.execute(text("SELECT 2"))

                asking = asyncio.create_task(ask())
                await reached.wait()
                asking.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asking
            await database.check()

    run(main())


def test_opening_when_the_server_hangs(server, run, monkeypatch):
    async def main():
        database = Database(server.url)
        with server.hanging(), monkeypatch.context() as patch:
            patch.setattr("agent.storage.database._ANSWER_S", SOON)
            with pytest.raises(StorageError, match="cannot open the database postgres"):
                await database.open()
        await database.open()
        await database.close()

    run(main())
