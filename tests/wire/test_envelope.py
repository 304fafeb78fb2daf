import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.commands import Flush, Hangup, Ignored, Mark
from agent.wire.envelope import (
    MAX_TS,
    Media,
    encode_command,
    encode_event,
    encode_media,
    parse_command,
    parse_event,
)
from agent.wire.errors import LocalError, PeerError
from agent.wire.events import Dtmf, MediaStart, Stopped, Unrecognised, Xoff
from tests.wire.strategies import GARBAGE, KEYS, TEXTS

FRAME = base64.b64encode(bytes(160)).decode()


@pytest.mark.parametrize(
    ("text", "event"),
    [
        (
            '{"type":"start","call-id":"17","codec":"ulaw","direction":"inbound"}',
            MediaStart("17", "ulaw", 160, 20, variables={"direction": "inbound"}),
        ),
        ('{"type":"start","call_id":"17"}', MediaStart("17", "ulaw", 160, 20)),
        (
            '{"type":"start","callId":"17","format":"slin16","from":"+1555","x":[1]}',
            MediaStart("17", "slin16", 640, 20, variables={"from": "+1555"}),
        ),
        (
            '{"type":"start","call-id":"1","codec":"g999"}',
            MediaStart("1", "g999", 0, 20),
        ),
        (
            f'{{ "type": "media", "audio": "{FRAME}", "ts": 12345 }}',
            Media(bytes(160), 12345),
        ),
        ('{"type":"media","audio":"AAA="}', Media(b"\0\0")),
        ('{"type":"dtmf","digit":"#"}', Dtmf("#")),
        ('{"type":"dtmf","dtmf":"5"}', Dtmf("5")),
        ('{"type":"dtmf","digit":5}', Dtmf("5")),
        ('{"type":"stop"}', Stopped()),
        ('{"type":"stop","reason":"hangup"}', Stopped("hangup")),
        ('{"type":"clear"}', Unrecognised("clear")),
        ('{"type":"hold"}', Unrecognised("hold")),
    ],
)
def test_what_the_caller_says(text, event):
    assert parse_event(text) == event


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "type is None"),
        ('{"type":1}', "type is 1"),
        ('{"type":"start"}', "bad start: call-id is None"),
        ('{"type":"start","call_id":17}', "call_id is 17"),
        ('{"type":"start","call-id":"1","codec":8}', "codec is 8"),
        ('{"type":"media"}', "bad media: audio is NoneType, expected base64"),
        ('{"type":"media","audio":[]}', "audio is list"),
        ('{"type":"media","audio":"AAA"}', "audio is not base64"),
        ('{"type":"media","audio":"AA A="}', "audio is not base64"),
        ('{"type":"media","audio":"AAA=\\n"}', "audio is not base64"),
        ('{"type":"media","audio":"é==="}', "audio is not base64"),
        ('{"type":"media","audio":"AAA=","ts":"1"}', "ts is '1'"),
        ('{"type":"media","audio":"AAA=","ts":-1}', "ts is -1"),
        ('{"type":"media","audio":"AAA=","ts":1.5}', "ts is 1.5"),
        ('{"type":"media","audio":"AAA=","ts":null}', "ts is None"),
        ('{"type":"media","audio":"AAA=","ts":true}', "ts is True"),
        ('{"type":"dtmf"}', "digit is None"),
        ('{"type":"dtmf","digit":10}', "digit is 10"),
        ('{"type":"dtmf","digit":"12"}', "digit is '12'"),
        ('{"type":"stop","reason":1}', "reason is 1"),
    ],
)
def test_what_is_wrong_is_named(text, says):
    with pytest.raises(PeerError) as error:
        parse_event(text)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ('{"type":"clear"}', Flush()),
        ('{"type":"stop"}', Hangup()),
        (f'{{"type":"media","audio":"{FRAME}","ts":7}}', Media(bytes(160), 7)),
        ('{"type":"start"}', Ignored("type unknown: 'start'")),
    ],
)
def test_what_the_agent_says(text, command):
    assert parse_command(text) == command


def test_what_is_written():
    assert encode_command(Flush()) == '{"type":"clear"}'
    assert encode_command(Hangup()) == '{"type":"stop"}'
    assert encode_command(Mark("m")) is None
    assert encode_event(Xoff()) is None
    assert encode_event(MediaStart("17", "ulaw", 160, 20, variables={"a": "é"})) == (
        '{"a":"é","type":"start","call-id":"17","codec":"ulaw"}'
    )
    assert encode_media(b"\0\0", 9) == '{"type":"media","audio":"AAA=","ts":9}'


@pytest.mark.parametrize("ts", [-1, MAX_TS + 1])
def test_numbers_stay_within_what_json_keeps_exact(ts):
    with pytest.raises(LocalError, match="ts is"):
        encode_media(b"", ts)


@given(GARBAGE)
def test_garbage_is_a_value_or_a_peer_error(text):
    for parse in (parse_event, parse_command):
        try:
            parse(text)
        except PeerError:
            pass


@given(st.binary(max_size=1000), st.integers(0, MAX_TS))
def test_media_round_trip(payload, ts):
    text = encode_media(payload, ts)
    assert parse_event(text) == parse_command(text) == Media(payload, ts)


@given(
    st.one_of(
        st.builds(
            MediaStart,
            channel_id=TEXTS,
            format=st.just("alaw"),
            frame_size=st.just(160),
            ptime=st.just(20),
            variables=st.dictionaries(st.sampled_from(["from", "direction"]), TEXTS),
        ),
        st.builds(Dtmf, KEYS),
        st.builds(Stopped, TEXTS),
    )
)
def test_event_round_trip(event):
    assert parse_event(encode_event(event)) == event
