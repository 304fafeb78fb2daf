"""How a call introduces itself, and what happens when it does not."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

from agent.wire.events import Format

from .case import FIRST_WORD, Call, Case, Failed, Target, expect

NOBODY = 5.0
"""Seconds after which a socket without a call must be closed."""


async def _taken(call: Call, target: Target) -> str:
    """It speaks; or, if it never speaks first, it holds the call."""
    if target.speaks:
        await call.speech(target.limit(FIRST_WORD))
        return "it speaks"
    await asyncio.sleep(0.3)
    await call.alive(target.limit(2))
    return "the call is held"


def _taken_as(format: Format, codec: str = "ulaw") -> Callable[..., Awaitable[str]]:
    async def run(target: Target) -> str:
        async with target.call(format=format, codec=codec) as call:
            said = await _taken(call, target)
            await asyncio.sleep(0.6)
            for _, payload in call.audio:
                expect(
                    len(payload) % call.frame_size == 0,
                    f"{len(payload)} bytes are no whole frames of {call.frame_size}",
                )
            return f"{said}, {len(call.audio)} messages of audio"

    return run


def _begins_with(
    change: Callable[[dict[str, object]], dict[str, object]],
) -> Callable[[Target], Awaitable[str]]:
    """MEDIA_START in JSON, changed, is taken all the same."""

    async def run(target: Target) -> str:
        async with target.call(started=False) as call:
            fields = json.loads(call.mirror.event(call.introduction) or "")
            call.wire.send(json.dumps(change(fields)))
            call.run_clock()
            return await _taken(call, target)

    return run


def _never_begins(*messages: bytes | str) -> Callable[[Target], Awaitable[str]]:
    """Nothing that begins a call: closed in time, and no other call hurt."""

    async def run(target: Target) -> str:
        async with target.wire() as wire:
            for message in messages:
                wire.send(message)
            limit = target.limit(NOBODY)
            if not await wire.until(lambda: wire.over, limit):
                raise Failed(f"still open after {limit:g} s")
        return f"closed with {wire.close_code}"

    return run


async def _late(target: Target) -> str:
    async with target.call(started=False) as call:
        await asyncio.sleep(1.0)
        call.start()
        return await _taken(call, target)


async def _audio_first(target: Target) -> str:
    async with target.call(started=False) as call:
        for _ in range(5):
            call.wire.send(b"\xff" * 160)
        await asyncio.sleep(0.1)
        call.start()
        return await _taken(call, target)


async def _unknown_format(target: Target) -> str:
    async with target.call(started=False) as call:
        call.wire.send(
            call.mirror.event(replace(call.introduction, format="g799")) or ""
        )
        limit = target.limit(NOBODY)
        ended = await call.wire.until(
            lambda: call.wire.over or call.queue.hung_up, limit
        )
        expect(ended, f"still open after {limit:g} s, and cannot be understood")
        return "HANGUP" if call.queue.hung_up else f"closed with {call.wire.close_code}"


async def _twice(target: Target) -> str:
    async with target.call() as call:
        await call.alive(target.limit(2))
        call.start()
        await call.alive(target.limit(2))
    return "the call goes on"


_STUCK = "Asterisk keeps a channel for every open socket"
_CODEC = "c(...) of the dial string decides, not the agent"

CASES = [
    Case("start: JSON", "f(json)", _taken_as("json")),
    Case("start: plain text", "f(plain-text), the default", _taken_as("plain-text")),
    Case("format: alaw", _CODEC, _taken_as("json", "alaw"), "should"),
    Case("format: slin", _CODEC, _taken_as("json", "slin"), "should"),
    Case("format: slin16", _CODEC, _taken_as("json", "slin16"), "should"),
    Case(
        "format: slin16, plain text",
        _CODEC,
        _taken_as("plain-text", "slin16"),
        "should",
    ),
    Case("format: unknown", "noise is worse than a fallback", _unknown_format),
    Case(
        "start: unknown keys",
        "MEDIA_START grows from version to version",
        _begins_with(lambda fields: {**fields, "passthrough": False, "new": [{}]}),
    ),
    Case(
        "start: other order",
        "JSON has none",
        _begins_with(lambda fields: dict(reversed(fields.items()))),
    ),
    Case(
        "start: variables",
        "__VAR of the caller's channel comes as it is",
        _begins_with(
            lambda fields: {
                **fields,
                "channel_variables": {f"__V{n}": 'é"\\ \n\t' for n in range(50)},
            }
        ),
    ),
    Case(
        "start: no variables",
        "they came with 22.8",
        _begins_with(
            lambda fields: {
                key: value
                for key, value in fields.items()
                if key != "channel_variables"
            }
        ),
    ),
    Case("start: a second late", "a busy Asterisk", _late, "should"),
    Case(
        "start: after audio",
        "22.7 did that in one call of ten (asterisk#1712)",
        _audio_first,
    ),
    Case("start: twice", "no call is worth that", _twice, "should"),
    Case("start: never", _STUCK, _never_begins(), hostile=True),
    Case(
        "start: only audio", _STUCK, _never_begins(*[b"\xff" * 160] * 20), hostile=True
    ),
    Case("start: garbage", _STUCK, _never_begins("good morning"), hostile=True),
    Case("start: empty object", _STUCK, _never_begins("{}"), hostile=True),
    Case(
        "start: no format",
        _STUCK,
        _never_begins('{"event":"MEDIA_START","channel_id":"1.1"}'),
        hostile=True,
    ),
]
