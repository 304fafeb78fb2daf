import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from dbos import DBOS, DBOSConfiguredInstance, SetWorkflowID

from agent.jobs import engine

from .webhooks import until


@pytest.mark.parametrize(
    ("database", "work"),
    [
        ("sqlite:///var/offhook.db", "sqlite:///var/work.db"),
        ("sqlite:////srv/offhook/calls.db", "sqlite:////srv/offhook/work.db"),
        (
            "postgresql://me:s3cret@db.example/offhook",
            "postgresql+psycopg://me:s3cret@db.example/offhook",
        ),
        (
            "postgresql+psycopg://me@/offhook?host=%2Frun%2Fpg",
            "postgresql+psycopg://me@/offhook?host=%2Frun%2Fpg",
        ),
    ],
)
def test_where_dbos_keeps_its_own(database, work):
    assert engine.work_url(database) == work


@DBOS.dbos_class()
class Counting(DBOSConfiguredInstance):
    def __init__(self):
        self.name = f"counting-{uuid4().hex}"
        super().__init__(self.name)
        self.steps = []
        self.open = asyncio.Event()

    @DBOS.workflow(max_recovery_attempts=None)
    async def count(self, to: int) -> int:
        with engine.under_way():
            for number in range(to):
                await self.step(number)
            return to

    @DBOS.step()
    async def step(self, number: int) -> None:
        self.steps.append(number)
        if number == 1:
            await self.open.wait()


async def test_what_was_begun_is_carried_on_by_the_next(database_url):
    work = engine.work_url(database_url)
    counting = Counting()
    async with engine.running(work):
        with SetWorkflowID(f"{counting.name}/1"):
            await DBOS.start_workflow_async(counting.count, 3)
        await until(lambda: counting.steps == [0, 1])
        assert await engine.begun(f"{counting.name}/") == [f"{counting.name}/1"]
        assert await engine.begun("another/") == []
    counting.open.set()
    async with engine.running(work):
        # Step 0 was done; that of step 1 nobody knows.
        await until(lambda: counting.steps == [0, 1, 1, 2])

        async def over() -> bool:
            return await engine.begun(f"{counting.name}/") == []

        await until(over)
        now = datetime.now(UTC)
        assert await engine.forget(now - timedelta(hours=1)) == 0
        assert await engine.forget(now + timedelta(hours=1)) == 1
        assert await engine.forget(now + timedelta(hours=1)) == 0


async def test_it_leaves_the_loop_as_it_was(small_url):
    async with engine.running(engine.work_url(small_url)):
        pass
    assert await asyncio.to_thread(lambda: 5) == 5
