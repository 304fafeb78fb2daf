"""Nobody's Asterisk: garbage, floods, stalls. One call may be lost, no other hurt."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable

from agent.phone.rawsocket import Opcode, frame

from .case import FIRST_WORD, Case, Target, expect


def _survives(
    *messages: bytes | str, plain: bool = False
) -> Callable[[Target], Awaitable[str]]:
    """Is said in mid-call; the call goes on."""

    async def run(target: Target) -> str:
        async with target.call(format="plain-text" if plain else "json") as call:
            await call.alive(target.limit(2))
            for message in messages:
                call.wire.send(message)
            # A ping in the same segment would be answered before it is even read.
            await asyncio.sleep(0.1)
            await call.alive(target.limit(5))
        return "the call goes on"

    return run


def _harms_nobody(raws: Iterable[bytes]) -> Callable[[Target], Awaitable[str]]:
    """May end this call; the server goes on serving."""

    async def run(target: Target) -> str:
        async with target.call() as call:
            await call.alive(target.limit(2))
            call.muted = True
            for raw in raws:
                call.wire.write(raw)
                await call.wire.drained(target.limit(5))
                await asyncio.sleep(0)
            await asyncio.sleep(0.2)
            ended = call.wire.over
            await target.serves()
        return "that call ended" if ended else "the call goes on"

    return run


async def _stops_reading(target: Target) -> str:
    """What Asterisk does under asterisk#2140, the other way round."""
    async with target.call() as call:
        if target.speaks:
            await call.speech(target.limit(FIRST_WORD))
        call.wire.pause_reading()
        await asyncio.sleep(1.5)
        await target.serves()
    return "others are served meanwhile"


async def _half_frame(target: Target) -> str:
    async with target.call() as call:
        await call.alive(target.limit(2))
        call.muted = True
        call.wire.write(frame(Opcode.BINARY, bytes(1000))[:500])
        await asyncio.sleep(0.5)
        await target.serves()
        expect(not call.wire.aborted, "the connection was reset")
    return "others are served meanwhile"


_MEGABYTE = b"x" * 1_000_000
_NO_REASON = "no reason to end a call, asterisk.md 2.3"
_PARSER = "a parser must not fall over what it is given"

_WRONG_TYPES = (
    '{"event":3}',
    '{"event":null}',
    '{"event":["MEDIA_XOFF"]}',
    '{"event":{"event":"MEDIA_XOFF"}}',
    '{"event":"STATUS","queue_length":"many"}',
    '{"event":"STATUS","queue_length":-1,"xon_level":1e999}',
    '{"event":"MEDIA_MARK_PROCESSED","correlation_id":{}}',
    '{"event":"DTMF_END","digit":[]}',
    '{"event":"MEDIA_START"}',
)
_NOT_JSON = (
    "",
    " ",
    "{",
    "}",
    "[]",
    '"MEDIA_XOFF"',
    "NaN",
    "null",
    '{"event":"MEDIA_XOFF",}',
    "\x00",
    "{'event':'MEDIA_XOFF'}",
    '{"event":NaN}',
)
_ODD_TEXT = (
    '{"event":"\\ud800"}',
    '{"event":"NEWS","event":"MEDIA_XON"}',
    '{"event":"\\u0000"}',
    json.dumps({"event": "x" * 60_000}),
    json.dumps({"event": "NEWS", "more": {str(n): n for n in range(3000)}}),
    '{"event":"NEWS","n":' + "9" * 5000 + "}",
)

CASES = [
    Case("garbage: not JSON", _NO_REASON, _survives(*_NOT_JSON), hostile=True),
    Case("garbage: wrong types", _NO_REASON, _survives(*_WRONG_TYPES), hostile=True),
    Case("garbage: odd texts", _PARSER, _survives(*_ODD_TEXT), hostile=True),
    Case(
        "garbage: plain text",
        _NO_REASON,
        _survives("news", "MEDIA_", "STATUS x", "A" * 5000, "é", plain=True),
        hostile=True,
    ),
    Case(
        "garbage: nested 20,000 deep",
        _PARSER,
        _survives("[" * 20_000, '{"a":' * 10_000),
        hostile=True,
    ),
    Case(
        "garbage: 5,000 in a row",
        "each is logged; the log must not be the attack",
        _survives(*["{"] * 5000),
        hostile=True,
    ),
    Case(
        "garbage: a text of 10 MB",
        "to be refused, or skipped; memory is not the caller's",
        _harms_nobody([frame(Opcode.TEXT, _MEGABYTE * 10)]),
        hostile=True,
    ),
    Case(
        "garbage: 10 MB in fragments",
        "the same, in small pieces",
        _harms_nobody(
            [
                frame(Opcode.TEXT, _MEGABYTE[:100_000], fin=False),
                *[frame(Opcode.CONTINUATION, _MEGABYTE[:100_000], fin=False)] * 100,
            ]
        ),
        hostile=True,
    ),
    Case(
        "garbage: 10 MB of audio",
        "the same",
        _harms_nobody([frame(Opcode.BINARY, _MEGABYTE * 10)]),
        hostile=True,
    ),
    Case(
        "flood: 20,000 frames of audio",
        "400 s of sound in a moment",
        _harms_nobody([frame(Opcode.BINARY, b"\xff" * 160) * 1000] * 20),
        hostile=True,
    ),
    Case(
        "flood: 50,000 empty messages",
        "cheap to send, dear to handle",
        _harms_nobody([frame(Opcode.BINARY) * 5000] * 10),
        hostile=True,
    ),
    Case(
        "stall: half a frame",
        "a reader that waits for the rest must not wait for all",
        _half_frame,
        hostile=True,
    ),
    Case(
        "stall: nobody reads",
        "a full socket must not hold up others (asterisk#2140)",
        _stops_reading,
        hostile=True,
    ),
]
