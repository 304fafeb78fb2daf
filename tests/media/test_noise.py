"""The client against a service on loopback that does what the test says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from websockets.asyncio.server import serve

from agent.media import noise
from agent.media.config import NoiseServiceConfig
from agent.media.noise import InProcess, NoiseService
from agent.observe import metrics

FRAMES = [bytes([number]) * 320 for number in range(1, 11)]


def turned(pcm: bytes) -> bytes:
    return bytes(255 - byte for byte in pcm)


class Service:
    def __init__(self):
        self.paths, self.heard = [], []
        self.answer = turned
        """None: says nothing."""

    async def serve(self, socket):
        self.paths.append(socket.request.path)
        async for frame in socket:
            self.heard.append(frame)
            answer = self.answer(frame)
            if answer is not None:
                await socket.send(answer)

    @asynccontextmanager
    async def listening(self, port=0) -> AsyncIterator[int]:
        async with serve(self.serve, "127.0.0.1", port, compression=None) as server:
            yield server.sockets[0].getsockname()[1]


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(noise, "RETRY", 0.05)


@pytest.fixture
def unhurried(monkeypatch):
    """A busy machine must not decide what is late, unless that is the question."""
    monkeypatch.setattr(noise, "DEADLINE", 5.0)


@pytest.fixture
async def service():
    return Service()


@pytest.fixture
async def port(service):
    async with service.listening() as port:
        yield port


@asynccontextmanager
async def call(port, rate=8000):
    taken = []
    calls = NoiseService(NoiseServiceConfig(f"ws://127.0.0.1:{port}"))
    stream = calls.stream(rate, taken.append)
    yield stream, taken
    stream.close()


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


def fallbacks(reason):
    return metrics.noise_fallbacks.labels(reason)._value.get()


async def test_frames_come_cleaned_and_in_order(service, port, unhurried):
    async with call(port, 16000) as (stream, taken):
        await until(lambda: stream._socket)
        for frame in FRAMES:
            stream.hear(frame)
        await until(lambda: len(taken) == len(FRAMES))
    assert taken == [turned(frame) for frame in FRAMES]
    assert service.paths == ["/?rate=16000"]


async def test_until_it_is_connected_sound_is_raw(port, unhurried):
    async with call(port) as (stream, taken):
        stream.hear(FRAMES[0])
        assert taken == [FRAMES[0]]


async def test_a_service_that_is_down():
    before = fallbacks("down")
    async with Service().listening() as port:
        pass
    async with call(port) as (stream, taken):
        await until(lambda: fallbacks("down") > before)
        stream.hear(FRAMES[0])
        assert taken == [FRAMES[0]]


async def test_late_is_raw_at_once_and_for_a_while(service, port, monkeypatch):
    monkeypatch.setattr(noise, "RETRY", 60.0)
    service.answer = lambda frame: None
    before = fallbacks("late")
    async with call(port) as (stream, taken):
        await until(lambda: stream._socket)
        stream.hear(FRAMES[0])
        stream.hear(FRAMES[1])
        assert taken == []
        await until(lambda: taken)
        assert taken == FRAMES[:2]
        stream.hear(FRAMES[2])
        assert taken == FRAMES[:3]
    assert fallbacks("late") == before + 1


async def test_a_service_that_dies_in_mid_call_and_comes_back(service, port, unhurried):
    service.answer = lambda frame: None
    async with call(port) as (stream, taken):
        await until(lambda: stream._socket)
        stream.hear(FRAMES[0])
        await until(lambda: service.heard)
        stream._socket.transport.abort()
        await until(lambda: taken)
        assert taken == [FRAMES[0]]
        service.answer = turned
        await until(lambda: stream._socket)
        stream.hear(FRAMES[1])
        await until(lambda: len(taken) == 2)
        assert taken[1] == turned(FRAMES[1])


@pytest.mark.parametrize("answer", [lambda _: b"short", lambda _: "text"])
async def test_an_answer_that_is_no_frame(service, port, answer, unhurried):
    service.answer = answer
    async with call(port) as (stream, taken):
        await until(lambda: stream._socket)
        stream.hear(FRAMES[0])
        await until(lambda: taken)
        assert taken == [FRAMES[0]]


async def test_an_outage_is_logged_once(service, unhurried):
    from loguru import logger

    lines = []
    sink = logger.add(lambda line: lines.append(str(line)), level="INFO")
    try:
        async with service.listening() as port:
            pass
        calls = NoiseService(NoiseServiceConfig(f"ws://127.0.0.1:{port}"))
        before = fallbacks("down")
        taken = []
        streams = [calls.stream(8000, taken.append) for _ in range(3)]
        await until(lambda: fallbacks("down") >= before + 6)
        async with service.listening(port):
            await until(lambda: all(stream._socket for stream in streams))
            streams[0].hear(FRAMES[0])
            await until(lambda: taken)
            for stream in streams:
                stream.close()
    finally:
        logger.remove(sink)
    said = [line for line in lines if "[NC]" in line]
    assert len(said) == 2, said
    assert "hears the noise, too" in said[0]
    assert "is back" in said[1]


async def test_a_closed_stream_says_nothing_more(service, port, unhurried):
    async with call(port) as (stream, taken):
        await until(lambda: stream._socket)
        stream.hear(FRAMES[0])
    await until(lambda: stream._running.done())
    assert taken == []


def test_in_process():
    class Model:
        def stream(self, rate):
            self.rate = rate
            return self

        def clean(self, pcm):
            return turned(pcm)

    taken, model = [], Model()
    stream = InProcess(model, 16000, taken.append)
    stream.hear(FRAMES[0])
    stream.close()
    assert (taken, model.rate) == ([turned(FRAMES[0])], 16000)


@pytest.mark.models
@pytest.mark.parametrize(("wanted", "filtered"), [("service", True), ("off", False)])
async def test_the_ai_decides(agent, wanted, filtered):
    from tests.fakes.asterisk import FakeAsterisk
    from tests.test_call import Scene

    frames = []

    class Counting:
        def __init__(self, rate, take):
            self._take = take

        def hear(self, pcm):
            frames.append(pcm)
            self._take(pcm)

        def close(self): ...

    agent.parts = replace(agent.parts, noise={"service": Counting})
    agent.ai = replace(agent.ai, noise=wanted)
    asterisk = FakeAsterisk()
    async with Scene(agent, asterisk) as scene:
        asterisk.start()
        await scene.said(1)
    assert bool(frames) is filtered
