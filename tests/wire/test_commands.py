import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.commands import (
    MAX_COMMAND_BYTES,
    Answer,
    Continue,
    Flush,
    GetStatus,
    Hangup,
    Ignored,
    Mark,
    Pause,
    ReportQueueDrained,
    SetDirection,
    StartBuffering,
    StopBuffering,
    encode,
    parse,
)
from agent.wire.errors import LocalError, PeerError
from tests.wire.strategies import GARBAGE, commands

UUID = "3f2b0c9e-5d5a-4b63-9a35-6f0a2f6f7c11"
FORMATS = st.sampled_from(["json", "plain-text"])


@pytest.mark.parametrize(
    ("command", "plain", "json"),
    [
        (Answer(), "ANSWER", '{"command":"ANSWER"}'),
        (Hangup(), "HANGUP", '{"command":"HANGUP"}'),
        (Flush(), "FLUSH_MEDIA", '{"command":"FLUSH_MEDIA"}'),
        (Pause(), "PAUSE_MEDIA", '{"command":"PAUSE_MEDIA"}'),
        (Continue(), "CONTINUE_MEDIA", '{"command":"CONTINUE_MEDIA"}'),
        (GetStatus(), "GET_STATUS", '{"command":"GET_STATUS"}'),
        (
            ReportQueueDrained(),
            "REPORT_QUEUE_DRAINED",
            '{"command":"REPORT_QUEUE_DRAINED"}',
        ),
        (
            StartBuffering(),
            "START_MEDIA_BUFFERING",
            '{"command":"START_MEDIA_BUFFERING"}',
        ),
        (StopBuffering(), "STOP_MEDIA_BUFFERING", '{"command":"STOP_MEDIA_BUFFERING"}'),
        (
            StopBuffering(UUID),
            f"STOP_MEDIA_BUFFERING {UUID}",
            f'{{"command":"STOP_MEDIA_BUFFERING","correlation_id":"{UUID}"}}',
        ),
        (
            Mark("m1"),
            "MARK_MEDIA m1",
            '{"command":"MARK_MEDIA","correlation_id":"m1"}',
        ),
        (Mark(""), "MARK_MEDIA", '{"command":"MARK_MEDIA"}'),
    ],
)
def test_both_formats_mean_the_same(command, plain, json):
    assert encode(command, "plain-text") == plain
    assert encode(command, "json") == json
    assert parse(plain, "plain-text") == command
    assert parse(json, "json") == command


def test_direction_is_for_json_only():
    text = '{"command":"SET_MEDIA_DIRECTION","direction":"out"}'
    assert encode(SetDirection("out"), "json") == text
    assert parse(text, "json") == SetDirection("out")
    with pytest.raises(LocalError, match="in JSON only"):
        encode(SetDirection("out"), "plain-text")


@pytest.mark.parametrize("mark", ["two words", "a\nb", "\t", "\x1b", "a\0b", "\ud800"])
def test_plain_text_takes_one_plain_word(mark):
    with pytest.raises(LocalError, match="one plain word"):
        encode(Mark(mark), "plain-text")


@pytest.mark.parametrize("mark", ["a\0b", "\ud800"])
def test_what_asterisk_cannot_read_is_not_written(mark):
    with pytest.raises(LocalError, match="which Asterisk cannot read"):
        encode(StopBuffering(mark), "json")


@pytest.mark.parametrize(
    ("format", "longest"),
    [("plain-text", 128 - len("MARK_MEDIA ")), ("json", 84)],
)
def test_128_bytes_and_no_more(format, longest):
    text = encode(Mark("x" * longest), format)
    assert len(text) == MAX_COMMAND_BYTES
    assert parse(text, format) == Mark("x" * longest)
    with pytest.raises(LocalError, match="command of 129 bytes"):
        encode(Mark("x" * (longest + 1)), format)
    with pytest.raises(LocalError, match="command of 129 bytes"):
        encode(Mark("x" * (longest - 1) + "é"), format)


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("", "json"),
        ("", "plain-text"),
        ("\ud800", "plain-text"),
        ("   ", "plain-text"),
        ("NOPE", "plain-text"),
        ("get_status", "plain-text"),
        ("MARK_MEDIA\tx", "plain-text"),
        ('{"command":"GET_STATUS"}', "plain-text"),
        ('{"command":"NOPE"}', "json"),
        ('{"command":5}', "json"),
        ('{"foo":"bar"}', "json"),
        ('["GET_STATUS"]', "json"),
        ("MARK_MEDIA " + "x" * 118, "plain-text"),
        ('{"command":"GET_STATUS","x":"' + "é" * 50 + '"}', "json"),
    ],
)
def test_where_the_driver_is_silent(text, format):
    assert isinstance(parse(text, format), Ignored)


@pytest.mark.parametrize(
    ("text", "format", "command"),
    [
        ("  GET_STATUS \n", "plain-text", GetStatus()),
        ("GET_STATUS now", "plain-text", GetStatus()),
        ("MARK_MEDIA two words", "plain-text", Mark("two words")),
        ("MARK_MEDIA  lead", "plain-text", Mark(" lead")),
        ("MARK_MEDIA a\0b", "plain-text", Mark("a")),
        (' {"command" : "GET_STATUS"}\n', "json", GetStatus()),
        ('{"command":"MARK_MEDIA","correlation_id":5}', "json", Mark("")),
        ('{"command":"GET_STATUS","command":"ANSWER"}', "json", Answer()),
    ],
)
def test_what_the_driver_makes_of_it(text, format, command):
    assert parse(text, format) == command


@pytest.mark.parametrize(
    ("text", "format", "error_text"),
    [
        ("GET_STATUS", "json", "Unable to parse JSON command"),
        ('"GET_STATUS"', "json", "Unable to parse JSON command"),
        ('{"command":"GET_STATUS"', "json", "Unable to parse JSON command"),
        ('{"command":"HANGUP","x":NaN}', "json", "Unable to parse JSON command"),
        (
            "SET_MEDIA_DIRECTION in",
            "plain-text",
            "SET_MEDIA_DIRECTION only supports JSON format.\n",
        ),
        (
            '{"command":"SET_MEDIA_DIRECTION"}',
            "json",
            "SET_MEDIA_DIRECTION requires a 'direction' parameter.\n",
        ),
        (
            '{"command":"SET_MEDIA_DIRECTION","direction":"sideways"}',
            "json",
            "'sideways' is not a valid direction for SET_MEDIA_DIRECTION.\n",
        ),
    ],
)
def test_what_the_driver_answers_with_error(text, format, error_text):
    with pytest.raises(PeerError) as error:
        parse(text, format)
    assert str(error.value) == error_text


@given(GARBAGE, FORMATS)
def test_garbage_is_a_command_or_ignored_or_a_peer_error(text, format):
    try:
        parse(text, format)
    except PeerError:
        pass


@given(commands(st.text(st.characters(), max_size=130)), FORMATS)
def test_what_we_send_asterisk_reads_as_we_meant_it(command, format):
    try:
        text = encode(command, format)
    except LocalError:
        return
    assert len(text.encode()) <= MAX_COMMAND_BYTES
    assert parse(text, format) == command
