"""The agent's process or Asterisk's ends, stands still or is not there; callers come
and go at bad moments."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import pytest_asyncio

from tests.fakes.faulty import Ok
from tests.interop.asterisk import Asterisk, eventually, place

from .rawsip import RawCaller
from .stage import AIS as DESK
from .stage import Stage, Staged

pytestmark = [
    pytest.mark.asterisk,
    pytest.mark.models,
    pytest.mark.asyncio(loop_scope="module"),
]

AIS = (
    DESK
    + """
[ai.talker]
start = "Introduce yourself."
prompt = "You like to talk."
"""
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(staged: Staged) -> AsyncIterator[Stage]:
    """With an AI that talks long, and time to see a drain."""
    async with staged(ais=AIS, OFFHOOK_DRAIN_SECONDS="3") as stage:
        yield stage


@contextmanager
def answered_by(asterisk: Asterisk, ai: str) -> Iterator[None]:
    asterisk.cli(f"dialplan set global AI {ai}")
    try:
        yield
    finally:
        asterisk.cli('dialplan set global AI ""')


LONG = (Ok(), Ok("word " * 40))
"""What the model says, and its sound: four seconds of it."""


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.fault("12", "an operator hangs up")
async def test_an_operator_hangs_up(stage: Stage):
    async with stage.call() as (line, call):
        await asyncio.to_thread(stage.offhook.delete, f"/calls/{call}")
        await line.ended()
    await stage.over(call)
    assert "an operator ended the call" in (await stage.explain(call)).sentence


@pytest.mark.fault("12", "the caller hangs up during the greeting")
async def test_he_hangs_up_during_the_greeting(stage: Stage):
    stage.provider.script += LONG
    with answered_by(stage.asterisk, "talker"):
        async with await stage.phone().dial(stage.asterisk.uri()) as line:
            await line.hear_sound(within=20)
            await asyncio.sleep(1)
    call = newest(stage.asterisk)
    await stage.over(call)
    verdict = await stage.explain(call)
    assert "the caller hung up during the greeting" in verdict.sentence, verdict


@pytest.mark.fault("11", "the caller hangs up in the moment of the answer")
async def test_he_hangs_up_at_once(stage: Stage):
    for number in range(10):
        async with RawCaller(stage.asterisk.sip_port) as caller:
            assert await caller.answered() == 200
            await asyncio.sleep(0.005 * number)
    await eventually(lambda: not stage.asterisk.channels())
    call = newest(stage.asterisk)
    await stage.over(call)
    verdict = await stage.explain(call)
    assert "the caller hung up before a word was said" in verdict.sentence, verdict
    live = await asyncio.to_thread(stage.offhook.metric, "offhook_calls_live")
    assert live == 0
    # Asterisk may close a socket that young without a word; the dialplan says why.
    ended = [each["end_reason"] for each in (await stage.get("/calls"))["calls"][:10]]
    assert ended == ["caller_hung_up"] * 10


@pytest.mark.fault("8", "the agent stands still for three seconds")
async def test_the_agent_stands_still(stage: Stage):
    stage.provider.script += LONG
    with answered_by(stage.asterisk, "talker"):
        async with await stage.phone().dial(stage.asterisk.uri()) as line:
            await line.hear_sound(within=20)
            with stopped(stage.offhook.pid):
                await asyncio.sleep(3)
            await line.hear_silence(1.5, within=20)
            call = newest(stage.asterisk)
    await stage.over(call)
    verdict = await stage.explain(call)
    assert re.search(r"the agent stood still for \d\.\d s", verdict.sentence), verdict
    assert "its process was stopped" in verdict.sentence, verdict


@pytest.mark.fault("7", "Asterisk stands still for three seconds")
async def test_asterisk_stands_still(stage: Stage):
    pid = int((stage.asterisk.folder / "pid").read_text())
    stage.provider.script += LONG
    with answered_by(stage.asterisk, "talker"):
        async with await stage.phone().dial(stage.asterisk.uri()) as line:
            await line.hear_sound(within=20)
            with stopped(pid):
                await asyncio.sleep(3)
            await line.hear_silence(1.5, within=20)
            call = newest(stage.asterisk)
    await stage.over(call)
    verdict = await stage.explain(call)
    assert "Asterisk stood still for " in verdict.sentence, verdict


@pytest.mark.fault("13", "Asterisk is killed during a call, and started again")
async def test_asterisk_is_killed(
    stage: Stage, own: Asterisk, tmp_path_factory: pytest.TempPathFactory
):
    async with RawCaller(own.sip_port) as caller:
        assert await caller.answered() == 200
        call = newest(own)
        await eventually(lambda: own.log.count("joined 'simple_bridge'") == 2)
        caller.vanish()
        os.kill(int((own.folder / "pid").read_text()), signal.SIGKILL)
        await stage.over(call)
    before = tmp_path_factory.mktemp("before") / "full"
    before.write_text(own.log)
    # Without Asterisk's log, first.
    verdict = await stage.explain(call)
    assert "the connection between Asterisk and the agent broke" in verdict.sentence
    assert "so look at Asterisk" in verdict.sentence
    await asyncio.to_thread(own.up)
    log = own.folder / "log" / "full"
    verdict = await stage.explain(call, "--asterisk", str(before), "--log", str(log))
    assert "Asterisk ended during the call" in verdict.sentence, verdict
    async with RawCaller(own.sip_port) as caller:
        assert await caller.answered() == 200, "the next call"


@pytest.mark.fault("49", "the agent is told to stop during a call")
async def test_it_is_told_to_stop(stage: Stage):
    async with stage.call() as (line, call):
        os.kill(stage.offhook.pid, signal.SIGTERM)
        await stage.logged("stopping: ")
        async with RawCaller(stage.asterisk.sip_port) as second:
            await eventually(lambda: "shutting_down" in stage.logs[0].read_text())
            refused = stage.newest_in_asterisk()
            assert refused != call
            await second.answered()  # by the prompt
        await line.ended()
    await stage.down()
    verdict = await stage.explain(refused)
    assert "told to stop and takes no new calls" in verdict.sentence, verdict
    await stage.up()
    verdict = await stage.explain(call)
    assert "stopped or restarted while the call was up" in verdict.sentence


@pytest.mark.fault(
    "10", "the agent is killed during a call, and nobody is there for the next"
)
async def test_it_is_killed(stage: Stage):
    async with stage.call() as (line, call):
        os.kill(stage.offhook.pid, signal.SIGKILL)
        await line.ended()
    await stage.down()  # it is to be waited for
    before = stage.asterisk.log.count(": no agent: ")
    async with await stage.phone().dial(stage.asterisk.uri()) as line:
        await line.hear_sound(within=10)  # the prompt: never dead air
        await eventually(lambda: stage.asterisk.log.count(": no agent: ") > before)
        alone = stage.newest_in_asterisk()
    await stage.up()
    await stage.over(call)
    verdict = await stage.explain(call)
    assert "the agent's process was killed or crashed" in verdict.sentence
    verdict = await stage.explain(alone)
    assert "nobody listens at ws://" in verdict.sentence
    assert "the agent is down" in verdict.sentence
    async with stage.call() as (line, call):
        pass
    await stage.over(call)


@pytest.fixture(scope="module")
def own(
    asterisk: Asterisk, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Asterisk]:
    """One that may be killed, in front of the same agent."""
    with place() as number:
        ours = replace(
            Asterisk.at(number, tmp_path_factory.mktemp("own")),
            agent_port=asterisk.agent_port,
        )
        ours.up()
        yield ours
        ours.down()


def newest(asterisk: Asterisk) -> str:
    """The id of the call that came last."""
    found = re.findall(r"app_verbose\.c: Call (\S+): SIP Call-ID", asterisk.log)
    return str(found[-1])
