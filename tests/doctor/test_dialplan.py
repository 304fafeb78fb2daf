"""The dialplan as the doctor goes through it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.doctor import conf, dialplan
from agent.doctor.vocabulary import APPLICATIONS, FUNCTIONS, OPTIONS

TEXT = """\
[globals]
FOLDER = /calls
[in]
include => more
exten => _X.,1,Set(NAME=${FOLDER}/${UNIQUEID})
 same => n(rec),MixMonitor(${NAME}.wav,b)
 same => n,GotoIf($["${A}" = "b"]?out,s,1:end)
 same => n,Hangup()
 same => n(end),NoOp(a,b)
exten => 100,1,Dial(PJSIP/100)
[more]
exten => 7,1,Gosub(out,s,2(x))
[out]
exten => s,1,NoOp
 same => 2,Return()
[broken]
exten => 1,n,NoOp()
 same => n,NoOp()
exten => 2,1,NoOp()
exten => 2,1,Hangup()
exten => 3
"""


@pytest.fixture
def plan(tmp_path) -> dialplan.Dialplan:
    (tmp_path / "extensions.conf").write_text(TEXT)
    return dialplan.read(conf.read(tmp_path / "extensions.conf"))


@pytest.mark.parametrize(
    ("pattern", "number", "fits"),
    [
        ("100", "100", True),
        ("100", "1000", False),
        ("_10[01]", "101", True),
        ("_10[01]", "102", False),
        ("_[2-5]X", "39", True),
        ("_[2-5]X", "69", False),
        ("_NXX-XXXX", "5551234", True),
        ("_NXX-XXXX", "1551234", False),
        ("_Z.", "1", False),
        ("_Z.", "12", True),
        ("_Z!", "1", True),
        ("_[+0-9]!", "+4930", True),
        ("_[+0-9s]!", "s", True),
        ("[+0-9]!", "+4930", False),
    ],
)
def test_patterns(pattern, number, fits):
    assert dialplan.matches(pattern, number) is fits


@given(st.text("XZN0123456789+", min_size=1), st.sampled_from(["", ".", "!"]))
def test_a_sample_fits_its_pattern(signs, end):
    pattern = f"_{signs}{end}"
    assert dialplan.matches(pattern, dialplan.sample(pattern))


def test_the_most_exact_extension_counts(plan):
    assert plan.find("in", "100")[0].application == "dial"
    assert plan.find("in", "200")[0].application == "set"
    assert plan.find("in", "7")[0].application == "gosub"
    assert not plan.has("in", "x")


def test_what_is_reached(plan):
    lines = sorted(step.place.line for step in plan.reached("in"))
    assert lines == [5, 6, 7, 8, 9, 10, 12, 14, 15]
    recording = plan.find("in", "200")[1]
    assert [step.place.line for step in plan.before(recording)] == [5]
    assert plan.resolved(recording) == "/calls/${UNIQUEID}.wav,b"


def test_lines_that_are_none(plan):
    said = [(place.line, what) for place, what in plan.odd]
    assert said == [
        (17, "1 has no priority 1, from which n could count on"),
        (21, "there is no priority and application"),
    ]
    ((hidden, there),) = plan.hidden
    assert (hidden.place.line, there.place.line) == (20, 19)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a,b", ["a", "b"]),
        ("${F(a,b)},c(d,e),", ["${F(a,b)}", "c(d,e)", ""]),
        ('"a,b",c', ['"a,b"', "c"]),
        ("", [""]),
    ],
)
def test_commas_in_brackets_divide_nothing(text, parts):
    assert dialplan.split(text) == parts


@given(st.text(max_size=40))
def test_any_text_is_read(text):
    assert ",".join(dialplan.split(text)) == text
    dialplan.sample(f"_{text}")
    dialplan.matches(f"_{text}", "100")


def test_what_is_in_brackets():
    assert dialplan.inside("a v(b(c),d) e", "v(") == "b(c),d"
    assert dialplan.inside("a", "v(") is None
    text = "${F(${F(a,b)},${G(c)})}"
    assert dialplan.calls(text, "F") == ["${F(a,b)},${G(c)}", "a,b"]


@pytest.mark.parametrize(
    ("pattern", "signs"),
    [("_[+0-9]!", "0+"), ("_X.", "5"), ("_[0-9]X", "0"), ("100", "1"), ("_+49X.", "+")],
)
def test_a_sample_for_each_kind_of_beginning(pattern, signs):
    found = dialplan.samples(pattern)
    assert [number[0] for number in found] == list(signs)
    assert all(dialplan.matches(pattern, number) for number in found)


def test_words_of_asterisk():
    assert APPLICATIONS["mixmonitor"] == "app_mixmonitor"
    assert APPLICATIONS["voicemail"] == "app_voicemail"
    assert APPLICATIONS["goto"] == "core"
    assert FUNCTIONS["URIENCODE"] == "func_uri"
    assert OPTIONS["pjsip.conf", "endpoint"]["direct_media"] == "?"
    assert OPTIONS["pjsip.conf", "endpoint"]["rtp_timeout"] == "#"
    assert "uri" in OPTIONS["websocket_client.conf", "websocket_client"]
