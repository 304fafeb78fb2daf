"""Callers go when they like."""

import asyncio
import random

from agent.phone.rawsocket import Opcode, connect, frame

from .case import FIRST_WORD, Case, Failed, Target, expect

HANGUPS = 50


async def _at_any_moment(target: Target) -> str:
    """0 to 50 ms after the connection: before, in and after the handshake."""
    chance = random.Random(1)

    async def call_and_vanish() -> None:
        wire = await connect(target.url, target.limit(5))
        shaking = asyncio.create_task(
            wire.shake_hands(target.address(), headers=target.login)
        )
        await asyncio.sleep(chance.uniform(0, 0.05))
        if shaking.done() and shaking.exception() is None:
            wire.send('{"event":"MEDIA_START"')
        wire.abort()
        await asyncio.gather(shaking, return_exceptions=True)
        await wire.end()

    for _ in range(HANGUPS // 10):
        await asyncio.gather(*(call_and_vanish() for _ in range(10)))
    await target.serves()
    return f"{HANGUPS} callers"


async def _while_it_speaks(target: Target) -> str:
    async with target.call() as call:
        if target.speaks:
            await call.speech(target.limit(FIRST_WORD))
        call.wire.abort()
    await target.serves()
    return "the next caller is served"


async def _half_a_frame(target: Target) -> str:
    async with target.call() as call:
        await call.alive(target.limit(2))
        call.muted = True
        call.wire.write(frame(Opcode.BINARY, bytes(100))[:50])
        await asyncio.sleep(0.05)
        call.wire.abort()
    await target.serves()
    return "the next caller is served"


async def _half_closed(target: Target) -> str:
    """FIN without a close frame: Asterisk was killed."""
    async with target.call() as call:
        await call.alive(target.limit(2))
        call.wire.writer.write_eof()
        await call.wire.until(call.wire.closed.is_set, target.limit(5))
        expect(call.wire.closed.is_set(), "still open after 5 s")
    return "closed"


async def _same_id_again(target: Target) -> str:
    """A call that is over leaves its name."""
    url = target.address(call_id="conf-again")
    async with target.wire(url) as wire:
        wire.abort()
    status = 0
    for _ in range(40):
        answer = await target.ask(url)
        status = answer.status
        if status == 101:
            return "free again"
        await asyncio.sleep(target.limit(0.05))
    raise Failed(f"{status} for the same id, 2 s after its call was over")


_ZOMBIES = "hang-ups within the connection have crashed and leaked before"

CASES = [
    Case(
        "gone: within 50 ms, 50 times",
        f"{_ZOMBIES} (asterisk#1643, #1645)",
        _at_any_moment,
        hostile=True,
    ),
    Case("gone: while it speaks", _ZOMBIES, _while_it_speaks, hostile=True),
    Case("gone: in the midst of a frame", _ZOMBIES, _half_a_frame, hostile=True),
    Case("gone: half closed", "Asterisk was killed", _half_closed, hostile=True),
    Case("gone: and the same id again", "no zombie keeps it", _same_id_again, "should"),
]
