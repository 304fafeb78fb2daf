"""The short way must mean what the long way means, byte for byte."""

import asyncio
import os
import struct

import pytest
import websockets
from fastapi import FastAPI, WebSocket
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.websockets import WebSocketDisconnect

from agent.web.media_protocol import EXTENSION, MediaProtocol
from tests.fakes.provider import Running


class Server:
    """Notes what comes: by the short way, and by the usual one."""

    def __init__(self) -> None:
        self.short: list[bytes] = []
        self.long: list[bytes | str] = []
        self.closed: int | None = None
        self.app = FastAPI()
        self.app.websocket("/")(self.serve)
        self.answer: list[bytes] = []
        self.listening = asyncio.Event()
        self.over = asyncio.Event()
        self.protocol: MediaProtocol | None = None
        self.may_hand_over: asyncio.Event | None = None

    async def serve(self, ws: WebSocket) -> None:
        await ws.accept()
        protocol = ws.scope["extensions"][EXTENSION]
        assert isinstance(protocol, MediaProtocol)
        self.protocol = protocol
        if self.may_hand_over is not None:
            await self.may_hand_over.wait()
        protocol.hand_over(self.short.append)
        self.listening.set()
        for payload in self.answer:
            protocol.send_audio(payload)
        try:
            while True:
                message = await ws.receive()
                if message["type"] == "websocket.disconnect":
                    self.closed = message.get("code")
                    self.over.set()
                    return
                self.long.append(message.get("bytes") or message.get("text"))
        except WebSocketDisconnect:
            pass


def frame(
    opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True
) -> bytes:
    mask = os.urandom(4)
    size = len(payload)
    first = (0x80 if fin else 0) | opcode
    flag = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", first, flag | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, flag | 126, size)
    else:
        head = struct.pack("!BBQ", first, flag | 127, size)
    if not masked:
        return head + payload
    body = bytes(b ^ mask[n % 4] for n, b in enumerate(payload))
    return head + mask + body


HELLO = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def talk(server: Server, pieces: list[bytes], expected: int) -> bytes:
    """Sends the pieces as they are, TCP segment by segment; what came back."""
    async with Running(server.app, ws=MediaProtocol, ws_max_size=1 << 20) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url[17:]))
        writer.write(HELLO)
        await reader.readuntil(b"\r\n\r\n")
        await server.listening.wait()
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        except ConnectionError:
            pass  # shown the door while it still talked
        async with asyncio.timeout(3):
            while (
                len(server.short) + len(server.long) < expected
                and server.closed is None
            ):
                await asyncio.sleep(0.002)
        await asyncio.sleep(0.01)
        came_back = b""
        try:
            async with asyncio.timeout(0.02):
                came_back = await reader.read(65536)
        except (TimeoutError, ConnectionError):
            pass
        writer.close()
        return came_back


AUDIO = [bytes([n]) * 160 for n in range(5)]


@pytest.mark.parametrize("step", [1, 2, 5, 7, 167, 168, 169, 500, 10_000])
async def test_however_tcp_cuts_it(step):
    server = Server()
    stream = b"".join(frame(2, payload) for payload in AUDIO)
    stream += frame(1, b"hello") + frame(2, b"\x09" * 160)
    pieces = [stream[at : at + step] for at in range(0, len(stream), step)]
    await talk(server, pieces, 7)
    assert server.long == ["hello"]
    assert server.short == [*AUDIO, b"\x09" * 160]


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 7, 8, 9, 100, 167])
async def test_half_a_frame_before_it_is_handed_over(cut):
    """TCP may cut where the endpoint has not asked for the short way yet."""
    server = Server()
    server.may_hand_over = asyncio.Event()
    stream = frame(2, AUDIO[1]) + frame(2, AUDIO[2])
    async with Running(server.app, ws=MediaProtocol) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url[17:]))
        writer.write(HELLO)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(stream[:cut])
        await writer.drain()
        await asyncio.sleep(0.005)
        server.may_hand_over.set()
        await server.listening.wait()
        writer.write(stream[cut:])
        async with asyncio.timeout(3):
            while len(server.short) < 2:
                await asyncio.sleep(0.001)
        writer.close()
    assert server.short == AUDIO[1:3]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 160, 4000, 65535])
async def test_all_sizes(size):
    server = Server()
    payload = os.urandom(size)
    await talk(server, [frame(2, payload)], 1)
    assert server.short == [payload]


async def test_a_longer_frame_and_all_after_it_go_the_long_way():
    server = Server()
    big = os.urandom(70_000)
    await talk(server, [frame(2, AUDIO[1]), frame(2, big), frame(2, AUDIO[2])], 3)
    assert server.short == [AUDIO[1]]
    assert server.long == [big, AUDIO[2]]


async def test_fragments_go_the_long_way():
    server = Server()
    pieces = [frame(2, b"ab", fin=False), frame(0, b"cd"), frame(2, AUDIO[3])]
    await talk(server, pieces, 2)
    assert server.long == [b"abcd"]
    assert server.short == [AUDIO[3]]


async def test_a_ping_is_answered():
    server = Server()
    came_back = await talk(server, [frame(9, b"hi"), frame(2, AUDIO[0])], 1)
    assert came_back == b"\x8a\x02hi"


@pytest.mark.parametrize(
    ("piece", "code"),
    [
        (frame(2, AUDIO[0], masked=False), 1002),
        (frame(3, b""), 1002),
        (frame(2, b"x" * 2_000_000), 1009),
        (b"\x82\xff" + b"\xff" * 8 + b"mask", 1009),
        (b"\xf2\x81maskx", 1002),
    ],
    ids=["unmasked", "reserved opcode", "too long", "absurdly long", "reserved bits"],
)
async def test_what_is_wrong_is_refused(piece, code):
    server = Server()
    came_back = await talk(server, [frame(2, AUDIO[1]), piece], 99)
    assert server.closed == code
    if came_back:  # else our own bytes, unread, have reset the connection
        assert struct.unpack("!H", came_back[2:4])[0] == code


@pytest.mark.parametrize(
    ("piece", "why"),
    [
        (frame(3, b""), "what came breaks the WebSocket protocol"),
        (frame(1, b"\xff"), "a text came that is not UTF-8"),
        (frame(2, b"x" * 2_000_000), "longer than 1048576 bytes"),
        (frame(8, struct.pack("!H", 1003) + b"no"), "closed it with 1003 no"),
        (frame(8, struct.pack("!H", 1000)), ""),
        (frame(8, struct.pack("!H", 1001)), ""),
        (frame(8, b""), ""),
        (b"", "it broke off without a close"),
    ],
    ids=["opcode", "UTF-8", "long", "not taken", "well", "away", "no status", "gone"],
)
async def test_why_it_is_over_is_known(piece, why):
    server = Server()
    await talk(server, [frame(2, AUDIO[1]), piece, frame(2, AUDIO[1])], 2)
    async with asyncio.timeout(5):
        await server.over.wait()
    assert server.protocol is not None
    assert why in server.protocol.broken
    assert bool(why) is bool(server.protocol.broken)


async def test_pings_are_counted():
    server = Server()
    await talk(server, [frame(9, b"hi")] * 7 + [frame(2, AUDIO[0])], 1)
    assert server.protocol is not None
    assert server.protocol.pings == 7


async def test_what_is_sent_arrives_whole():
    server = Server()
    server.answer = [b"", b"a", b"b" * 125, b"c" * 126, b"d" * 16_000]
    async with Running(server.app, ws=MediaProtocol) as url:
        async with websockets.connect(url.replace("http", "ws")) as ws:
            assert [await ws.recv() for _ in server.answer] == server.answer


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=300)), max_size=8),
    st.integers(1, 400),
)
def test_any_mix_in_any_pieces(messages, step):
    server = Server()
    stream = b"".join(
        frame(kind, b"t" * len(data) if kind == 1 else data) for kind, data in messages
    )
    pieces = [stream[at : at + step] for at in range(0, len(stream), step)]
    asyncio.run(talk(server, pieces, len(messages)))
    texts = [m for m in server.long if isinstance(m, str)]
    assert texts == ["t" * len(data) for kind, data in messages if kind == 1]
