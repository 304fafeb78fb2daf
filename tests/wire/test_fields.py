import json

import pytest
from hypothesis import given

from agent.wire import fields
from agent.wire.errors import PeerError
from agent.wire.fields import MAX_STRING, MAX_TEXT, json_object, json_value
from tests.wire.strategies import GARBAGE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{'a':1}",
        '{"a":1,}',
        '{"a":NaN}',
        '{"a":-Infinity}',
        '{"a":1e999}',
        '{"a":9223372036854775808}',
        '{"a":' + "9" * 5000 + "}",
        '{"a":"\t"}',
        r'{"a":"\ud800"}',
        '{"a":"\ud800"}',
        r'{"a":["\u0000"]}',
        r'{"\u0000":1}',
        '\ufeff{"a":1}',
        '{"a":1} x',
        "[" * 30_000,
        '{"a":' * 10_000,
        json.dumps({"a": "x" * MAX_TEXT}),
    ],
    ids=lambda text: text[:20],
)
def test_what_jansson_refuses_is_refused(text):
    with pytest.raises(PeerError):
        json_value(text)


def test_what_is_refused_is_named_in_short():
    with pytest.raises(PeerError) as error:
        json_value("x" * 60_000)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":9223372036854775807}', {"a": 2**63 - 1}),
        (r'{"a":"\ud83d\ude00\\u0000"}', {"a": "😀\\u0000"}),
        ('{"a":1,"a":2}', {"a": 2}),
        ("[" * 60 + "]" * 60, None),
    ],
)
def test_what_jansson_takes_is_taken(text, value):
    assert json_value(text) == value or value is None


@pytest.mark.parametrize("text", ["[]", "1", "null", '"{}"'])
def test_an_object_is_asked_for(text):
    with pytest.raises(PeerError, match="not a JSON object"):
        json_object(text)


@pytest.mark.parametrize(
    ("read", "value", "says"),
    [
        (fields.string, None, "a is None, expected a string"),
        (fields.string, 5, "a is 5"),
        (fields.string, "x" * (MAX_STRING + 1), "at most 1024"),
        (fields.string, "\ud800", "expected a string"),
        (fields.string, "a\0b", "expected a string"),
        (fields.flag, 1, "a is 1, expected true or false"),
        (fields.strings, [], "expected an object of strings"),
        (fields.strings, {"b": 1}, "expected an object of strings"),
        (fields.strings, {"b": "\0"}, "expected an object of strings"),
    ],
)
def test_wrong_types_are_named(read, value, says):
    with pytest.raises(PeerError) as error:
        read({"a": value}, "a")
    assert says in str(error.value)


@pytest.mark.parametrize("value", [None, True, "5", 5.0, -1, 11, 10**20])
def test_counts_are_whole_and_bounded(value):
    with pytest.raises(PeerError, match="a whole number from 0 to 10"):
        fields.count({"a": value}, "a", 10)
    assert fields.count({"a": 10}, "a", 10) == 10


def test_absent_is_not_wrong_where_there_is_a_default():
    assert fields.string({}, "a", "b") == "b"
    assert fields.strings({}, "a") == {}
    assert fields.string({"a": "x" * MAX_STRING}, "a") == "x" * MAX_STRING


@given(GARBAGE)
def test_garbage_is_a_value_or_a_peer_error(text):
    try:
        value = json_value(text)
    except PeerError:
        return
    # What was taken can be written: no half surrogates, no infinities.
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
