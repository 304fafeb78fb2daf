"""RFC 6455, as far as Asterisk leans on it or a broken peer can hurt others."""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from dataclasses import replace

from agent.phone.rawsocket import Frame, Opcode, Wire, frame

from .case import FIRST_WORD, Case, Failed, Skipped, Target, expect

GREATEST = 65_500
"""Bytes: Asterisk 22.10 ends the call from 65,532 on, with its header."""


async def _closed(wire: Wire, target: Target, within: float = 5.0) -> str:
    await wire.until(lambda: wire.over, target.limit(within))
    expect(wire.over, f"still open after {target.limit(within):g} s")
    return f"closed with {wire.close_code}"


def _ends(raw: bytes) -> Callable[[Target], Awaitable[str]]:
    """In the midst of a call these bytes end it, and only it."""

    async def run(target: Target) -> str:
        async with target.call() as call:
            await call.alive(target.limit(2))
            call.muted = True
            call.wire.write(raw)
            said = await _closed(call.wire, target)
        await target.serves()
        return said

    return run


def _stands(*raws: bytes) -> Callable[[Target], Awaitable[str]]:
    """These writes, each by itself, are within the rules: the call goes on."""

    async def run(target: Target) -> str:
        async with target.call() as call:
            call.muted = True
            for raw in raws:
                call.wire.write(raw)
                await asyncio.sleep(0.005)
            await call.alive(target.limit(3))
        return "the call goes on"

    return run


async def _pongs(target: Target) -> str:
    async with target.call() as call:
        for payload in (b"", b"x", bytes(125)):
            call.wire.write(frame(Opcode.PING, payload))

            def answered(payload: bytes = payload) -> bool:
                return any(
                    one.opcode == Opcode.PONG and one.payload == payload
                    for one in call.wire.frames
                )

            expect(
                await call.wire.until(answered, target.limit(1)),
                f"no pong to a ping of {len(payload)} bytes in {target.limit(1):g} s",
            )
    return "0, 1 and 125 bytes"


async def _ping_flood(target: Target) -> str:
    async with target.call() as call:
        for _ in range(50):
            call.wire.write(frame(Opcode.PING, b"flood") * 20)
            await asyncio.sleep(0.02)
        await call.alive(target.limit(5))
    return "1,000 in a second"


async def _in_pieces(target: Target) -> str:
    async with target.call(started=False) as call:
        text = (call.mirror.event(call.introduction) or "").encode()
        half = len(text) // 2
        call.wire.write(frame(Opcode.TEXT, text[:half], fin=False))
        call.wire.write(frame(Opcode.PING, b"between"))
        call.wire.write(frame(Opcode.CONTINUATION, text[half:]))
        call.run_clock()
        await asyncio.sleep(0.1)
        await call.alive(target.limit(2))
        if target.speaks:
            await call.speech(target.limit(FIRST_WORD))
    return "taken"


async def _goodbye(target: Target) -> str:
    async with target.call() as call:
        await call.alive(target.limit(2))
        call.wire.write(frame(Opcode.CLOSE, struct.pack("!H", 1000)))
        await call.wire.until(call.wire.closed.is_set, target.limit(2))
        expect(call.wire.closed.is_set(), "TCP is still open 2 s after close")
        expect(call.wire.close_code is not None, "closed without a close frame")
        return f"answered with {call.wire.close_code}"


async def _after_goodbye(target: Target) -> str:
    """What is sent behind a close frame cannot be read by the other side."""
    async with target.call() as call:
        if target.speaks:
            await call.speech(target.limit(FIRST_WORD))
        call.wire.write(frame(Opcode.CLOSE, struct.pack("!H", 1000)))
        await call.wire.until(call.wire.closed.is_set, target.limit(2))
        frames = call.wire.frames
        expect(call.wire.close_frame in frames, "closed without a close frame")
        behind = len(frames) - 1 - frames.index(call.wire.close_frame)  # type: ignore[arg-type]
        expect(behind == 0, f"{behind} frames behind the close frame")
    return "nothing"


async def _ends_by_itself(target: Target) -> str:
    """It is made to end a call, by a format that nobody speaks."""
    async with target.call(started=False) as call:
        introduction = replace(call.introduction, format="no-such-codec")
        call.wire.send(call.mirror.event(introduction) or "")
        if not await call.wire.until(lambda: call.wire.over, target.limit(5)):
            raise Skipped("the server did not end the call")
        expect(not call.wire.aborted, "the connection was reset")
        code = call.wire.close_code
        expect(code is not None, "closed without a close frame")
        expect(code in _CODES, f"close code {code}, which must not be sent")
        await call.wire.until(call.wire.closed.is_set, target.limit(5))
        expect(call.wire.closed.is_set(), "TCP is still open 5 s after close")
    return f"close code {code}"


_CODES = {1000, 1001, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014}


def _seen(check: Callable[[Frame], str]) -> Callable[[Target], Awaitable[str]]:
    """Of every frame in the call that was only watched; `check` says what is wrong."""

    async def run(target: Target) -> str:
        assert target.watched is not None
        frames = target.watched.wire.frames
        for one in frames:
            if wrong := check(one):
                raise Failed(wrong)
        return f"{len(frames)} frames"

    return run


def _fragment(one: Frame) -> str:
    whole = one.fin and one.opcode != Opcode.CONTINUATION
    return "" if whole else f"a fragment of {len(one.payload)} bytes"


def _too_long(one: Frame) -> str:
    size = len(one.payload)
    return f"{size} bytes in a frame" if size > GREATEST else ""


def _long(one: Frame) -> str:
    size = len(one.payload)
    return f"{size} bytes in a frame" if size > 16_384 else ""


def _masked(one: Frame) -> str:
    return "a masked frame" if one.masked else ""


def _reserved(one: Frame) -> str:
    return f"reserved bits {one.reserved:03b}" if one.reserved else ""


_ONLY_IT = "the call is lost, and no other may be"
_TEXT = b'{"event":"NEWS"}'
_SLOW = frame(Opcode.BINARY, b"\xff" * 160)

CASES = [
    Case(
        "frames: whole",
        "Asterisk ends the call at a fragment (asterisk#1941)",
        _seen(_fragment),
        speaks=True,
    ),
    Case(
        "frames: under 65,500 bytes",
        "Asterisk ends the call: Cannot fit huge websocket frame",
        _seen(_too_long),
        speaks=True,
    ),
    Case(
        "frames: 16 KB at most",
        "Asterisk reads a frame under the channel's lock",
        _seen(_long),
        "should",
        speaks=True,
    ),
    Case("frames: not masked", "RFC 6455, 5.1", _seen(_masked), speaks=True),
    Case("frames: reserved bits", "RFC 6455, 5.2", _seen(_reserved), speaks=True),
    Case("ping: answered", "proxies and Asterisk 22.11 ask (asterisk#1722)", _pongs),
    Case(
        "ping: flood",
        "1,000 in a second cost others nothing",
        _ping_flood,
        hostile=True,
    ),
    Case(
        "ping: 126 bytes",
        "RFC 6455, 5.5: control frames are short",
        _ends(frame(Opcode.PING, bytes(126))),
        hostile=True,
    ),
    Case(
        "ping: in fragments",
        "RFC 6455, 5.5: never",
        _ends(frame(Opcode.PING, b"x", fin=False)),
        hostile=True,
    ),
    Case(
        "pong: unasked",
        "RFC 6455, 5.5.3: a heartbeat",
        _stands(frame(Opcode.PONG), frame(Opcode.PONG, b"x" * 125)),
    ),
    Case(
        "fragments: the start, a ping between",
        "Asterisk sends none; a proxy may",
        _in_pieces,
        "should",
    ),
    Case(
        "fragments: audio",
        "Asterisk sends none; a proxy may",
        _stands(
            frame(Opcode.BINARY, b"\xff" * 80, fin=False),
            frame(Opcode.CONTINUATION, b"\xff" * 40, fin=False),
            frame(Opcode.CONTINUATION, b"\xff" * 40),
        ),
        "should",
    ),
    Case(
        "fragments: without a beginning",
        _ONLY_IT,
        _ends(frame(Opcode.CONTINUATION, b"x")),
        hostile=True,
    ),
    Case(
        "fragments: another message between",
        _ONLY_IT,
        _ends(frame(Opcode.BINARY, b"x", fin=False) + frame(Opcode.TEXT, _TEXT)),
        hostile=True,
    ),
    Case(
        "bytes: one at a time",
        "TCP promises no boundaries",
        _stands(*(_SLOW[at : at + 1] for at in range(len(_SLOW)))),
    ),
    Case("bytes: 100 frames at once", "a stall ends in a burst", _stands(_SLOW * 100)),
    Case(
        "bytes: frames cut anywhere",
        "TCP promises no boundaries",
        _stands(
            *((_SLOW * 20)[at : at + 333] for at in range(0, len(_SLOW) * 20, 333))
        ),
    ),
    Case(
        "frame: not masked",
        "RFC 6455, 5.1: the server must close",
        _ends(frame(Opcode.TEXT, _TEXT, masked=False)),
        hostile=True,
    ),
    Case(
        "frame: audio, not masked",
        "RFC 6455, 5.1: the server must close",
        _ends(frame(Opcode.BINARY, b"\xff" * 160, masked=False)),
        hostile=True,
    ),
    Case("frame: opcode 3", _ONLY_IT, _ends(frame(3, b"x")), hostile=True),
    Case("frame: opcode 11", _ONLY_IT, _ends(frame(11, b"x")), hostile=True),
    Case(
        "frame: a reserved bit",
        "no extension was negotiated",
        _ends(frame(Opcode.BINARY, b"\xff" * 160, reserved=4)),
        hostile=True,
    ),
    Case(
        "frame: 2^62 bytes",
        "no room is to be made for what a peer only claims",
        _ends(frame(Opcode.BINARY, b"", says_bytes=2**62)),
        hostile=True,
    ),
    Case(
        "frame: bad UTF-8",
        "RFC 6455, 8.1: close with 1007",
        _ends(frame(Opcode.TEXT, b"MEDIA_\xff\xfe")),
        hostile=True,
    ),
    Case("frame: garbage", _ONLY_IT, _ends(b"\xff" * 64), hostile=True),
    Case("close: answered", "Asterisk waits for it", _goodbye),
    Case("close: nothing behind it", "RFC 6455, 5.5.1", _after_goodbye),
    Case(
        "close: without a code",
        "RFC 6455, 7.1.5",
        _ends(frame(Opcode.CLOSE)),
    ),
    Case(
        "close: half a code",
        _ONLY_IT,
        _ends(frame(Opcode.CLOSE, b"\x03")),
        hostile=True,
    ),
    Case(
        "close: code 999",
        _ONLY_IT,
        _ends(frame(Opcode.CLOSE, struct.pack("!H", 999))),
        hostile=True,
    ),
    Case(
        "close: by the server",
        "a clean end; Asterisk logs anything else as an error",
        _ends_by_itself,
        "should",
    ),
]
