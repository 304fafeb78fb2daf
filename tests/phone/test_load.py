"""The load against a small server of the websockets library: another's reading of the
protocol than its own."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from agent.phone.line import CallFailed
from agent.phone.load import Load, LoadConfig, Measured, percentile
from agent.wire.events import MediaStart, Status, parse

Answer = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def agent(answer: Answer):
    async with serve(
        answer, "127.0.0.1", 0, compression=None, subprotocols=["media"]
    ) as server:
        port = server.sockets[0].getsockname()[1]
        yield LoadConfig(f"ws://127.0.0.1:{port}/telephony/ws", password="secret")


async def load(config: LoadConfig, calls: int, seconds: float = 0.2) -> Measured:
    def run() -> Measured:
        with Load(config, calls) as load:
            load.feed(0.2)
            load.feed(seconds, measuring=True)
            load.feed(0.2)
            return load.measured()

    return await asyncio.to_thread(run)


async def test_frames_that_come_back_are_counted():
    starts, paths = [], []

    async def echo(socket):
        paths.append(socket.request.path)
        assert socket.request.headers["Authorization"].startswith("Basic ")
        starts.append(parse(await socket.recv()))
        async for message in socket:
            await socket.send(message)

    async with agent(echo) as config:
        came = await load(config, 3)
    assert (came.expected, came.returned, came.lost) == (30, 30, 0)
    assert (came.crossed, came.silent, came.closed) == (0, 0, 0)
    assert len(came.delays) == 30 and came.delays[0] > 0
    assert all(isinstance(start, MediaStart) for start in starts)
    assert {start.format for start in starts} == {"ulaw"}
    assert all("call_id=load-" in path and "from=15550100" in path for path in paths)


async def test_several_frames_in_a_message_and_odd_pieces_of_messages():
    async def echo_in_twos(socket):
        await socket.recv()
        async for first in socket:
            await socket.send(first + await socket.recv())
            await socket.send(b"\xff" * 1600)

    async with agent(echo_in_twos) as config:
        came = await load(config, 2)
    assert came.lost == 0
    assert came.silent > 0 and came.silent % 10 == 0


async def test_what_is_lost_and_what_is_crossed():
    heard = []

    async def mix_up(socket):
        await socket.recv()
        async for message in socket:
            heard.append(message)
            if heard[0][:2] != message[:2]:
                await socket.send(heard[0])

    async with agent(mix_up) as config:
        came = await load(config, 2)
    assert came.returned == 0 and came.lost == came.expected == 20
    assert came.crossed > 0
    assert came.delay(99) == float("inf")


async def test_a_mark_is_answered_when_what_came_before_it_was_played():
    told = []

    async def ask(socket):
        await socket.recv()
        await socket.send(b"\xf0" * 160 * 4)
        await socket.send(json.dumps({"command": "MARK_MEDIA", "correlation_id": "a"}))
        await socket.send(json.dumps({"command": "GET_STATUS"}))
        frames = 0
        async for message in socket:
            if isinstance(message, bytes):
                frames += 1
            else:
                told.append((parse(message), frames))

    async with agent(ask) as config:
        came = await load(config, 1)
    (status, _), (mark, ticks) = told
    assert isinstance(status, Status) and 1 <= status.queue_length <= 4
    assert mark.mark == "a" and ticks >= 3
    assert came.said == {"Mark": 1, "GetStatus": 1}
    assert came.waiting == 0


async def test_a_flush_takes_marks_away_and_a_pause_holds_the_queue():
    told = []

    async def flush(socket):
        await socket.recv()
        for command in ("PAUSE_MEDIA", "MARK_MEDIA", "FLUSH_MEDIA", "PAUSE_MEDIA"):
            await socket.send(json.dumps({"command": command, "correlation_id": "a"}))
        await socket.send(b"\xf0" * 160 * 4)
        async for message in socket:
            if isinstance(message, str):
                told.append(message)

    async with agent(flush) as config:
        came = await load(config, 1)
    assert told == []
    assert came.waiting == 4


@pytest.mark.parametrize("how", ["closes", "hangs up"])
async def test_an_agent_that_ends_the_call_is_noticed(how):
    async def end(socket):
        await socket.recv()
        if how == "closes":
            return
        await socket.send(json.dumps({"command": "HANGUP"}))
        await socket.wait_closed()

    async with agent(end) as config:
        came = await load(config, 2)
    assert came.closed == 2
    assert came.lost == came.expected


async def test_a_refusal_says_why():
    refuse = serve(
        lambda socket: socket.wait_closed(),
        "127.0.0.1",
        0,
        process_request=lambda socket, request: socket.respond(503, "full"),
    )
    async with refuse as server:
        port = server.sockets[0].getsockname()[1]
        config = LoadConfig(f"ws://127.0.0.1:{port}/telephony/ws")
        with pytest.raises(CallFailed, match="call 1 was not taken: HTTP/1.1 503"):
            await load(config, 2)


async def test_nobody_there():
    with pytest.raises(CallFailed, match="no answer from ws://127.0.0.1:1/"):
        await load(LoadConfig("ws://127.0.0.1:1/"), 1)


@pytest.mark.parametrize("calls", [0, -1, 1024])
def test_how_many_calls_there_can_be(calls):
    with pytest.raises(ValueError, match=f"{calls} calls, expected 1 to 1023"):
        Load(LoadConfig("ws://127.0.0.1:1/"), calls)


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 1), (50, 6), (99, 10), (99.9, 10), (100, 10)]
)
def test_percentile(percent, value):
    assert percentile(range(1, 11), percent) == value
