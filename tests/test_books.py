"""What is kept when the database is not there yet, and when it is gone."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI

from agent.books import Books
from agent.calls.call import Call, CallEnd, Direction, EndReason
from agent.calls.facts import CallAnswered, CallBegan, CallEnded
from agent.settings import read_settings
from agent.storage.errors import StorageError
from tests.storage.postgres import programs, server


def call(call_id: str) -> Call:
    now = datetime.now(UTC)
    return Call(call_id, "100", "1000", Direction.INBOUND, "reception", now)


def facts(call_id: str):
    yield CallBegan(call(call_id))
    yield CallAnswered(call_id, datetime.now(UTC), "c.1", "ulaw", "json")
    yield CallEnded(call_id, CallEnd(EndReason.CALLER_HUNG_UP, datetime.now(UTC)))


class House:
    def __init__(self, folder, url: str) -> None:
        self.settings = read_settings(
            {"OFFHOOK_DATA": str(folder), "DATABASE_URL": url}
        )
        self.books = Books(self.settings)
        self.app = FastAPI()
        self.books.show(self.app)

    async def __aenter__(self) -> "House":
        self._stack = AsyncExitStack()
        await self.books.open(self._stack, self._keep)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _keep(self, forever) -> None:
        task = asyncio.create_task(forever)
        self._stack.callback(task.cancel)

    async def kept(self, call_id: str):
        async with asyncio.timeout(60):
            while True:
                try:
                    record = await self.app.state.calls.get(call_id)
                    if record is not None and record.end is not None:
                        return record
                except StorageError:
                    pass  # not there yet
                await asyncio.sleep(0.05)


async def test_calls_are_taken_before_the_database_is_there(tmp_path):
    if (bin := programs()) is None:
        pytest.skip("PostgreSQL is not tested: scripts/postgres fetches it")
    with server(bin) as database:
        database.stop()
        async with House(tmp_path, database.url) as house:
            answering = house.books.directory.answering("", "1000", "")
            assert (answering.ai.name, answering.version) == ("reception", 0)
            for fact in facts("17.1"):
                house.books.journal.note(fact)
            assert house.books.journal.behind == 3
            await asyncio.to_thread(database.start)
            record = await house.kept("17.1")
            assert record.end.reason is EndReason.CALLER_HUNG_UP
            async with asyncio.timeout(30):
                while not house.books.directory.answering("", "1000", "").version:
                    await asyncio.sleep(0.05)
            assert house.books.keys.known


async def test_what_a_life_could_not_bring_home_the_next_one_does(tmp_path):
    if (bin := programs()) is None:
        pytest.skip("PostgreSQL is not tested: scripts/postgres fetches it")
    with server(bin) as database:
        async with House(tmp_path, database.url):
            pass
        database.stop()
        async with House(tmp_path, database.url) as house:
            for fact in facts("17.2"):
                house.books.journal.note(fact)
        database.start()
        async with House(tmp_path, database.url) as house:
            assert (await house.kept("17.2")).call.called == "1000"


async def test_a_file_that_cannot_be_opened_is_no_use_waiting_for(tmp_path):
    (tmp_path / "offhook.db").write_text("this is not a database" * 1000)
    house = House(tmp_path, f"sqlite:///{tmp_path}/offhook.db")
    with pytest.raises(StorageError, match=r"offhook\.db"):
        async with house:
            pass
    await house._stack.aclose()
