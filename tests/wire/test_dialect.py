import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.commands import Flush, Hangup, Mark, SetDirection
from agent.wire.dialect import MAX_AUDIO_BYTES, Audio, Dialect, Driver, Envelope, detect
from agent.wire.errors import PeerError
from agent.wire.events import Dtmf, MediaStart, Xoff
from agent.wire.mirror import mirror
from tests.wire.strategies import GARBAGE

NAMES = ["json", "plain-text", "envelope"]


def started(name, format="ulaw", frame_size=160) -> Dialect:
    first = mirror(name).event(MediaStart("17.1", format, frame_size, 20))
    dialect = detect(first)
    assert dialect is not None
    dialect.read(first)
    return dialect


@pytest.mark.parametrize("name", NAMES)
def test_the_first_message_tells_the_dialect(name):
    first = mirror(name).event(MediaStart("17.1", "ulaw", 160, 20))
    dialect = detect(first)
    assert dialect.name == name
    assert dialect.read(first) == MediaStart("17.1", "ulaw", 160, 20)


def test_audio_may_come_before_the_start():
    assert detect(b"\xff" * 160) is None


@pytest.mark.parametrize(
    "first",
    [
        "",
        "HELLO",
        "MEDIA_STARTED",
        "MEDIA_XOFF",
        "{",
        "{}",
        '{"event":"MEDIA_XOFF"}',
        '{"type":"media"}',
        '{"event":["MEDIA_START"]}',
        "x" * 70_000,
    ],
    ids=lambda first: first[:20],
)
def test_what_begins_no_call(first):
    with pytest.raises(PeerError) as error:
        detect(first)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("name", ["json", "plain-text"])
def test_binary_is_audio_and_not_copied(name):
    payload = bytes(160)
    read = Driver(name).read(payload)
    assert read == Audio(payload)
    assert read.payload is payload
    assert Driver(name).audio(payload)[0] is payload


@pytest.mark.parametrize(
    ("name", "flush", "hangup", "mark"),
    [
        (
            "json",
            '{"command":"FLUSH_MEDIA"}',
            '{"command":"HANGUP"}',
            '{"command":"MARK_MEDIA","correlation_id":"m"}',
        ),
        ("plain-text", "FLUSH_MEDIA", "HANGUP", "MARK_MEDIA m"),
        ("envelope", '{"type":"clear"}', '{"type":"stop"}', None),
    ],
)
def test_words(name, flush, hangup, mark):
    dialect = started(name)
    assert dialect.command(Flush()) == flush
    assert dialect.command(Hangup()) == hangup
    assert dialect.command(Mark("m")) == mark


def test_plain_text_has_no_word_for_direction():
    assert started("plain-text").command(SetDirection("in")) is None
    assert started("json").command(SetDirection("in")) is not None


@pytest.mark.parametrize(
    ("frame_size", "sizes"),
    [
        (640, [16_000, 16_000, 8_000]),
        (480, [15_840, 15_840, 8_320]),
        (0, [16_000, 16_000, 8_000]),
        (17_000, [17_000, 17_000, 6_000]),
    ],
)
def test_long_audio_is_cut_between_frames(frame_size, sizes):
    messages = started("json", "slin16", frame_size).audio(bytes(40_000))
    assert [len(message) for message in messages] == sizes


def test_no_audio_is_no_message():
    assert [started(name).audio(b"") for name in NAMES] == [[], [], []]


def test_envelope_frames_share_their_numbers_with_the_caller():
    dialect, asterisk = started("envelope"), mirror("envelope")

    def numbers(messages):
        return [json.loads(message)["ts"] for message in messages]

    assert numbers(dialect.audio(bytes(320))) == [0, 1]
    dialect.read('{"type":"media","audio":"AAA=","ts":12345}')
    assert numbers(dialect.audio(bytes(320))) == [12346, 12347]
    dialect.read('{"type":"media","audio":"AAA=","ts":7}')
    dialect.read('{"type":"media","audio":"AAA="}')
    assert numbers(dialect.audio(bytes(100))) == [12348]

    for message in dialect.audio(bytes(160)):
        asterisk.read(message)
    assert numbers(asterisk.audio(bytes(160))) == [12350]


def test_envelope_frames_are_as_long_as_the_codec_says():
    dialect = started("envelope", "slin16", 640)
    assert len(dialect.audio(bytes(1280))) == 2


def test_envelope_frames_of_an_unknown_codec_are_cut_somehow():
    assert len(started("envelope", "g999", 0).audio(bytes(320))) == 2
    asterisk = mirror("envelope")
    asterisk.event(MediaStart("17.1", "g999", 0, 20))
    assert len(asterisk.audio(bytes(320))) == 2


def test_an_envelope_number_at_the_end_of_the_world_starts_again():
    dialect = Envelope()
    dialect.read(f'{{"type":"media","audio":"AAA=","ts":{2**53 - 1}}}')
    assert json.loads(dialect.audio(b"a")[0])["ts"] == 0


def test_an_envelope_is_text():
    with pytest.raises(PeerError, match="3 bytes of binary; an envelope is text"):
        started("envelope").read(b"abc")


@pytest.mark.parametrize("name", NAMES)
def test_events(name):
    dialect, asterisk = started(name), mirror(name, channel_id="17.1")
    assert dialect.read(asterisk.event(Dtmf("5"))) == Dtmf("5")
    xoff = asterisk.event(Xoff())
    assert (xoff is None) == (name == "envelope")
    assert xoff is None or dialect.read(xoff) == Xoff()


@given(GARBAGE | st.binary(max_size=300))
def test_garbage_is_a_dialect_or_a_peer_error(first):
    try:
        dialect = detect(first)
    except PeerError:
        return
    assert (dialect is None) == isinstance(first, bytes)


@given(st.sampled_from(NAMES), st.lists(GARBAGE | st.binary(max_size=300), max_size=3))
def test_garbage_in_a_call_is_a_value_or_a_peer_error(name, messages):
    dialect, asterisk = started(name), mirror(name)
    for message in messages:
        for read in (dialect.read, asterisk.read):
            try:
                read(message)
            except PeerError:
                pass


@given(st.sampled_from(NAMES), st.integers(0, 50_000))
def test_all_audio_arrives_in_messages_that_asterisk_can_take(name, size):
    payload = bytes(i % 251 for i in range(size))
    dialect, asterisk = started(name), mirror(name)
    messages = dialect.audio(payload)
    assert all(len(message) <= MAX_AUDIO_BYTES for message in messages)
    arrived = [asterisk.read(message) for message in messages]
    assert b"".join(audio.payload for audio in arrived) == payload
