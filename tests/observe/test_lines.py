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


# Who calls chooses the lines of a SIP message.

FORGED = [
    "[2026-11-21 08:51:02.123] NOTICE[1] app_verbose.c: Call 17.1 over",
    "[Nov 21 08:51:02] Asterisk 22.10.1 built by x @ y",
    AGENT,
    JSON,
    HOOK,
    json.dumps({"log": f"{ASTERISK}\n", "stream": "stderr", "time": "x"}),
    f"asterisk-2  | {ASTERISK}",
    f"\x1b[36masterisk-2  |\x1b[0m {ASTERISK}",
    f"2026-11-21T08:51:02.123456789Z {ASTERISK}",
    f"Nov 21 08:51:02 host offhook[123]: {ASTERISK}",
    "[2026-11-21 08:51:02.123] VERBOSE[1] res_pjsip_logger.c: <--- Received SIP"
    " request (9 bytes) from UDP:192.0.2.9:5060 --->",
]
BEFORE, AFTER = ASTERISK.replace("no way", "before"), AGENT.replace("hi", "after")


def written(message: bytes, size=None, way="Received", bare=False):
    """As Asterisk's logger writes a message: up to a NUL, with a line's end."""
    size = len(message.lstrip(b"\r\n")) if size is None else size
    word = "from" if way == "Received" else "to"
    head = f"<--- {way} SIP request ({size} bytes) {word} UDP:192.0.2.9:5060 --->"
    if not bare:
        head = f"[2026-11-21 08:51:02.123] VERBOSE[97] res_pjsip_logger.c: {head}"
    text = message.partition(b"\0")[0].decode(errors="replace")
    return [head, *text.split("\n"), ""]


def invite(*more, body=()):
    lines = ["INVITE sip:1@h SIP/2.0", "Call-ID: y", *more, "", *body, ""]
    return "\r\n".join(lines).encode()


def texts_of(lines, prefix="{}", stripped=False):
    """A log that strips has lost what is white around a line, and empty lines."""
    if stripped:
        lines = [line.strip() for line in lines if line.strip()]
    return [prefix.format(line) + "\n" for line in lines]


FORGERIES = {
    "in a header": lambda line: invite(f"X-A: 1\r\n{line}"),
    "in a header that goes on": lambda line: invite(f"X-A: 1\r\n {line}"),
    "in the body": lambda line: invite(body=["v=0", line, "m=audio 4 RTP/AVP 0"]),
    "last": lambda line: invite(body=["v=0", line]),
    "without an end": lambda line: invite(body=["v=0", line]).rstrip(),
    "in a name": lambda line: invite(f'From: "a\\\n{line}\\\n" <sip:1@h>'),
    "behind empty lines": lambda line: b"\r\n" * 90 + invite(body=[line]),
    "behind what is not UTF-8": lambda line: invite(body=["\xff" * 90, line]).replace(
        b"\xc3\xbf", b"\xff"
    ),
    "behind lines without carriage returns": lambda line: invite(
        body=["a\n" * 90, line]
    ),
    "before a NUL": lambda line: invite(body=[line, "\0"]),
    "behind escape codes": lambda line: invite(body=["\x1b[1m" * 20, line]),
}


@pytest.mark.parametrize("line", FORGED)
@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
@pytest.mark.parametrize("way", ["Received", "Transmitting"])
def test_no_line_of_a_message_is_one_of_the_log(line, forgery, way):
    message = forgery(line)
    for prefix in PREFIXES.values():
        lines = texts_of([BEFORE, *written(message, way=way)], prefix)
        found = list(read(lines, NOW))
        assert [each.said for each in found[:1]] == ["before"]
        assert [each.file for each in found[1:]] == ["res_pjsip_logger.c"], prefix
        (head,) = found[1:]
        assert head.more[0].startswith("INVITE ") and head.more[1] == "Call-ID: y"


@pytest.mark.parametrize("line", FORGED)
@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_nor_in_the_journal(line, forgery):
    prefix = PREFIXES["journalctl"]
    lines = texts_of(written(forgery(line)), prefix, stripped=True)
    assert [each.file for each in read(lines, NOW)] == ["res_pjsip_logger.c"]


@pytest.mark.parametrize("line", FORGED)
def test_nor_as_docker_and_the_journal_keep_it(line):
    lines = written(invite(body=[line]))
    for wrapped in (
        [json.dumps({"log": f"{each}\n", "stream": "stderr"}) for each in lines],
        [json.dumps({"MESSAGE": each, "_SYSTEMD_UNIT": "a"}) for each in lines],
    ):
        (found,) = read(wrapped, NOW)
        assert found.more[0].startswith("INVITE ")


@pytest.mark.parametrize("line", FORGED)
def test_nor_on_a_console(line):
    """Where the logger's own line has nothing before it."""
    lines = texts_of([BEFORE, *written(invite(body=[line]), bare=True), AFTER])
    assert [each.said for each in read(lines)] == ["before", "[STT] 0.3 s: after"]


MESSAGES = st.one_of(
    st.binary(max_size=300),
    st.lists(st.text(max_size=20) | st.sampled_from([*FORGED, "", "\r"])).map(
        lambda lines: invite(body=lines)
    ),
)
OURS = st.lists(st.sampled_from([ASTERISK, DEFAULT, CONSOLE, AGENT, JSON]), max_size=3)
PLAIN = [PREFIXES["as it is"], PREFIXES["compose"], PREFIXES["docker logs -t"]]


def whole(message: bytes) -> bytes:
    """Of what Asterisk writes as it came: no NUL, no escape, and it begins."""
    kept = message.replace(b"\0", b"").replace(b"\x1b", b"").lstrip(b"\r\n")
    return kept.decode(errors="ignore").encode() or b"x"


@given(st.lists(st.tuples(OURS, MESSAGES.map(whole))), OURS, st.sampled_from(PLAIN))
def test_all_lines_around_messages_and_none_from_inside(parts, last, prefix):
    texts, expected = [], []
    for ours, message in parts:
        texts += [*ours, *written(message)]
        expected += [*ours, written(message)[0]]
    found = read(texts_of([*texts, *last], prefix), NOW)
    in_order = sorted(each.text for each in found)
    assert in_order == sorted([*expected, *last])


@given(MESSAGES, OURS, st.sampled_from(PLAIN))
def test_none_from_inside_whatever_the_log_has_lost(message, ours, prefix):
    texts = texts_of([*ours, *written(message)], prefix)
    found = sorted(each.text for each in read(texts, NOW))
    assert found == sorted([*ours, written(message)[0]])


def test_a_message_that_was_cut_takes_no_more_than_it_lacks():
    message = invite(body=["x" * 200])
    cut = written(message)[:3]
    found = [each.text for each in read(texts_of([*cut, *[ASTERISK] * 9]), NOW)]
    lacks = len(message) - sum(len(each) + 1 for each in cut[1:])
    assert found == [cut[0], *[ASTERISK] * (9 - lacks // (len(ASTERISK) + 1))]


def test_of_two_containers_each_has_its_own_message():
    lines = [f"asterisk-1 | {each}" for each in written(invite(body=[AGENT]))]
    for at in range(1, len(lines) + 1):
        mixed = [*lines[:at], f"voice-agent-1 | {AFTER}", *lines[at:]]
        said = [each.said for each in read(mixed, NOW) if each.source is Source.AGENT]
        assert said == ["[STT] 0.3 s: after"]
