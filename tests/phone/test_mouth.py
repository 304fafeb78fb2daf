import asyncio

import pytest

from agent.phone.mouth import QUIET, Mouth, Press
from agent.phone.ulaw import FRAME


async def test_silence_is_said_too():
    mouth = Mouth()
    assert mouth.tick() == QUIET
    assert mouth.said == QUIET


async def test_one_clip_after_the_other_in_frames():
    mouth = Mouth()
    first, second = mouth.say(b"a" * FRAME), mouth.say(b"b" * (FRAME + 1))
    assert mouth.tick() == b"a" * FRAME
    assert (first.done.done(), second.done.done()) == (True, False)
    assert mouth.tick() == b"b" * FRAME
    assert mouth.tick() == b"b" + QUIET[1:]
    assert second.done.done()
    assert mouth.tick() == QUIET
    assert mouth.said == b"a" * FRAME + b"b" * (FRAME + 1) + QUIET[1:] + QUIET


async def test_nothing_to_say_is_said_at_once():
    assert Mouth().say(b"").done.done()


async def test_a_dropped_clip_is_not_heard_out():
    mouth = Mouth()
    clip = mouth.say(b"a" * 10 * FRAME)
    mouth.tick()
    mouth.drop(clip)
    assert mouth.tick() == QUIET
    mouth.drop(clip)


async def test_keys_are_down_for_a_while_and_let_go():
    mouth = Mouth()
    pressed = mouth.press("5#")
    ticks = []
    while not pressed.done.done():
        ticks.append(mouth.tick())
        await asyncio.sleep(0)
    keys = [tick for tick in ticks if isinstance(tick, Press)]
    assert keys == [Press(key, n, n == 8) for key in "5#" for n in range(1, 9)]
    assert ticks.index(Press("#", 1, False)) > 8 + 1, "a pause between the two"
    assert len(mouth.said) == len(ticks) * FRAME


async def test_no_such_key():
    with pytest.raises(ValueError, match="no phone has a key 'x'"):
        Mouth().press("1x")
