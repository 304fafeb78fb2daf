"""PostgreSQL is stopped, hangs, is restarted or is a standby while a call is up."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.storage.postgres import Server, programs, server

from .stage import Stage, Staged

pytestmark = [
    pytest.mark.asterisk,
    pytest.mark.models,
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Server]:
    if (bin := programs()) is None:
        pytest.skip("PostgreSQL is not tested: scripts/postgres fetches it")
    with server(bin) as running:
        running.execute("CREATE DATABASE calls")
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(staged: Staged, postgres: Server) -> AsyncIterator[Stage]:
    async with staged(DATABASE_URL=postgres.url_of("calls")) as stage:
        yield stage


async def caught_up(stage: Stage, call: str) -> None:
    """Until all that happened is in the database."""
    async with asyncio.timeout(60):
        while await asyncio.to_thread(stage.offhook.metric, "offhook_facts_behind"):
            await asyncio.sleep(0.2)
    await stage.over(call)


@pytest.mark.fault("25", "PostgreSQL is stopped during a call")
async def test_it_is_stopped(stage: Stage, postgres: Server):
    async with stage.call() as (line, call):
        postgres.stop()
        await line.hear_silence(1, within=20)
    try:
        await stage.logged("[FACTS] wait in")
        verdict = await stage.explain(call)
        print(verdict)
    finally:
        postgres.start()
    await caught_up(stage, call)
    after = await stage.explain(call)
    print(after)
    print(stage.offhook.log.read_text()[-3000:])
    assert "database" in verdict.sentence
    assert "was away" in "\n".join((after.sentence, *after.besides))


@pytest.mark.fault("25", "PostgreSQL is restarted during a call")
async def test_it_is_restarted(stage: Stage, postgres: Server):
    async with stage.call() as (line, call):
        postgres.stop()
        await line.hear_silence(1, within=20)
    await asyncio.sleep(1)
    postgres.start()
    await caught_up(stage, call)
    after = await stage.explain(call)
    print(after)
    assert "was away" in "\n".join((after.sentence, *after.besides))


@pytest.mark.fault("25", "PostgreSQL hangs during a call")
async def test_it_hangs(stage: Stage, postgres: Server):
    async with stage.call() as (line, call):
        with postgres.hanging():
            await line.hear_silence(1, within=20)
            await line.hang_up()
            await stage.logged("not done in 10", within=30)
            verdict = await stage.explain(call)
            print(verdict)
    await caught_up(stage, call)
    after = await stage.explain(call)
    print(after)
    assert "does not answer" in "\n".join((after.sentence, *after.besides))


@pytest.mark.fault("25", "PostgreSQL has become a standby, which takes no writes")
async def test_it_takes_no_writes(stage: Stage, postgres: Server):
    async with stage.call() as (line, call):
        postgres.execute("ALTER DATABASE calls SET default_transaction_read_only = on")
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = 'calls'"
        )
        await line.hear_silence(1, within=20)
    await asyncio.sleep(4)
    verdict = await stage.explain(call)
    print(verdict)
    print(stage.offhook.log.read_text()[-3000:])
    postgres.execute("ALTER DATABASE calls RESET default_transaction_read_only")
    postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'calls'"
    )
    await caught_up(stage, call)
    assert "read-only" in "\n".join((verdict.sentence, *verdict.besides))
