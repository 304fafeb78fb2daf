"""Calls through a real Asterisk by AudioSocket, to a real session with fake models."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from agent.calls.ai import AIs
from agent.calls.call import EndReason
from agent.phone.line import Side
from agent.phone.recording import talks
from agent.session import LiveCalls
from agent.storage.directory import Directory
from agent.web.audiosocket import listen
from agent.web.config import AudioSocketConfig
from agent.web.telephony_ws import Unlimited

from .asterisk import Asterisk, eventually, free_port
from .test_agent import QUESTION
from .tones import strength

pytestmark = [pytest.mark.asterisk, pytest.mark.models]

BY_DIAL, BY_APPLICATION, WIDE = "1002", "1003", "1004"
LONG = " ".join(["word"] * 80)
"""Eight seconds of the fake voice."""


@pytest.fixture(scope="module")
def port(asterisk: Asterisk) -> int:
    port = free_port(range(19000, 19020), socket.SOCK_STREAM)
    asterisk.cli(f"dialplan set global AUDIOSOCKET 127.0.0.1:{port}")
    steps = {
        f"{BY_DIAL},1": f"Goto(agent-audiosocket,{BY_DIAL},1)",
        # What extensions.conf says about drivers that do not know c().
        f"{BY_APPLICATION},1": "Answer()",
        f"{BY_APPLICATION},2": (
            "TryExec(AudioSocket(00000000-0000-4000-8000-000000000001,${AUDIOSOCKET}))"
        ),
        f"{BY_APPLICATION},3": ("GotoIf($[${TRYSTATUS}!=SUCCESS]?agent-missing,s,1)"),
        f"{BY_APPLICATION},4": "Hangup()",
        f"{WIDE},1": (
            "Dial(AudioSocket/${AUDIOSOCKET}/00000000-0000-4000-8000-000000000002"
            "/c(slin16),,g)"
        ),
    }
    for place, step in steps.items():
        asterisk.cli(f"dialplan add extension {place},{step} into from-trunk")
    return port


@pytest.fixture
def live() -> LiveCalls:
    return LiveCalls(2)


@pytest.fixture
async def talking(agent, port, live) -> AsyncIterator[None]:
    """The agent of tests/fakes, listening for AudioSocket."""
    directory = Directory(AIs("desk", {"desk": agent.ai}))
    server = await listen(
        AudioSocketConfig(port=port), directory, live, agent.parts, Unlimited()
    )
    yield
    server.close()
    await live.drain(5)


@pytest.fixture
def greeting() -> str:
    return "Hello there, caller."


@pytest.fixture
async def agent(models_folder, greeting):
    from tests.fakes.agent import agent_on_fakes

    async with agent_on_fakes(models_folder) as agent:
        agent.ai = replace(agent.ai, greeting=greeting)
        agent.recogniser.texts = ["What are your opening hours?"]
        agent.provider.answers = ["We are open from nine."]
        yield agent


@pytest.mark.parametrize("number", [BY_DIAL, BY_APPLICATION, WIDE])
async def test_greets_hears_and_answers(asterisk, agent, talking, phone, number):
    async with await phone().dial(asterisk.uri(number)) as line:
        await line.hear_sound(within=5)
        await eventually(lambda: len(agent.records.turns) == 1)
        await line.play(QUESTION)
        await eventually(lambda: len(agent.records.turns) == 3)
    await eventually(lambda: agent.records.ends)
    assert [text for _, text in agent.records.said] == [
        "Hello there, caller.",
        "What are your opening hours?",
        "We are open from nine.",
    ]
    assert 1.5 < agent.recogniser.heard[0] < 2.4
    assert agent.records.ends[0].reason is EndReason.CALLER_HUNG_UP
    assert agent.records.calls[0].codec == ("slin16" if number == WIDE else "slin")
    greeting, answer = talks(line.recording().agent)
    assert 0.25 < greeting.end - greeting.begin < 0.45
    assert 0.4 < answer.end - answer.begin < 0.65
    assert strength(line.recording().agent, 440) > 0.9
    await eventually(lambda: asterisk.channels() == 0)


@pytest.mark.parametrize("greeting", [LONG])
@pytest.mark.alone
async def test_the_caller_hears_an_even_stream(asterisk, agent, talking, phone):
    """Nobody but us paces it: no frame is lost, none comes long before its time."""
    async with await phone().dial(asterisk.uri(BY_DIAL)) as line:
        await line.hear_sound(within=5)
        await eventually(lambda: agent.records.turns, within=15)
    (talk,) = talks(line.recording().agent)
    assert 7.9 < talk.end - talk.begin < 8.3
    stamps = [packet.timestamp for packet in line.heard]
    assert stamps == list(range(stamps[0], stamps[0] + 160 * len(stamps), 160))


@pytest.mark.parametrize("greeting", [LONG])
async def test_an_interruption_silences_the_line(asterisk, agent, talking, phone):
    async with await phone().dial(asterisk.uri(BY_DIAL)) as line:
        await line.hear_sound(within=5)
        await asyncio.sleep(1)
        started = line.now
        await line.play(QUESTION)
        stopped = max(p.at for p in line.heard if p.loud and p.at < line.now)
        print(f"\nvoice onset to last sound: {(stopped - started) * 1000:.0f} ms")
        assert stopped - started < len(QUESTION) / 8000 - 0.2
    await eventually(lambda: agent.records.ends)
    assert agent.records.turns[0].interrupted


async def test_the_operator_hangs_up(asterisk, agent, talking, live, phone):
    async with await phone().dial(asterisk.uri(BY_DIAL)) as line:
        await line.hear_sound(within=5)
        await asyncio.sleep(1.1)  # a call of no second goes to the fallback
        (session,) = live
        live.end(session.call.id)
        ending = await line.ended()
    assert ending.hung_up_by is Side.CALLED
    assert "cause=16" in ending.reason
    await eventually(lambda: agent.records.ends)
    assert agent.records.ends[0].reason is EndReason.OPERATOR_HUNG_UP
    await eventually(lambda: asterisk.channels() == 0)


async def test_keys_arrive(asterisk, agent, talking, phone, monkeypatch):
    keys = []
    monkeypatch.setattr(
        "agent.conversation.pipeline.Conversation.key", lambda _, key: keys.append(key)
    )
    async with await phone().dial(asterisk.uri(BY_DIAL)) as line:
        await line.hear_sound(within=5)
        await line.press("15*#")
        await eventually(lambda: len(keys) >= 4)
    assert keys == ["1", "5", "*", "#"]


async def test_the_recording_bears_the_calls_id(asterisk, agent, talking, phone):
    async with await phone().dial(asterisk.uri(BY_DIAL)) as line:
        await line.hear_sound(within=5)
        await eventually(lambda: len(agent.records.turns) == 1)
    (call,) = agent.records.calls
    await eventually(lambda: (asterisk.spool / f"{call.id}.job").exists())
    assert strength(asterisk.track(call.id, "-assistant"), 440) > 0.9


@pytest.mark.parametrize("number", [BY_DIAL, BY_APPLICATION])
async def test_without_an_agent_the_caller_hears_a_prompt(
    asterisk, port, phone, number
):
    async with await phone().dial(asterisk.uri(number)) as line:
        await line.hear_sound(within=5)
        ending = await line.ended(within=15)
    assert "cause=41" in ending.reason


async def test_a_full_agent_is_not_dead_air(asterisk, talking, live, phone):
    live.limit = 0
    async with await phone().dial(asterisk.uri(BY_DIAL)) as line:
        await line.hear_sound(within=5)
        ending = await line.ended(within=15)
    assert "cause=41" in ending.reason
