import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.variables import (
    KNOWN,
    MASK,
    OF_SCRIPTS,
    VariableError,
    Variables,
    is_secret,
    masked,
    unknown,
)

ROOT = Path(__file__).parent.parent


def test_all_that_are_read_are_known():
    source = "".join(
        (ROOT / "agent" / room).read_text()
        for room in ("environment.py", "settings.py")
    )
    pattern = r"""(?:values\.\w+|environment\.get)\(\s*["'](OFFHOOK_[A-Z0-9_]+)["']"""
    assert set(re.findall(pattern, source)) == KNOWN


def test_what_scripts_read_is_really_read_there():
    text = "".join(
        path.read_text()
        for folder in ("scripts", "tests", "agent")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in ("", ".py", ".sh")
        if path.name not in ("variables.py", "test_variables.py")
    )
    assert {name for name in OF_SCRIPTS if name not in text} == set()


@pytest.mark.parametrize(
    ("environment", "value", "source"),
    [
        ({}, "usual", "default"),
        ({"OFFHOOK_TOKEN": ""}, "usual", "default"),
        ({"OFFHOOK_TOKEN": " a "}, "a", "environment"),
        ({"OFFHOOK_TOKEN": "a", "OFFHOOK_TOKEN_FILE": ""}, "a", "environment"),
        ({"OFFHOOK_TOKEN_FILE": "FILE"}, "in the file", "OFFHOOK_TOKEN_FILE"),
        (
            {"OFFHOOK_TOKEN": "", "OFFHOOK_TOKEN_FILE": "FILE"},
            "in the file",
            "OFFHOOK_TOKEN_FILE",
        ),
    ],
)
def test_where_a_value_comes_from(environment, value, source, tmp_path):
    file = tmp_path / "token"
    file.write_text("in the file\n")
    given = {
        name: str(file) if text == "FILE" else text
        for name, text in environment.items()
    }
    variables = Variables(given)
    assert variables.text("OFFHOOK_TOKEN", "usual") == value
    read = variables.read["OFFHOOK_TOKEN"]
    assert (read.value, read.source, read.default) == (value, source, "usual")
    assert read.shown == MASK


@pytest.mark.parametrize("content", [None, "", "one\ntwo"])
def test_a_file_that_is_none(content, tmp_path):
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(VariableError, match="OFFHOOK_TOKEN_FILE"):
        Variables({"OFFHOOK_TOKEN_FILE": str(file)}).text("OFFHOOK_TOKEN", "")


def test_a_value_and_its_file_contradict_each_other():
    both = {"OFFHOOK_TOKEN": "a", "OFFHOOK_TOKEN_FILE": "/b"}
    with pytest.raises(VariableError, match="are both set"):
        Variables(both).text("OFFHOOK_TOKEN", "")


def test_it_is_a_mapping_that_notes_only_what_is_asked_for():
    variables = Variables({"PATH": "/bin", "OFFHOOK_LOG": "json", "OFFHOOK_X": "1"})
    assert dict(variables.items())["PATH"] == "/bin"
    assert variables.read == {}
    assert variables.get("OFFHOOK_LOG", "text") == "json"
    assert variables.get("OFFHOOK_DATA", "var") == "var"
    assert list(variables.read) == ["OFFHOOK_LOG", "OFFHOOK_DATA"]
    assert variables.unread() == ["OFFHOOK_X"]
    assert Variables.of(variables) is variables


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("OFFHOOK_MAX_CALS", "OFFHOOK_MAX_CALLS"),
        ("OFFHOOK_MEDIA_PASWORD", "OFFHOOK_MEDIA_PASSWORD"),
        ("OFFHOOK_TOKN_FILE", "OFFHOOK_TOKEN"),
        ("OFFHOOK_XYZZY_PLUGH", ""),
    ],
)
def test_typing_errors_have_the_nearest_name(name, near):
    assert unknown({name: "1"}) == [(name, near)]


@pytest.mark.parametrize(
    "name",
    ["OFFHOOK_TOKEN_FILE", "OFFHOOK_SECRET_SHOP", "OFFHOOK_LAN", "PATH", "OPENAI_FOO"],
)
def test_names_of_others_are_left_alone(name):
    assert unknown({name: "1"}) == []


def test_an_empty_one_is_not_set():
    assert unknown({"OFFHOOK_MAX_CALS": ""}) == []


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("OFFHOOK_TOKEN", "hush", MASK),
        ("OFFHOOK_SMTP_KEY", "hush", MASK),
        ("AWS_SECRET_ACCESS_KEY", "hush", MASK),
        ("OFFHOOK_MEDIA_PASSWORD", "hush", MASK),
        ("OFFHOOK_SECRET_SHOP", "hush", MASK),
        ("OFFHOOK_TOKEN", "", ""),
        ("OFFHOOK_API_WRONG_KEYS", "10", "10"),
        ("OFFHOOK_TOKEN_FILE", "/run/token", "/run/token"),
        ("OFFHOOK_PORT", "7860", "7860"),
        (
            "DATABASE_URL",
            "postgresql://me:hush@db/calls",
            f"postgresql://me:{MASK}@db/calls",
        ),
        (
            "DATABASE_URL",
            "postgresql://db/calls?user=me&password=hush",
            f"postgresql://db/calls?user=me&password={MASK}",
        ),
        ("DATABASE_URL", "sqlite:////srv/a.db", "sqlite:////srv/a.db"),
        (
            "OFFHOOK_ENDPOINTS",
            "a=http://gpu:8000/v1 b=https://hush@far/v1",
            f"a=http://gpu:8000/v1 b=https://{MASK}@far/v1",
        ),
    ],
)
def test_masked(name, value, shown):
    assert masked(name, value) == shown


@given(st.sampled_from(sorted(KNOWN)), st.text("abcdefgh", min_size=6))
def test_a_secret_is_never_shown(name, secret):
    if is_secret(name):
        assert secret not in masked(name, secret)
    assert secret not in masked(name, f"http://me:{secret}@here/?token={secret}")


@given(st.text())
def test_whatever_the_value_is_it_can_be_masked(value):
    masked("DATABASE_URL", value)
    masked("OFFHOOK_ENDPOINTS", f"a=https://{value}")
