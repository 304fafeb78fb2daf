"""Who wrote a line and what it says, with whatever stands before it."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.observe.lines import Source, moment, named, printable, read

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ASTERISK = "[2026-11-21 08:51:02.123] WARNING[97][C-0000000d] pbx.c: no way"
DEFAULT = "[Nov 21 08:51:02] WARNING[97][C-0000000d] pbx.c: no way"
CONSOLE = "[Nov 21 08:51:02] WARNING[97][C-0000000d]: pbx.c:1005 pbx_exec: no way"
OLD = "[Nov 21 08:51:02] VERBOSE[97][C-0000000d] pbx.c:     -- no way"
AGENT = "2026-11-21T08:51:02.123+00:00 INFO call=17.1 agent.session: [STT] 0.3 s: hi"
IN_CALL = AGENT.replace("17.1", "17.1 channel=WebSocket/ai_media/0x7f59")
JSON = json.dumps(
    {
        "time": "2026-11-21T08:51:02.123+00:00",
        "level": "INFO",
        "logger": "agent.session",
        "message": "[STT] 0.3 s: hi",
        "call": "17.1",
    }
)
HOOK = "Nov 21 08:51:02 host upload-recording[77]: recording 17.1: left x"

# How docker, compose and the journal print a line.
PREFIXES = {
    "as it is": "{}",
    "compose": "voice-agent-1  | {}",
    "compose without a space": "asterisk-1 |{}",
    "docker logs -t": "2026-11-21T08:51:02.123456789Z {}",
    "compose logs -t": "asterisk-1  | 2026-11-21T08:51:02.123456789Z {}",
    "journalctl": "Nov 21 08:51:02 host offhook[123]: {}",
    "journalctl -o short-iso": "2026-11-21T08:51:02+0000 host offhook.service[123]: {}",
    "journalctl -o short-precise": "Nov 21 08:51:02.123456 host offhook[1]: {}",
    "in colours": "\x1b[36masterisk-1  |\x1b[0m {}",
}


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
@pytest.mark.parametrize(
    ("line", "source", "said", "call", "level", "file"),
    [
        (ASTERISK, Source.ASTERISK, "no way", "C-0000000d", "WARNING", "pbx.c"),
        (DEFAULT, Source.ASTERISK, "no way", "C-0000000d", "WARNING", "pbx.c"),
        (CONSOLE, Source.ASTERISK, "no way", "C-0000000d", "WARNING", "pbx.c"),
        (AGENT, Source.AGENT, "[STT] 0.3 s: hi", "17.1", "INFO", "agent.session"),
        (IN_CALL, Source.AGENT, "[STT] 0.3 s: hi", "17.1", "INFO", "agent.session"),
        (JSON, Source.AGENT, "[STT] 0.3 s: hi", "17.1", "INFO", "agent.session"),
        (HOOK, Source.HOOK, "recording 17.1: left x", "", "", ""),
    ],
)
def test_each_writer_under_each_prefix(prefix, line, source, said, call, level, file):
    (found,) = read([prefix.format(line) + "\r\n"], NOW)
    assert (found.source, found.said, found.call) == (source, said, call)
    assert (found.level, found.file, found.text) == (level, file, line)
    assert found.at is not None
    assert found.at.replace(microsecond=0).isoformat() == "2026-11-21T08:51:02+00:00"


@pytest.mark.parametrize(
    "wrapped",
    [
        json.dumps({"log": f"{ASTERISK}\n", "stream": "stderr", "time": "x"}),
        json.dumps({"MESSAGE": ASTERISK, "_PID": "1"}),
    ],
)
def test_as_docker_and_the_journal_keep_it(wrapped):
    (found,) = read([wrapped])
    assert (found.source, found.text) == (Source.ASTERISK, ASTERISK)


def test_an_exception_in_json_keeps_its_last_line():
    event = json.loads(JSON) | {"exception": "Traceback\n  File x\nKeyError: 'y'\n"}
    (found,) = read([json.dumps(event)])
    assert found.said == "[STT] 0.3 s: hi | KeyError: 'y'"


def test_lines_that_go_on_stay_with_the_one_of_the_same_container():
    texts = [
        f"asterisk-1  | {ASTERISK}",
        "asterisk-1  | BYE sip:x SIP/2.0",
        f"voice-agent-1  | {AGENT}",
        "asterisk-1  | Call-ID: y",
        "voice-agent-1  | nobody's",
        f"asterisk-1  | {ASTERISK}",
    ]
    found = {line.more for line in read(texts) if line.source is Source.ASTERISK}
    assert found == {("BYE sip:x SIP/2.0", "Call-ID: y"), ()}


@pytest.mark.parametrize(
    ("when", "at"),
    [
        ("2026-11-21 08:51:02.123", "2026-11-21T08:51:02.123000+00:00"),
        ("2026-11-21T08:51:02.5+01:00", "2026-11-21T07:51:02.500000+00:00"),
        ("Nov 21 08:51:02", "2026-11-21T08:51:02+00:00"),
        ("Nov 21 08:51:02.250", "2026-11-21T08:51:02.250000+00:00"),
        ("Dec 24 08:51:02", "2025-12-24T08:51:02+00:00"),
        ("Feb 31 08:51:02", None),
        ("", None),
    ],
)
def test_when(when, at, monkeypatch):
    found = moment(when, NOW)
    assert (found.isoformat() if found else None) == at


def test_asterisks_start():
    (found,) = read(["[2026-11-21 08:51:02.123] Asterisk 22.10.1 built by x @ y"])
    assert found.begins and found.said.startswith("Asterisk 22.10.1")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("call 17.1 over", True),
        ("/m/17.1.wav", True),
        ("/m/17.1-user.wav", True),
        ("17.1", True),
        ("17.12", False),
        ("117.1", False),
        ("17.1.5", False),
        ("17.1-x", False),
        ("17.1@host", False),
    ],
)
def test_a_part_of_an_id_is_not_the_id(text, found):
    assert bool(named("17.1").search(text)) is found


def test_nothing_is_named_by_no_id():
    assert not named("").search("anything")


def test_what_moves_the_cursor_is_not_printed():
    assert printable("a\x1b[2Jb\u202e") == "a?[2Jb?"


@given(st.lists(st.text() | st.sampled_from([ASTERISK, AGENT, JSON, HOOK, "{", "[]"])))
def test_no_line_is_unreadable(texts):
    for line in read(texts, NOW):
        assert line.source in Source


OLD_LINES = [OLD, OLD.replace("-- ", "== ")]


@pytest.mark.parametrize("text", OLD_LINES)
def test_the_dashes_of_older_asterisks_are_not_what_it_says(text):
    (found,) = read([text])
    assert found.said == "no way"
