import asyncio
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import text

from agent.jobs.alone import Lost, alone
from agent.storage.database import Database


async def test_one_at_a_time_and_then_the_next(database_url):
    stood_by = asyncio.Event()
    has_it = asyncio.Event()

    async def second():
        async with alone(database_url, stood_by.set):
            has_it.set()

    async with AsyncExitStack() as first:
        await first.enter_async_context(alone(database_url, stood_by.set))
        assert not stood_by.is_set()
        waiting = asyncio.create_task(second())
        await stood_by.wait()
        assert not has_it.is_set()
    await waiting
    assert has_it.is_set()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_who_loses_the_connection_has_lost_the_lock(database_url):
    database = Database(database_url)
    await database.open()
    async with alone(database_url, lambda: None) as held:
        watching = asyncio.create_task(held())
        async with database.session("cut all others off") as session:
            await session.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks"
                    " WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
                )
            )
        with pytest.raises(Lost):
            await watching
    await database.close()


async def test_on_sqlite_it_cannot_be_lost(small_url, small):
    async with alone(small_url, lambda: None) as held:
        watching = asyncio.create_task(held())
        await asyncio.sleep(0.01)
        assert not watching.done()
        watching.cancel()
