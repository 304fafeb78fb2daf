"""The caller interrupts, presses keys, or only coughs; Asterisk says odd things."""

import asyncio
from collections.abc import Awaitable, Callable

from agent.wire.commands import Continue, Flush, Pause
from agent.wire.events import (
    BufferingCompleted,
    Dtmf,
    Event,
    MarkReached,
    QueueDrained,
    Refused,
    Status,
    Unrecognised,
)

from .case import FIRST_WORD, Call, Case, Target, expect

SILENT_AFTER = 2.0
"""Seconds from the caller's first sound to silence, or to FLUSH_MEDIA."""


def _flushed(call: Call, since: float) -> float | None:
    """When."""
    return next(
        (
            said.at
            for said in call.said
            if said.at > since and isinstance(said.understood, Flush)
        ),
        None,
    )


async def _interrupt(call: Call, target: Target) -> float:
    """The caller speaks into its speech. Returns when it fell silent."""
    await call.speech(target.limit(FIRST_WORD))
    await asyncio.sleep(0.6)
    began = call.now
    call.say(target.question)
    limit = target.limit(SILENT_AFTER)
    deadline = began + limit
    while (flushed := _flushed(call, began)) is None and call.now < deadline:
        heard = call.played[-15:]
        if call.now > began + 0.5 and not any(one and call.loud(one) for one in heard):
            return call.now
        expect(not call.wire.over, "the server ended the call")
        await asyncio.sleep(0.02)
    expect(flushed, f"neither FLUSH_MEDIA nor silence in {limit:g} s")
    assert flushed is not None
    return flushed


async def _barge_in(target: Target) -> str:
    async with target.call() as call:
        began = call.now
        await _interrupt(call, target)
        kind = "FLUSH_MEDIA" if _flushed(call, began) else "silence"
    return kind


async def _nothing_stale(target: Target) -> str:
    async with target.call() as call:
        silent = await _interrupt(call, target)
        await call.said_all()
        stale = [at - silent for at, _ in call.words if silent < at < call.now - 0.1]
        expect(not stale, f"words {stale[:1]} s after it fell silent, caller speaking")
    return "nothing while the caller spoke on"


async def _pause_ends(target: Target) -> str:
    """PAUSE_MEDIA outlives FLUSH_MEDIA: without CONTINUE_MEDIA all is silence."""
    async with target.call() as call:
        await _interrupt(call, target)
        await asyncio.sleep(0.5)
        paused = False
        for said in call.said:
            if isinstance(said.understood, Pause | Continue):
                paused = isinstance(said.understood, Pause)
        expect(not paused, "PAUSE_MEDIA, and no CONTINUE_MEDIA")
    return "no pause is left"


async def _cough(target: Target) -> str:
    async with target.call() as call:
        await call.speech(target.limit(FIRST_WORD))
        await asyncio.sleep(0.3)
        call.say(target.question[2400:2720])
        coughed = call.now
        await call.wire.until(
            lambda: call.words[-1][0] > coughed + 0.5 or call.wire.over,
            target.limit(3),
        )
        expect(call.words[-1][0] > coughed + 0.5, "40 ms of a voice silenced it")
    return "it speaks on"


async def _keys(target: Target) -> str:
    async with target.call() as call:
        for key in "0123456789*#ABCD":
            call.tell(Dtmf(key))
        call.wire.send('{"event":"DTMF_END","channel_id":"1.1"}')
        call.wire.send('{"event":"DTMF_END","channel_id":"1.1","digit":"??"}')
        call.wire.send('{"event":"DTMF_END","channel_id":"1.1","digit":5}')
        await call.alive(target.limit(2))
    return "16 keys, and 3 that are none"


async def _keys_in_plain_text(target: Target) -> str:
    async with target.call(format="plain-text") as call:
        for key in "0123456789*#ABCD":
            call.tell(Dtmf(key))
        call.wire.send("DTMF_END")
        await call.alive(target.limit(2))
    return "16 keys, and one that is none"


def _told(*events: Event) -> Callable[[Target], Awaitable[str]]:
    async def run(target: Target) -> str:
        async with target.call() as call:
            for event in events:
                call.tell(event)
            await call.alive(target.limit(2))
        return "the call goes on"

    return run


CASES = [
    Case(
        "interrupted: silence",
        "a caller who speaks is to be heard",
        _barge_in,
        speaks=True,
    ),
    Case(
        "interrupted: nothing stale",
        "what was flushed must not come again (asterisk#1304, pipecat#4151)",
        _nothing_stale,
        speaks=True,
    ),
    Case(
        "interrupted: no pause is left",
        "a pause survives a flush (asterisk#1525)",
        _pause_ends,
        speaks=True,
    ),
    Case(
        "interrupted: by a cough", "40 ms are no words", _cough, "should", speaks=True
    ),
    Case("keys: JSON", "DTMF_END; a strange one is no reason to end a call", _keys),
    Case("keys: plain text", "the same", _keys_in_plain_text),
    Case(
        "told: marks nobody set",
        "a mark can come after what it was for",
        _told(*(MarkReached(mark) for mark in ("", "nobody", "x" * 100))),
    ),
    Case(
        "told: a status unasked",
        "another version may",
        _told(Status(0), Status(950, queue_full=True), Status(0)),
    ),
    Case(
        "told: drained and completed",
        "another version may",
        _told(QueueDrained(), BufferingCompleted(""), BufferingCompleted("x")),
    ),
    Case("told: ERROR", "the call goes on in Asterisk", _told(Refused("No."))),
    Case(
        "told: an unknown event",
        "events are added from version to version",
        _told(Unrecognised("MEDIA_NEWS"), Unrecognised("HOLD")),
    ),
]
