"""More than the agent takes: calls, work for the recogniser, a machine that is late."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from agent.phone.line import Line
from tests.interop.asterisk import eventually

from .rawsip import RawCaller
from .stage import QUESTION, Stage, Staged, Verdict

pytestmark = [
    pytest.mark.asterisk,
    pytest.mark.models,
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(staged: Staged) -> AsyncIterator[Stage]:
    """Two calls, and one utterance for its ears."""
    async with staged(
        OFFHOOK_MAX_CALLS="3",
        OFFHOOK_MAX_STT_WAITING="1",
        OFFHOOK_STT_THREADS="1",
        # A machine that tests is late by itself.
        OFFHOOK_MAX_LAG_SECONDS="0.5",
    ) as stage:
        yield stage


async def refused(stage: Stage) -> Verdict:
    """What is said of a call that comes now, and is not taken."""
    before = stage.asterisk.log.count(": no agent: ")
    async with RawCaller(stage.asterisk.sip_port) as caller:
        assert await caller.answered() == 200, "by the prompt: never dead air"
        assert stage.asterisk.log.count(": no agent: ") > before
        call = stage.newest_in_asterisk()
    return await stage.explain(call)


@pytest.mark.fault("48", "as many calls are up as may be")
async def test_too_many_calls(stage: Stage):
    async with AsyncExitStack() as up:
        for _ in range(3):
            caller = RawCaller(stage.asterisk.sip_port)
            await up.enter_async_context(caller)
            assert await caller.answered() == 200
        verdict = await refused(stage)
        live = await asyncio.to_thread(stage.offhook.metric, "offhook_calls_live")
        assert live == 3, "those that are up stay"
    assert "OFFHOOK_MAX_CALLS calls are up" in verdict.sentence, verdict


@pytest.mark.fault("47", "the machine is late")
async def test_the_machine_is_late(stage: Stage):
    async with stage.call() as (line, call):
        os.kill(stage.offhook.pid, signal.SIGSTOP)
        await asyncio.sleep(1.5)
        os.kill(stage.offhook.pid, signal.SIGCONT)
        await stage.logged("stood still for")
        verdict = await refused(stage)
        await line.play(QUESTION)
        await line.hear_sound(within=20)
    assert "OFFHOOK_MAX_LAG_SECONDS" in verdict.sentence, verdict
    await stage.over(call)


@pytest.mark.fault("47", "the recogniser has more to do than it can")
async def test_the_recogniser_is_busy(stage: Stage):
    async def talk(line: Line) -> None:
        while True:
            await line.play(QUESTION)
            await asyncio.sleep(1)

    async with stage.call() as (one, _), stage.call() as (other, _):
        talking = [asyncio.create_task(talk(each)) for each in (one, other)]
        try:
            call = await one_too_many(stage)
        finally:
            for each in talking:
                each.cancel()
            await asyncio.gather(*talking, return_exceptions=True)
    await eventually(lambda: not stage.asterisk.channels())
    verdict = await stage.explain(call)
    assert "OFFHOOK_MAX_STT_WAITING" in verdict.sentence, verdict


async def one_too_many(stage: Stage) -> str:
    """Calls whenever two utterances wait, until that is refused."""
    async with asyncio.timeout(30):
        while True:
            waiting = await asyncio.to_thread(
                stage.offhook.metric, "offhook_stt_waiting"
            )
            if waiting > 1:
                async with RawCaller(stage.asterisk.sip_port) as caller:
                    await caller.answered()
                    call = stage.newest_in_asterisk()
                if any("stt_queue" in line for line in stage.log_of(call)):
                    return call
