"""Our reading and writing, held against what a real Asterisk said and took."""

import json

import pytest

from agent.wire import commands, events
from agent.wire.commands import Answer, GetStatus, Hangup, Ignored, Mark, StopBuffering
from agent.wire.dialect import detect
from agent.wire.errors import PeerError
from agent.wire.events import Dtmf, MarkReached, Refused, Unrecognised
from tests.wire.trace import Trace, trace, traces

ALL = pytest.mark.parametrize("call", traces(), ids=lambda call: call.name)


@ALL
def test_every_event_is_known_and_written_back_byte_for_byte(call: Trace):
    for text in call.texts("from"):
        event = events.parse(text)
        assert not isinstance(event, Unrecognised)
        again = events.encode(event, call.format, channel_id=call.start.channel_id)
        assert again == text


@ALL
def test_every_call_begins_with_media_start(call: Trace):
    first = call.texts("from")[0]
    dialect = detect(first)
    assert dialect is not None
    assert dialect.name == call.format
    assert dialect.read(first) == call.start
    assert call.start.connection_id == "ai_media"
    assert call.start.channel.startswith("WebSocket/ai_media/0x")
    assert (call.start.variables == {}) == (call.format == "plain-text")


# Not drain and odd: what they send is what a careful agent never would.
@pytest.mark.parametrize("what", ["answer", "bulk", "burst", "cmds", "flush", "hangup"])
def test_what_was_sent_is_what_we_would_send(what):
    for call in traces(f"*-{what}-*"):
        sent = 0
        for text in call.texts("to"):
            try:
                command = commands.parse(text, call.format)
            except PeerError:
                continue
            if not isinstance(command, Ignored):
                sent += 1
                assert commands.encode(command, call.format) == _compact(text)
        assert sent


def _compact(text: str) -> str:
    if not text.strip().startswith("{"):
        return text.strip()
    ours = {k: v for k, v in json.loads(text).items() if k != "x"}  # x: filled to 128
    return json.dumps(ours, separators=(",", ":"))


@pytest.mark.parametrize("what", ["cmds", "drain", "odd", "small", "bulk", "flush"])
@pytest.mark.parametrize("format", ["json", "plain-text"])
def test_an_error_for_each_command_that_cannot_be_read(what, format):
    call = trace(f"{what}-{format}")
    refusals = []
    for text in call.texts("to"):
        try:
            commands.parse(text, call.format)
        except PeerError as error:
            refusals.append(str(error))
    said = [events.parse(text) for text in call.texts("from")]
    assert refusals == [
        event.error_text
        for event in said
        if isinstance(event, Refused)
        and "while media direction" not in event.error_text
    ]


def test_an_ordinary_call_reads_the_same_in_both_formats():
    first, second = trace("small-json"), trace("small-plain-text")
    for way, parse in (("to", commands.parse), ("from", _event)):
        ours, theirs = (
            [parse(text, call.format) for text in call.texts(way)]
            for call in (first, second)
        )
        assert ours[1:] == theirs[1:]
        assert len(ours) > 8


def _event(text, format):
    return events.parse(text)


@pytest.mark.parametrize("format", ["json", "plain-text"])
def test_keys(format):
    said = [events.parse(text) for text in trace(f"dtmf-{format}").texts("from")]
    assert said[1:] == [Dtmf("1"), Dtmf("5"), Dtmf("*"), Dtmf("#")]


def test_ids_and_oddities_of_the_driver():
    asked = [
        commands.parse(t, "plain-text") for t in trace("odd-plain-text").texts("to")
    ]
    assert asked == [
        GetStatus(),
        GetStatus(),
        Ignored(r"command unknown: '\xa0GET_STATUS'"),
        Ignored("command unknown: ''"),
        Mark("\x1b\x7f"),
        Mark("a"),
        Mark("é" * 58),
        Ignored("129 bytes, not 1 to 128"),
        Ignored(r"command unknown: 'GET_STATUS\nMARK_MEDIA'"),
        Answer(),
        StopBuffering(" x"),
    ]
    said = [events.parse(t) for t in trace("odd-plain-text").texts("from")]
    assert MarkReached("\x1b\x7f") in said


def test_codecs():
    assert [
        (call.start.format, call.start.frame_size, call.start.ptime, call.closed)
        for call in traces("*-hangup-*")
    ] == [
        ("ulaw", 160, 20, 1000),
        ("ulaw", 160, 20, 1000),
        ("slin", 320, 20, 1000),
        ("slin16", 640, 20, 1000),
    ]
    for call in traces("*-hangup-*"):
        last = call.texts("to")[-1]
        assert commands.parse(last, call.format) == Hangup()
