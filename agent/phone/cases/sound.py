"""Audio both ways, and who may send how much of it when."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from agent.wire.commands import MAX_COMMAND_BYTES, Ignored, Mark, StopBuffering
from agent.wire.events import Refused, Xoff, Xon

from .case import FIRST_WORD, TICK, Call, Case, Failed, Skipped, Target, expect

XOFF_GRACE = 0.1
"""Seconds for what was on its way."""
LEAD = 3.0
"""Seconds ahead of the caller's ear beyond which interrupting feels broken."""


def _hears(*payloads: bytes) -> Callable[[Target], Awaitable[str]]:
    """The caller's packets, of whatever length: the call goes on."""

    async def run(target: Target) -> str:
        async with target.call() as call:
            for _ in range(3):
                for payload in payloads:
                    call.wire.send(payload)
                await asyncio.sleep(TICK)
            await call.alive(target.limit(3))
        return "the call goes on"

    return run


async def _gap(target: Target) -> str:
    """The caller is on hold: Asterisk sends nothing."""
    async with target.call(started=False) as call:
        call.wire.send(call.mirror.event(call.introduction) or "")
        await asyncio.sleep(1.0)
        await call.alive(target.limit(2))
        call.run_clock()
        await call.alive(target.limit(2))
    return "a second without a frame"


async def _silent_start(target: Target) -> str:
    """The server speaks although nobody has been heard yet."""
    async with target.call(started=False) as call:
        call.wire.send(call.mirror.event(call.introduction) or "")
        await call.speech(target.limit(FIRST_WORD))
    return "it speaks"


def _watched(check: Callable[[Call], str]) -> Callable[[Target], Awaitable[str]]:
    """Of the call that was only watched; `check` says what was seen, or Failed."""

    async def run(target: Target) -> str:
        assert target.watched is not None
        return check(target.watched)

    return run


def _whole_frames(call: Call) -> str:
    for _, payload in call.audio:
        expect(
            payload and len(payload) % call.frame_size == 0,
            f"{len(payload)} bytes: not whole frames of {call.frame_size}",
        )
    return f"{len(call.audio)} messages"


def _under_xoff(call: Call) -> str:
    expect(call.longest_queue < 900, f"the queue reached {call.longest_queue} frames")
    return f"at most {call.longest_queue * TICK:.1f} s ahead"


def _short_lead(call: Call) -> str:
    seconds = call.longest_queue * TICK
    expect(seconds <= LEAD, f"{seconds:.1f} s ahead, and {LEAD:g} s are plenty")
    return f"at most {seconds:.1f} s ahead"


def _need(seen: Sequence[object], what: str) -> None:
    if not seen:
        raise Skipped(f"the server sent no {what} while it was watched")


def _short_commands(call: Call) -> str:
    _need(call.said, "commands")
    for said in call.said:
        size = len(said.text.encode())
        expect(
            size <= MAX_COMMAND_BYTES,
            f"a command of {size} bytes is dropped: {said.text[:60]}",
        )
    return f"{len(call.said)} commands"


def _known_commands(call: Call) -> str:
    _need(call.said, "commands")
    for said in call.said:
        match said.understood:
            case Ignored(why):
                raise Failed(f"Asterisk ignores {said.text[:60]!r}: {why}")
            case Refused(error_text):
                raise Failed(f"Asterisk answers {said.text[:60]!r}: {error_text}")
    return f"{len(call.said)} commands"


def _short_ids(call: Call) -> str:
    ids = [
        said.understood.mark
        for said in call.said
        if isinstance(said.understood, Mark | StopBuffering)
    ]
    _need(ids, "ids")
    for mark in ids:
        expect(len(mark) <= 36, f"an id of {len(mark)} characters")
    return f"{len(ids)} ids"


async def _plain_commands(target: Target) -> str:
    async with target.call(format="plain-text") as call:
        await call.speech(target.limit(FIRST_WORD))
        call.say(target.question)
        await asyncio.sleep(2.0)
        return _known_commands(call)


async def _xoff(target: Target) -> str:
    async with target.call() as call:
        await call.speech(target.limit(FIRST_WORD))
        await asyncio.sleep(0.3)
        return await _held_and_released(call, target)


async def _xoff_first(target: Target) -> str:
    """Said before the server has said anything."""
    async with target.call() as call:
        return await _held_and_released(call, target)


async def _held_and_released(call: Call, target: Target) -> str:
    call.tell(Xoff())
    grace = target.limit(XOFF_GRACE)
    told = call.now
    await asyncio.sleep(grace + 1.0)
    late = [at - told for at, _ in call.audio if at > told + grace]
    expect(not late, f"{len(late)} messages of audio after XOFF, up to {late[-1:]} s")
    heard = len(call.audio)
    call.tell(Xon())
    resumed = await call.wire.until(
        lambda: len(call.audio) > heard or call.wire.over, target.limit(FIRST_WORD)
    )
    expect(resumed and not call.wire.over, "no audio after XON")
    return "silent for a second, then on"


async def _xon_only(target: Target) -> str:
    async with target.call() as call:
        call.tell(Xon())
        call.tell(Xon())
        await call.alive(target.limit(2))
    return "the call goes on"


async def _xoff_ends(target: Target) -> str:
    """XOFF, and the caller hangs up."""
    async with target.call() as call:
        call.tell(Xoff())
        await call.alive(target.limit(2))
    await target.serves()
    return "the call can end"


async def _unanswered(target: Target) -> str:
    """FLUSH_MEDIA takes marks away: they are never answered."""
    async with target.call() as call:
        call.answers = False
        await call.speech(target.limit(FIRST_WORD))
        asked_before = len(call.words)
        await asyncio.sleep(2.5)
        if not any(isinstance(said.understood, Mark) for said in call.said):
            raise Skipped("the server sets no marks")
        expect(len(call.words) > asked_before, "it waits for a mark for ever")
        await call.alive(target.limit(2))
    return "it speaks on"


_SIZES = (0, 1, 80, 159, 160, 161, 240, 480, 1024, 16_000, 65_500)
_PACKETS = "one message for each packet of the caller, of his length"
_DROPPED = "Asterisk throws away the tail of a message: clicks and gaps"

CASES = [
    *(
        Case(
            f"heard: {size} bytes",
            _PACKETS,
            _hears(b"\xff" * size),
            "must" if size <= 480 else "should",
        )
        for size in _SIZES
    ),
    Case(
        "heard: changing lengths", _PACKETS, _hears(*[b"\xff" * s for s in _SIZES[:8]])
    ),
    Case("heard: 2 s at once", "a stalled Asterisk", _hears(*[b"\xff" * 160] * 100)),
    Case("heard: nothing", "a caller on hold sends none (asterisk.md, 2.12)", _gap),
    Case(
        "spoken: before a frame was heard",
        "no RTP comes in until the caller's NAT is open",
        _silent_start,
        "should",
        speaks=True,
    ),
    Case("spoken: whole frames", _DROPPED, _watched(_whole_frames), speaks=True),
    Case(
        "spoken: never to XOFF",
        "past 20 s Asterisk drops audio without a word",
        _watched(_under_xoff),
        speaks=True,
    ),
    Case(
        "spoken: a short lead",
        "what is ahead is delay when the caller interrupts (asterisk#2115)",
        _watched(_short_lead),
        "should",
        speaks=True,
    ),
    Case(
        "commands: 128 bytes",
        "longer ones are dropped without a word",
        _watched(_short_commands),
        speaks=True,
    ),
    Case(
        "commands: known",
        "others are ignored without a word",
        _watched(_known_commands),
        speaks=True,
    ),
    Case(
        "commands: short ids",
        "a long id is a dropped command (asterisk#1384 crashed on them)",
        _watched(_short_ids),
        "should",
        speaks=True,
    ),
    Case(
        "commands: plain in plain text",
        "JSON is an unknown command there",
        _plain_commands,
        speaks=True,
    ),
    Case("xoff: in mid-speech", "the queue is nearly full", _xoff, speaks=True),
    Case("xoff: before speech", "the queue is nearly full", _xoff_first, speaks=True),
    Case("xoff: only XON", "an XOFF before us may have been meant", _xon_only),
    Case("xoff: and the end", "a held server must notice", _xoff_ends),
    Case(
        "marks: never answered",
        "FLUSH_MEDIA forgets them",
        _unanswered,
        speaks=True,
    ),
]
