import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.commands import Flush, Hangup, Ignored, Mark
from agent.wire.dialect import Audio, detect
from agent.wire.errors import PeerError
from agent.wire.events import MarkReached, MediaStart, Stopped
from agent.wire.mirror import mirror
from tests.wire.strategies import WORDS, commands

NAMES = ["json", "plain-text", "envelope"]
START = MediaStart("17.1", "ulaw", 160, 20)


@pytest.mark.parametrize(
    ("name", "mark", "stopped"),
    [
        (
            "json",
            '{"event":"MEDIA_MARK_PROCESSED","channel_id":"17.1","correlation_id":"m"}',
            None,
        ),
        ("plain-text", "MEDIA_MARK_PROCESSED m", None),
        ("envelope", None, '{"type":"stop"}'),
    ],
)
def test_words(name, mark, stopped):
    asterisk = mirror(name, channel_id="17.1")
    assert asterisk.name == name
    assert asterisk.event(MarkReached("m")) == mark
    assert asterisk.event(Stopped()) == stopped


@pytest.mark.parametrize(
    ("name", "text", "understood"),
    [
        ("json", '{"command":"FLUSH_MEDIA"}', Flush()),
        ("json", b"abc", Audio(b"abc")),
        ("plain-text", "MARK_MEDIA m", Mark("m")),
        ("plain-text", "NOPE", Ignored("command unknown: 'NOPE'")),
        ("envelope", '{"type":"stop"}', Hangup()),
        ("envelope", '{"type":"media","audio":"YWJj"}', Audio(b"abc")),
    ],
)
def test_what_the_agent_sends(name, text, understood):
    assert mirror(name).read(text) == understood


@pytest.mark.parametrize(("name", "text"), [("json", "{"), ("envelope", b"abc")])
def test_what_the_agent_must_not_send(name, text):
    with pytest.raises(PeerError):
        mirror(name).read(text)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [80, 160, 480])
def test_the_caller_is_heard_whatever_his_packets_are(name, size):
    asterisk = mirror(name)
    first = asterisk.event(START)
    dialect = detect(first)
    dialect.read(first)
    payload = bytes(i % 256 for i in range(size))
    heard = [dialect.read(message) for message in asterisk.audio(payload)]
    assert b"".join(audio.payload for audio in heard) == payload
    assert len(heard) == (3 if (name, size) == ("envelope", 480) else 1)


@given(st.sampled_from(NAMES), commands(WORDS.map(lambda word: word[:15])))
def test_both_sides_understand_each_other(name, command):
    asterisk = mirror(name)
    dialect = detect(asterisk.event(START))
    text = dialect.command(command)
    if text is not None:
        assert asterisk.read(text) == command
