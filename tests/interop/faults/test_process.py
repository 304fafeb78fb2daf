"""The agent's process ends, stands still or is not there."""

import asyncio
import os
import signal

import pytest

from tests.interop.asterisk import eventually

from .stage import Stage

pytestmark = [
    pytest.mark.asterisk,
    pytest.mark.models,
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest.mark.fault("12", "an operator hangs up")
async def test_an_operator_hangs_up(stage: Stage):
    async with stage.call() as (line, call):
        await asyncio.to_thread(stage.offhook.delete, f"/calls/{call}")
        await line.ended()
    await stage.over(call)
    assert "an operator ended the call" in (await stage.explain(call)).sentence


@pytest.mark.fault("49", "the agent is told to stop during a call")
async def test_it_is_told_to_stop(stage: Stage):
    async with stage.call() as (line, call):
        await stage.down()
        await line.ended()
    await stage.up()
    verdict = await stage.explain(call)
    assert "stopped or restarted while the call was up" in verdict.sentence


@pytest.mark.fault("10", "the agent is killed during a call")
async def test_it_is_killed(stage: Stage):
    async with stage.call() as (line, call):
        os.kill(stage.offhook.pid, signal.SIGKILL)
        await line.ended()
    await stage.down()  # it is to be waited for
    await stage.up()
    await stage.over(call)
    verdict = await stage.explain(call)
    assert "the agent's process was killed or crashed" in verdict.sentence


@pytest.mark.fault("10", "no agent is there")
async def test_nobody_is_there(stage: Stage):
    await stage.down()
    before = stage.asterisk.log.count(": no agent: ")
    async with await stage.phone().dial(stage.asterisk.uri()) as line:
        await line.ended()
    await eventually(lambda: stage.asterisk.log.count(": no agent: ") > before)
    verdict = await stage.explain(stage.newest_in_asterisk())
    await stage.up()
    assert "agent" in verdict.sentence
