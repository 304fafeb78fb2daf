import pytest

from agent.wire.commands import Answer, Flush, Hangup, Ignored, Mark, SetDirection
from agent.wire.dialect import Audio, detect
from agent.wire.events import Dtmf, MarkReached, Refused, Stopped
from tests.fakes.asterisk import FakeAsterisk

DIALECTS = pytest.mark.parametrize("name", ["json", "plain-text", "envelope"])


async def answer(asterisk: FakeAsterisk):
    first = await asterisk.receive()
    dialect = detect(first)
    return dialect, dialect.read(first)


@DIALECTS
async def test_a_call_in_every_dialect(name):
    asterisk = FakeAsterisk()
    start = asterisk.start(dialect=name)
    dialect, read = await answer(asterisk)
    assert dialect.name == name
    assert (read.channel_id, read.frame_size) == (start.channel_id, 160)

    asterisk.speak(b"a" * 160 + b"b" * 160)
    asterisk.dtmf("5")
    assert [dialect.read(await asterisk.receive()) for _ in range(3)] == [
        Audio(b"a" * 160),
        Audio(b"b" * 160),
        Dtmf("5"),
    ]

    for message in dialect.audio(b"x" * 320):
        await asterisk.send(message)
    assert asterisk.advance(1) == b"x" * 160
    await asterisk.send(dialect.command(Flush()))
    assert asterisk.advance(9) == b""
    assert asterisk.heard == b"x" * 160

    await asterisk.send(dialect.command(Hangup()))
    assert asterisk.commands == [Flush(), Hangup()]
    assert asterisk.over
    assert [await asterisk.receive() for _ in range(2)] == [None, None]
    assert asterisk.closed is None


@pytest.mark.parametrize("name", ["json", "plain-text"])
async def test_marks_and_refusals(name):
    asterisk = FakeAsterisk()
    asterisk.start("slin16", name, {"CALL_ID": "17"})
    dialect, start = await answer(asterisk)
    assert start.variables == ({"CALL_ID": "17"} if name == "json" else {})
    await asterisk.send(bytes(640 + 1))
    await asterisk.send(dialect.command(Mark("m")))
    await asterisk.send('{"command":"NOPE"}')
    assert len(asterisk.advance(2)) == 640
    assert dialect.read(await asterisk.receive()) == MarkReached("m")
    assert asterisk.commands[0] == Mark("m")
    assert isinstance(asterisk.commands[1], Ignored)


async def test_bad_json_is_answered_and_kept():
    asterisk = FakeAsterisk()
    asterisk.start()
    dialect, _ = await answer(asterisk)
    await asterisk.send("{")
    assert dialect.read(await asterisk.receive()) == Refused(
        "Unable to parse JSON command"
    )
    assert asterisk.commands == [Refused("Unable to parse JSON command")]


async def test_a_caller_hangs_up():
    asterisk = FakeAsterisk()
    asterisk.start()
    await asterisk.receive()
    asterisk.hang_up()
    assert await asterisk.receive() is None
    asterisk.speak(b"late")
    assert await asterisk.receive() is None
    await asterisk.send(b"late")
    assert asterisk.messages == []


async def test_the_envelope_says_stop():
    asterisk = FakeAsterisk()
    asterisk.start(dialect="envelope")
    dialect, _ = await answer(asterisk)
    asterisk.hang_up()
    assert dialect.read(await asterisk.receive()) == Stopped()
    assert await asterisk.receive() is None


async def test_the_agent_closes():
    asterisk = FakeAsterisk()
    await asterisk.close(1011)
    await asterisk.close()
    assert asterisk.closed == 1011
    assert await asterisk.receive() is None


async def test_a_giant_message_ends_the_call():
    asterisk = FakeAsterisk()
    asterisk.start()
    await asterisk.send(bytes(65_531))
    assert not asterisk.over
    await asterisk.send(bytes(65_532))
    assert asterisk.over


async def test_direction_out_keeps_the_caller_out():
    asterisk = FakeAsterisk()
    asterisk.start()
    dialect, _ = await answer(asterisk)
    await asterisk.send(dialect.command(SetDirection("out")))
    asterisk.speak(b"not heard")
    asterisk.dtmf("1")
    assert dialect.read(await asterisk.receive()) == Dtmf("1")


async def test_the_caller_is_not_heard_before_answer():
    asterisk = FakeAsterisk()
    asterisk.start(answered=False)
    dialect, _ = await answer(asterisk)
    asterisk.speak(b"too early")
    await asterisk.send(dialect.command(Answer()))
    asterisk.speak(b"now")
    assert await asterisk.receive() == b"now"
