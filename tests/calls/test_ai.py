import json
from dataclasses import replace

import pytest
from hypothesis import given

from agent.calls.ai import (
    AI,
    KEYS,
    AIError,
    ModelError,
    described,
    full,
    read,
    read_ai,
)

from .descriptions import descriptions


def test_a_file_of_two():
    ais = read(
        """
        default = "sales"
        [ai.desk]
        prompt = "You answer the phone."
        [ai.sales]
        prompt = "You sell."
        greeting = "Hello!"
        tool_names = []
        max_minutes = 5
        noise = "service"
        """
    )
    assert ais.choose("") == AI(
        "sales",
        "You sell.",
        greeting="Hello!",
        tool_names=(),
        max_minutes=5,
        noise="service",
    )
    assert ais.choose("desk").tool_names == ("end_call",)
    assert ais.choose("desk").noise == "off"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no [ai.NAME] table"),
        ("ai = 3", "no [ai.NAME] table"),
        ("[ai", "not TOML"),
        ("[ai.a]\n", "no prompt"),
        ("[ai.a]\nprompt = ' '", "prompt is empty"),
        ("[ai.a]\nprompt = 3", "prompt is 3, not a string"),
        ("[ai.a]\nprompt = 'x'\nvoise = 'x'", "unknown key 'voise'"),
        ("[ai.a]\nprompt = 'x'\ntool_names = [1]", "tool_names[0] is 1, not a string"),
        ("[ai.a]\nprompt = 'x'\ntool_names = 'all'", "is 'all', not a list"),
        ("[ai.a]\nprompt = 'x'\nlines = {fillr = 'x'}", "lines is 'fillr'"),
        ("[ai.a]\nprompt = 'x'\npolicy = {numers = []}", "'policy.numers'"),
        (
            "[ai.a]\nprompt = 'x'\n[[ai.a.http_tools]]\nname = 'a b'\nurl = 'http://x'"
            "\ndescription = ''",
            "http_tools[0].name is 'a b'",
        ),
        (
            "[ai.a]\nprompt = 'x'\n[[ai.a.mcp_servers]]\nname = 'a'",
            "either url or command",
        ),
        ("[ai.a]\nprompt = 'x'\nengine_model = 'gpt'", "<provider>.<model>"),
        ("[ai.a]\nprompt = 'x'\nmax_minutes = 0", "max_minutes"),
        ("[ai.a]\nprompt = 'x'\nmax_minutes = true", "max_minutes is True"),
        ("[ai.a]\nprompt = 'x'\nnoise = 'on'", "not one of off, service, inprocess"),
        ("[ai.'a b']\nprompt = 'x'", "letters, digits"),
        ("default = 'b'\n[ai.a]\nprompt = 'x'", "default is 'b'"),
        ("colour = 'b'\n[ai.a]\nprompt = 'x'", "unknown key 'colour'"),
    ],
)
def test_a_mistake_is_named(text, says):
    with pytest.raises(AIError) as error:
        read(text)
    assert says in str(error.value)


def test_a_call_changes_what_it_may():
    ai = AI("desk", "You answer.", voice="amy")
    assert ai.overridden({"voice": "joe", "prompt": "x"}).voice == "joe"
    assert ai.overridden({"voice": "", "prompt": "x"}) is ai


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(AIError, match="there are: a, b"):
        read("[ai.a]\nprompt = 'x'\n[ai.b]\nprompt = 'x'").choose("c")


@pytest.mark.parametrize("key", ["name", "outside_only", "voise"])
def test_what_is_no_key_of_a_description(key):
    with pytest.raises(AIError, match=f"unknown key '{key}'; known: prompt, consent,"):
        read_ai("desk", {"prompt": "You answer.", key: True})


def test_a_wrong_model_is_told_apart():
    with pytest.raises(ModelError, match="stt is 'x', not <provider>.<model>"):
        read_ai("desk", {"prompt": "You answer.", "stt": "x"})


@given(descriptions)
def test_what_is_described_is_read_again(description):
    ai = read_ai("desk", description)
    for told in (described(ai), full(ai)):
        assert read_ai("desk", json.loads(json.dumps(told))) == ai
    assert set(described(ai)) <= set(description)
    assert tuple(full(ai)) == KEYS


@pytest.mark.parametrize(
    "description",
    [
        {"prompt": "You answer."},
        {"prompt": "You answer.", "tool_names": []},
        {"prompt": "You answer.", "silence": {"seconds": 3}},
        {"prompt": "You answer.", "policy": {"caller": False}},
        {
            "prompt": "You answer.",
            "http_tools": [{"name": "x", "description": "", "url": "https://x"}],
            "mcp_servers": [{"name": "y", "command": ["y"]}],
        },
    ],
)
def test_nothing_is_described_that_goes_without_saying(description):
    assert described(read_ai("desk", description)) == description


def test_who_wrote_it_is_no_part_of_the_description():
    ai = AI("desk", "You answer.")
    assert described(replace(ai, outside_only=True)) == described(ai)
