"""The phone against a websocket server that the test holds in its hand."""

import asyncio
import base64
from collections.abc import Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
from websockets.asyncio.server import serve

from agent.phone.line import CallFailed, CallOver, Side
from agent.phone.ulaw import FRAME, from_pcm
from agent.phone.websocket import WebSocketConfig, WebSocketPhone
from agent.wire.commands import Hangup, Mark, encode
from agent.wire.events import Dtmf, MarkReached, MediaStart, parse

LOUD = from_pcm(b"\x00\x20\x00\xe0" * (FRAME // 2))
QUIET = b"\xff" * FRAME


@asynccontextmanager
async def agent(take_call: Callable, check=None):
    """The URL of an agent that does this with every call."""
    async with serve(
        take_call, "127.0.0.1", 0, subprotocols=["media"], process_request=check
    ) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}/telephony/ws"


async def test_both_sides_are_heard():
    requests, heard = [], []

    async def echo(socket):
        requests.append(socket.request)
        async for message in socket:
            heard.append(message)
            if isinstance(message, bytes):
                await socket.send(message)

    phone = WebSocketPhone(
        WebSocketConfig(password="secret", caller="+1555", called="22", ai="desk")
    )
    async with agent(echo) as url, await phone.dial(url, call_id="c1") as line:
        await line.play(LOUD * 5)
        began = await line.hear_sound(within=5)
        assert await line.hear_silence(0.06, within=5) >= began
    (request,) = requests
    assert request.path == "/telephony/ws?call_id=c1&from=%2B1555&to=22&ai=desk"
    login = base64.b64encode(b"asterisk:secret").decode()
    assert request.headers["Authorization"] == f"Basic {login}"
    assert request.headers["Sec-WebSocket-Protocol"] == "media"
    start = parse(heard[0])
    assert isinstance(start, MediaStart)
    assert (start.format, start.frame_size) == ("ulaw", FRAME)
    assert LOUD in heard
    assert line.recording().agent.strip(b"\0")
    assert len(line.recording().caller) % (2 * FRAME) == 0


@pytest.mark.parametrize("dialect", ["json", "plain-text"])
async def test_marks_and_keys_and_the_agent_hangs_up(dialect):
    events = []

    async def take_call(socket):
        await socket.recv()
        await socket.send(LOUD * 3)
        await socket.send(encode(Mark("m"), dialect))
        async for message in socket:
            if isinstance(message, bytes):
                continue
            events.append(parse(message))
            if events[-1] == Dtmf("#"):
                await socket.send(encode(Hangup(), dialect))

    phone = WebSocketPhone(WebSocketConfig(dialect=dialect))
    async with agent(take_call) as url, await phone.dial(url) as line:
        await line.press("5")
        with pytest.raises(CallOver, match="HANGUP"):
            await line.press("#")
            await line.hear_sound(within=5)
        ending = await line.ended()
    assert (ending.hung_up_by, ending.reason) == (Side.CALLED, "HANGUP")
    assert events == [MarkReached("m"), Dtmf("5"), Dtmf("#")]
    assert [packet.ulaw for packet in line.heard] == [LOUD] * 3
    assert [packet.marker for packet in line.heard] == [True, False, False]


async def test_the_caller_hangs_up():
    closed = asyncio.Event()

    async def take_call(socket):
        await socket.wait_closed()
        assert socket.close_code == 1000
        closed.set()

    async with agent(take_call) as url:
        async with await WebSocketPhone(WebSocketConfig()).dial(url) as line:
            ending = await line.hang_up()
        await asyncio.wait_for(closed.wait(), 5)
    assert ending.hung_up_by is Side.CALLER


async def test_the_agent_closes():
    async def take_call(socket):
        await socket.close(1011, "out of ideas")

    async with agent(take_call) as url:
        async with await WebSocketPhone(WebSocketConfig()).dial(url) as line:
            ending = await line.ended()
    assert ending.hung_up_by is Side.CALLED
    assert ending.reason == "closed with 1011 out of ideas"


async def test_what_does_not_come_is_an_error():
    async def take_call(socket):
        await socket.wait_closed()

    async with agent(take_call) as url:
        async with await WebSocketPhone(WebSocketConfig()).dial(url) as line:
            with pytest.raises(TimeoutError, match=r"nothing was heard within 0.05 s"):
                await line.hear_sound(within=0.05)
            with pytest.raises(TimeoutError):
                await line.ended(within=0.05)


async def test_a_refusal_has_a_status():
    def check(socket, request):
        return socket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "full")

    async with agent(lambda socket: None, check) as url:
        with pytest.raises(CallFailed, match="503 .*full") as failed:
            await WebSocketPhone(WebSocketConfig()).dial(url)
    assert failed.value.status == 503


async def test_nobody_there():
    with pytest.raises(CallFailed, match="no answer from ws://127.0.0.1:9/") as failed:
        await WebSocketPhone(WebSocketConfig()).dial("ws://127.0.0.1:9/telephony/ws")
    assert failed.value.status == 0
