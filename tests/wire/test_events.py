import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.errors import LocalError, PeerError
from agent.wire.events import (
    BufferingCompleted,
    Dtmf,
    MarkReached,
    MediaStart,
    QueueDrained,
    Refused,
    Status,
    Stopped,
    Unrecognised,
    Xoff,
    Xon,
    encode,
    parse,
)
from tests.wire.strategies import GARBAGE, TEXTS, WORDS, events

START = MediaStart(
    channel_id="17.1",
    format="slin16",
    frame_size=640,
    ptime=20,
    channel="WebSocket/ai_media/0x7fb4",
    connection_id="ai_media",
)

TABLE = [
    (
        START,
        "MEDIA_START connection_id:ai_media channel:WebSocket/ai_media/0x7fb4 "
        "channel_id:17.1 format:slin16 optimal_frame_size:640 ptime:20",
        '{"event":"MEDIA_START","connection_id":"ai_media",'
        '"channel":"WebSocket/ai_media/0x7fb4","channel_id":"17.1","format":"slin16",'
        '"optimal_frame_size":640,"ptime":20,"channel_variables":{}}',
    ),
    (
        Dtmf("#"),
        "DTMF_END digit:# channel_id:17.1",
        '{"event":"DTMF_END","channel_id":"17.1","digit":"#"}',
    ),
    (
        MarkReached("greeting"),
        "MEDIA_MARK_PROCESSED greeting",
        '{"event":"MEDIA_MARK_PROCESSED","channel_id":"17.1",'
        '"correlation_id":"greeting"}',
    ),
    (
        MarkReached(""),
        "MEDIA_MARK_PROCESSED",
        '{"event":"MEDIA_MARK_PROCESSED","channel_id":"17.1","correlation_id":""}',
    ),
    (
        BufferingCompleted("buf 1"),
        "MEDIA_BUFFERING_COMPLETED buf 1",
        '{"event":"MEDIA_BUFFERING_COMPLETED","channel_id":"17.1",'
        '"correlation_id":"buf 1"}',
    ),
    (
        QueueDrained(),
        "QUEUE_DRAINED",
        '{"event":"QUEUE_DRAINED","channel_id":"17.1"}',
    ),
    (Xoff(), "MEDIA_XOFF", '{"event":"MEDIA_XOFF","channel_id":"17.1"}'),
    (Xon(), "MEDIA_XON", '{"event":"MEDIA_XON","channel_id":"17.1"}'),
    (
        Status(75, media_paused=True),
        "STATUS channel_id:17.1 queue_length:75 xon_level:800 xoff_level:900 "
        "queue_full:false bulk_media:false media_paused:true",
        '{"event":"STATUS","channel_id":"17.1","queue_length":75,"xon_level":800,'
        '"xoff_level":900,"queue_full":false,"bulk_media":false,"media_paused":true}',
    ),
    (
        Refused("Unable to parse JSON command"),
        "ERROR channel_id:17.1 error_text:Unable to parse JSON command",
        '{"event":"ERROR","channel_id":"17.1",'
        '"error_text":"Unable to parse JSON command"}',
    ),
    (
        Unrecognised("SOMETHING_NEW"),
        "SOMETHING_NEW",
        '{"event":"SOMETHING_NEW","channel_id":"17.1"}',
    ),
]


@pytest.mark.parametrize(("event", "plain", "json"), TABLE)
def test_both_formats_mean_the_same(event, plain, json):
    assert parse(plain) == event
    assert parse(json) == event
    assert encode(event, "plain-text", channel_id="17.1") == plain
    assert encode(event, "json", channel_id="17.1") == json


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("MEDIA_XOFF since:now", Xoff()),
        ("SOMETHING_NEW a:b", Unrecognised("SOMETHING_NEW")),
        ('{"event":"MEDIA_XON","more":{"a":[1]}}', Xon()),
        ('{"digit":"1","event":"DTMF_END"}', Dtmf("1")),
        ('{"event":"ERROR"}', Refused("")),
        ("ERROR", Refused("")),
        ('{"event":"hold"}', Unrecognised("hold")),
        (
            "MEDIA_START channel_id:1 format:ulaw optimal_frame_size:160 ptime:20 "
            "passthrough:false unbuffered:true",
            MediaStart("1", "ulaw", 160, 20),
        ),
        (
            '{"event":"MEDIA_START","channel_id":"1","format":"opus",'
            '"optimal_frame_size":0,"ptime":20,"channel_variables":{"__A":"b"}}',
            MediaStart("1", "opus", 0, 20, variables={"__A": "b"}),
        ),
    ],
)
def test_what_a_newer_asterisk_adds_is_ignored(text, event):
    assert parse(text) == event


START_JSON = (
    '{"event":"MEDIA_START","channel_id":"1","format":"ulaw",'
    '"optimal_frame_size":%s,"ptime":20,"channel_variables":%s}'
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not an event"),
        (" MEDIA_XOFF", "not an event"),
        ("hello", "not an event"),
        ("X" * 101, "not an event"),
        ("[]", "not an event"),
        ("{}", "event is None"),
        ('{"event":5}', "event is 5"),
        ('{"event":null}', "event is None"),
        ("MEDIA_START format:", "bad MEDIA_START: channel_id is None"),
        (START_JSON % (-1, "{}"), "optimal_frame_size is -1, expected a whole number"),
        (START_JSON % (65_536, "{}"), "from 0 to 65535"),
        (START_JSON % ("true", "{}"), "optimal_frame_size is True"),
        (START_JSON % ('"160"', "{}"), "optimal_frame_size is '160'"),
        (START_JSON % ("160.0", "{}"), "optimal_frame_size is 160.0"),
        (START_JSON % ("NaN", "{}"), "NaN is no JSON number"),
        (START_JSON % (160, "[]"), "channel_variables is []"),
        (START_JSON % (160, '{"a":1}'), "expected an object of strings"),
        (
            "MEDIA_START channel_id:1 format:ulaw optimal_frame_size:1e3 ptime:20",
            "'1e3'",
        ),
        ("MEDIA_START channel_id:1 format:ulaw optimal_frame_size:² ptime:20", "'²'"),
        ("DTMF_END channel_id:17.1", "bad DTMF_END: digit is None"),
        ("DTMF_END digit:55", "digit is '55', expected one key"),
        ('{"event":"DTMF_END","digit":5}', "digit is 5"),
        ('{"event":"DTMF_END","digit":""}', "digit is ''"),
        ("STATUS queue_length:0", "xon_level is None"),
        ('{"event":"MEDIA_MARK_PROCESSED","correlation_id":7}', "correlation_id is 7"),
        ("MEDIA_MARK_PROCESSED " + "x" * 1025, "at most 1024 characters"),
        ("MEDIA_XOFF " + "x" * 65_536, "more than 65536"),
        ('{"event":' * 7000, "not JSON"),
    ],
    ids=lambda value: value[:40],
)
def test_what_is_wrong_is_named(text, says):
    with pytest.raises(PeerError) as error:
        parse(text)
    assert says in str(error.value)
    assert len(str(error.value)) < 300


def test_control_characters_are_written_as_jansson_writes_them():
    # From the trace asterisk-22.10.1-odd-json.
    assert encode(MarkReached('\x1b\x7f/\t\xa0\u2028"\\u001b'), "json") == (
        '{"event":"MEDIA_MARK_PROCESSED","channel_id":"",'
        '"correlation_id":"\\u001B\x7f/\\t\xa0\u2028\\"\\\\u001b"}'
    )


@pytest.mark.parametrize("format", ["json", "plain-text"])
def test_the_driver_has_no_word_for_stopped(format):
    with pytest.raises(LocalError, match="no word"):
        encode(Stopped("bye"), format)


@given(GARBAGE)
def test_garbage_is_an_event_or_a_peer_error(text):
    try:
        event = parse(text)
    except PeerError:
        return
    assert encode(event, "json").encode()


@given(events(TEXTS, TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=3)), TEXTS)
def test_json_round_trip(event, channel_id):
    assert parse(encode(event, "json", channel_id=channel_id)) == event


@given(events(WORDS, TEXTS, st.just({})), WORDS)
def test_plain_round_trip(event, channel_id):
    assert parse(encode(event, "plain-text", channel_id=channel_id)) == event
