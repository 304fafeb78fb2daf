"""Whole calls over AudioSocket, on a real TCP connection: the caller's side is ours."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from agent.calls.ai import AIs
from agent.calls.call import Call, Direction, EndReason
from agent.media.audio import DECODE
from agent.session import LiveCalls
from agent.storage.directory import Directory
from agent.web.audiosocket import listen
from agent.web.config import AudioSocketConfig
from agent.wire import audiosocket as wire

QUESTION = DECODE["ulaw"](
    (Path(__file__).parents[1] / "data" / "question.ulaw").read_bytes()
)
FRAME = 320


class Caller:
    """Speaks a frame every 20 ms, as app_audiosocket does, and listens."""

    def __init__(self, reader, writer, call_id: UUID) -> None:
        self.heard: list[bytes] = []
        self.over = asyncio.Event()
        self.said_goodbye = False
        self._reader, self._writer = reader, writer
        self._to_say = b""
        writer.write(b"\x01\x00\x10" + call_id.bytes)

    async def speak(self):
        while True:
            frame, self._to_say = self._to_say[:FRAME], self._to_say[FRAME:]
            self._writer.write(wire.sound(frame.ljust(FRAME, b"\0"), 8000))
            await asyncio.sleep(0.02)

    async def listen(self):
        messages = wire.Messages()
        while received := await self._reader.read(4096):
            for message in messages.feed(received):
                if isinstance(message, wire.Sound):
                    self.heard.append(message.pcm)
                self.said_goodbye |= message == wire.HungUp()
        self.over.set()

    def say(self, pcm: bytes) -> None:
        self._to_say += pcm

    @property
    def seconds_heard(self) -> float:
        return sum(any(frame) for frame in self.heard) / 50


@pytest.fixture
def live():
    return LiveCalls(2)


class Budgets:
    """Nobody has one, or all is spent."""

    def __init__(self) -> None:
        self.gone = False

    def spent(self, customer, ai, now) -> bool:
        assert (customer, ai.name) == ("default", "desk")
        return self.gone


@pytest.fixture
def budgets() -> Budgets:
    return Budgets()


@pytest.fixture
def greeting() -> str:
    return "Hello there, caller."


@pytest.fixture
async def port(agent, live, greeting, budgets) -> AsyncIterator[int]:
    ais = AIs("desk", {"desk": replace(agent.ai, greeting=greeting)})
    server = await listen(
        AudioSocketConfig(), Directory(ais), live, agent.parts, budgets
    )
    yield server.sockets[0].getsockname()[1]
    server.close()
    await live.drain(5)


@asynccontextmanager
async def calling(port: int, call_id: UUID | None = None) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    caller = Caller(reader, writer, call_id or uuid4())
    tasks = [asyncio.create_task(caller.listen()), asyncio.create_task(caller.speak())]
    try:
        async with asyncio.timeout(15):
            yield caller
    finally:
        for task in tasks:
            task.cancel()
        writer.close()


async def until(condition):
    async with asyncio.timeout(8):
        while not condition():
            await asyncio.sleep(0.01)


async def test_greets_hears_answers_and_the_caller_hangs_up(agent, port, live):
    agent.recogniser.texts = ["What are your opening hours?"]
    agent.provider.answers = ["We are open from nine."]
    call_id = uuid4()
    async with calling(port, call_id) as caller:
        await until(lambda: len(agent.records.turns) == 1)
        assert caller.seconds_heard == pytest.approx(0.3, abs=0.05)
        caller.say(QUESTION)
        await until(lambda: len(agent.records.turns) == 3)
    await until(lambda: agent.records.ends)
    assert agent.records.said == [
        ("agent", "Hello there, caller."),
        ("caller", "What are your opening hours?"),
        ("agent", "We are open from nine."),
    ]
    assert agent.records.ends[0].reason is EndReason.CALLER_HUNG_UP
    assert agent.records.calls[0].id == str(call_id)
    assert agent.records.calls[0].codec == "slin"
    await until(lambda: len(live) == 0)


@pytest.mark.parametrize("greeting", [" ".join(["word"] * 60)])
async def test_an_interruption_silences_the_line(agent, port, greeting):
    agent.recogniser.texts = ["Stop."]
    async with calling(port) as caller:
        await until(lambda: caller.seconds_heard > 0.5)
        caller.say(QUESTION)
        await until(lambda: agent.records.turns)
    greeted = agent.records.turns[0]
    assert greeted.interrupted
    assert greeting.startswith(greeted.text)
    assert len(greeted.text.split()) < 30


async def test_the_operator_hangs_up(agent, port, live):
    async with calling(port) as caller:
        await until(lambda: caller.seconds_heard > 0.1)
        (session,) = live
        live.end(session.call.id)
        await caller.over.wait()
        assert caller.said_goodbye
    assert agent.records.ends[0].reason is EndReason.OPERATOR_HUNG_UP


async def test_a_rate_that_we_do_not_speak(agent, port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"\x01\x00\x10" + uuid4().bytes + wire.sound(bytes(960), 24000))
    async with asyncio.timeout(5):
        await reader.read()
    writer.close()
    assert agent.records.ends[0].reason is EndReason.UNSUPPORTED_FORMAT
    assert "slin24" in agent.records.ends[0].detail


class Up:
    """A call that is up already."""

    def __init__(self, call_id: UUID) -> None:
        self.call = Call(
            str(call_id), "", "", Direction.INBOUND, "desk", datetime.now(UTC)
        )

    def end(self, reason: EndReason) -> None: ...


async def refused(port: int, hello: bytes) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(hello)
    async with asyncio.timeout(5):
        await reader.read()
    writer.close()
    return True


async def test_a_call_that_is_up_already(agent, port, live):
    up = Up(uuid4())
    live.add(up)
    assert await refused(port, b"\x01\x00\x10" + UUID(up.call.id).bytes)
    live.remove(up)
    assert agent.records.calls == []


async def test_full(agent, port, live):
    live.limit = 0
    assert await refused(port, b"\x01\x00\x10" + uuid4().bytes)
    assert agent.records.calls == []


async def test_nothing_left_to_spend(agent, port, budgets):
    budgets.gone = True
    assert await refused(port, b"\x01\x00\x10" + uuid4().bytes)
    assert agent.records.calls == []


@pytest.mark.parametrize("hello", [b"\x16\x00\x02\x01\x00", b"\x00\x00\x00"])
async def test_what_is_no_call(agent, port, live, hello):
    assert await refused(port, hello)
    assert agent.records.calls == []
    assert len(live) == 0
