"""What it writes, a real websocket library reads; what it reads, the same one wrote."""

import asyncio

import pytest
from websockets.asyncio.server import serve
from websockets.frames import Frame as TheirFrame
from websockets.frames import Opcode as TheirOpcode

from agent.phone.rawsocket import NoAnswer, Opcode, connect, frame, request


def parsed(raw: bytes) -> TheirFrame:
    """As the library sees it, from a client."""
    left = bytearray(raw)

    def read(size: int):
        piece = bytes(left[:size])
        del left[:size]
        return piece
        yield

    reading = TheirFrame.parse(read, mask=True)
    with pytest.raises(StopIteration) as done:
        next(reading)
    assert not left
    return done.value.value


@pytest.mark.parametrize("size", [0, 1, 125, 126, 160, 65_535, 65_536, 200_000])
def test_a_frame_of_any_length(size):
    payload = bytes(n % 251 for n in range(size))
    read = parsed(frame(Opcode.BINARY, payload))
    assert (read.opcode, bytes(read.data), read.fin) == (
        TheirOpcode.BINARY,
        payload,
        True,
    )


def test_rules_can_be_broken():
    assert frame(3, b"x", fin=False, reserved=5, masked=False) == b"\x53\x01x"
    assert frame(Opcode.PING, b"x", masked=False, says_bytes=9) == b"\x89\x09x"
    assert frame(Opcode.BINARY, masked=False, says_bytes=2**62)[:2] == b"\x82\x7f"


def test_the_request_is_that_of_asterisk():
    raw = request("ws://127.0.0.1:7860/telephony/ws?call_id=1", key="k==")
    assert raw.decode().splitlines() == [
        "GET /telephony/ws?call_id=1 HTTP/1.1",
        "Sec-WebSocket-Version: 13",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Host: 127.0.0.1:7860",
        "Sec-WebSocket-Protocol: media",
        "Sec-WebSocket-Key: k==",
        "",
    ]
    changed = request("ws://a", headers={"Upgrade": "", "Host": "b"}, protocols=())
    assert b"Upgrade: websocket" not in changed
    assert b"Host: b" in changed
    assert b"Protocol" not in changed


async def test_frames_are_kept_as_they_came():
    async def talk(ws):
        await ws.send(await ws.recv())
        await ws.send([b"in ", b"two"])
        await ws.ping(b"there?")
        await ws.close(1008)

    async with serve(talk, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"ws://127.0.0.1:{port}/"
        wire = await connect(url, 5)
        answer = await wire.shake_hands(url, protocols=())
        assert (answer.status, answer.accepts_key) == (101, True)
        wire.send("echo")
        assert await wire.until(wire.closed.is_set, 5)
        await wire.end()
    seen = [(one.opcode, one.payload, one.fin) for one in wire.frames]
    assert seen[0] == (Opcode.TEXT, b"echo", True)
    assert b"".join(payload for _, payload, _ in seen[1:-2]) == b"in two"
    assert [fin for _, _, fin in seen[1:-2]][0] is False
    assert (Opcode.PING, b"there?", True) in seen
    assert (wire.close_code, wire.over, wire.aborted) == (1008, True, False)


async def test_who_does_not_answer_is_said():
    async def silent(reader, writer):
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    wire = await connect(url, 5)
    with pytest.raises(NoAnswer, match="no answer to the handshake in 0.05 s"):
        await wire.shake_hands(url, within=0.05)
    await wire.end()
    server.close()
    await server.wait_closed()
    with pytest.raises(NoAnswer, match="no connection to 127.0.0.1:"):
        await connect(url, 5)
