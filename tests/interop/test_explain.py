"""`offhook explain` on calls through a real Asterisk, whose faults are real, too."""

import argparse
import asyncio
import os
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.explain import command
from agent.explain.sources import AgentConfig
from tests.fakes.faulty import FaultyProvider, Slow, Status
from tests.fakes.provider import Running

from .asterisk import Asterisk, eventually
from .offhook import Offhook

pytestmark = [pytest.mark.asterisk, pytest.mark.models]

QUESTION = (Path(__file__).parents[1] / "data" / "question.ulaw").read_bytes()
AIS = """
[ai.desk]
greeting = "Hello."
prompt = "You are the receptionist."
tool_names = []
filler_seconds = 0
"""


class Stage:
    """One Asterisk, one agent, and a provider of models that fails as told."""

    def __init__(self, folder: Path, asterisk: Asterisk, phone, url: str) -> None:
        (folder / "ais.toml").write_text(AIS)
        self.provider = FaultyProvider()
        self.asterisk, self.phone = asterisk, phone
        self.offhook = Offhook(
            folder,
            asterisk.agent_port,
            asterisk.agent_password,
            OFFHOOK_AIS=str(folder / "ais.toml"),
            OFFHOOK_MONITOR=str(asterisk.recordings),
            OFFHOOK_SPOOL=str(asterisk.spool),
            OFFHOOK_STT_MODEL="whisper-base",
            OFFHOOK_DRAIN_SECONDS="1",
            OFFHOOK_TTS_BASE_URL=f"{url}/v1",
            OPENAI_BASE_URL=f"{url}/v1",
            OPENAI_API_KEY="none",
            OPENAI_MODEL="mock",
        )

    async def up(self) -> None:
        await asyncio.to_thread(self.offhook.up)

    async def newest(self) -> str:
        calls = await asyncio.to_thread(self.offhook.get, "/calls?limit=1")
        return str(calls["calls"][0]["id"])

    async def record(self, call: str) -> dict:
        return await asyncio.to_thread(self.offhook.get, f"/calls/{call}")

    async def over(self, call: str) -> None:
        async with asyncio.timeout(20):
            while (await self.record(call))["end_reason"] is None:
                await asyncio.sleep(0.1)

    async def explained(self, call: str, *options: str) -> str:
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        said: list[str] = []
        status = await command.run(
            parser.parse_args([call, *options]),
            AgentConfig(self.offhook.url),
            "",
            datetime.now(UTC),
            said.append,
        )
        assert status == 1, said
        return said[0].splitlines()[0]


@pytest.fixture
async def stage(asterisk, phone, tmp_path) -> AsyncIterator[Stage]:
    provider = FaultyProvider()
    async with Running(provider.app()) as url:
        stage = Stage(tmp_path, asterisk, phone, url)
        stage.provider = provider
        await stage.up()
        yield stage
        await asyncio.to_thread(stage.offhook.down)


async def test_faults_of_one_agent(stage):
    """In this order: the last two end the agent."""
    uri = stage.asterisk.uri()

    stage.provider.script.clear()
    async with await stage.phone().dial(uri) as line:  # the model fails
        await line.hear_sound(within=20)
        await line.hear_silence(1, within=20)
        call = await stage.newest()
        stage.provider.script += [Status(503)]
        await line.play(QUESTION)
        async with asyncio.timeout(20):
            while not (await stage.record(call))["troubles"]:
                await asyncio.sleep(0.1)
        await asyncio.sleep(1)
    await stage.over(call)
    stage.provider.script.clear()
    assert "the model openai.mock failed with an error of its own (5xx)" in (
        await stage.explained(call)
    )

    async with await stage.phone().dial(uri) as line:  # the model is slow
        await line.hear_sound(within=20)
        await line.hear_silence(1, within=20)
        call = await stage.newest()
        stage.provider.script += [Slow(3.5)]
        await line.play(QUESTION)
        await line.hear_sound(within=20)
        await line.hear_silence(1, within=20)
    await stage.over(call)
    assert "the model's first word took" in await stage.explained(call)

    async with await stage.phone().dial(uri) as line:  # an operator hangs up
        await line.hear_sound(within=20)
        call = await stage.newest()
        await asyncio.to_thread(stage.offhook.delete, f"/calls/{call}")
        await line.ended()
    await stage.over(call)
    assert "an operator ended the call" in await stage.explained(call)

    async with await stage.phone().dial(uri) as line:  # it is told to stop
        await line.hear_sound(within=20)
        call = await stage.newest()
        await asyncio.to_thread(stage.offhook.down)
        await line.ended()
    await stage.up()
    assert "stopped or restarted while the call was up" in (await stage.explained(call))

    async with await stage.phone().dial(uri) as line:  # it is killed
        await line.hear_sound(within=20)
        call = await stage.newest()
        os.kill(stage.offhook.pid, signal.SIGKILL)
        await line.ended()
    await asyncio.to_thread(stage.offhook.down)  # it is to be waited for
    await stage.up()
    await stage.over(call)
    assert "the agent's process was killed or crashed" in (await stage.explained(call))

    await asyncio.to_thread(stage.offhook.down)  # nobody is there
    async with await stage.phone().dial(uri) as line:
        await line.ended()
    log = stage.asterisk.folder / "log" / "full"
    await eventually(lambda: "no agent" in stage.asterisk.log.rpartition(call)[2])
    over = [each for each in stage.asterisk.log.splitlines() if ": no agent: " in each]
    call = over[-1].rpartition("Call ")[2].partition(":")[0]
    assert "agent" in await stage.explained(call, "--log", str(log))
    await stage.up()
