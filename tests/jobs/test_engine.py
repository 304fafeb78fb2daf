import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from dbos import DBOS, DBOSConfiguredInstance, SetWorkflowID

from agent.jobs import engine
from agent.storage.database import work_url

from .webhooks import until


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
    work = work_url(database_url)
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
    async with engine.running(work_url(small_url)):
        pass
    assert await asyncio.to_thread(lambda: 5) == 5
