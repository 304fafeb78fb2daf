"""scripts/follow-call, on the logs of two real calls and on small made-up ones."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "follow-call"
DATA = Path(__file__).parents[1] / "data" / "follow-call"
ASTERISK = DATA / "asterisk-22.10.1-full.txt"
AGENT = DATA / "agent.txt"
FIRST, SECOND = "1795253134.0", "1795253135.2"


def follow(*arguments, stdin=None):
    return subprocess.run(
        [SCRIPT, *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "TZ": "UTC"},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
    )


def lines(*arguments, stdin=None):
    """The timeline; the verdicts stand below it."""
    done = follow(*arguments, stdin=stdin)
    assert done.stderr == ""
    timeline, verdicts = done.stdout.split("\n\n", 1)
    assert verdicts.splitlines()[-1].startswith(f"{arguments[0]}: ")
    return timeline.splitlines()


@pytest.fixture
def logs(tmp_path):
    def write(asterisk="", agent=""):
        (tmp_path / "full").write_text(asterisk)
        (tmp_path / "agent").write_text(agent)
        return "--asterisk", tmp_path / "full", "--agent", tmp_path / "agent"

    return write


def times(found):
    """Of all lines that have one, without date and zone."""
    return [
        match[1]
        for line in found
        if (match := re.match(r"\w+ +\[?\d{4}-\d\d-\d\d[T ]([\d:.]{12})", line))
    ]


@pytest.mark.parametrize(
    ("call", "tag", "other"),
    [(FIRST, "C-00000001", "C-00000002"), (SECOND, "C-00000002", "C-00000001")],
)
def test_one_call_of_two_comes_out_whole(call, tag, other):
    found = lines(call, "--asterisk", ASTERISK, "--agent", AGENT)
    tagged = [line for line in found if f"[{tag}]" in line]
    assert len(tagged) == ASTERISK.read_text().count(f"[{tag}]") > 20
    assert not any(f"[{other}]" in line for line in found)
    agents = [line for line in found if line.startswith("agent     ")]
    assert len(agents) == 2 and all(f"call={call}" in line for line in agents)
    assert times(found) == sorted(times(found))
    assert any(f"Executing [/lab/upload-recording.sh {call}" in line for line in found)


def test_its_sip_messages_come_with_it():
    found = lines(FIRST, "--asterisk", ASTERISK)
    said = [line.split()[1] for line in found if re.search(r"SIP/2\.0$", line)]
    assert said == ["INVITE", "ACK", "BYE"]
    call_ids = {line.split()[-1] for line in found if line[10:].startswith("Call-ID:")}
    assert len(call_ids) == 1


def test_the_agents_line_stands_between_answer_and_hang_up():
    found = lines(FIRST, "--asterisk", ASTERISK, "--agent", AGENT)
    order = [
        next(number for number, line in enumerate(found) if text in line)
        for text in (
            " answered PJSIP/",
            "[CALL] began",
            "left 'simple_bridge'",
            "BYE sip",
        )
    ]
    assert order[:3] == sorted(order[:3]) and order[3] > order[1]


def test_the_agents_json_is_read_too(tmp_path):
    agent = tmp_path / "agent"
    agent.write_text(
        "".join(
            json.dumps({"time": f"2026-11-21T09:25:{second}+01:00", **rest}) + "\n"
            for second, rest in [
                ("36.5", {"call": SECOND, "message": "hi"}),
                ("36.4", {"call": FIRST, "message": "for another"}),
                ("36.6", {"message": f"call {SECOND} refused"}),
                ("36.7", {"message": "nobody's"}),
            ]
        )
        + '{"half": \n{"time": 5}\n[]\n'
    )
    found = lines(SECOND, "--agent", agent)
    assert [line[10:] for line in found] == agent.read_text().splitlines()[0:3:2]


def test_without_a_record_in_asterisk_the_agents_lines_come_alone():
    assert len(lines(FIRST, "--agent", AGENT)) == 2


def test_from_standard_input():
    found = lines(FIRST, "--asterisk", "-", stdin=ASTERISK.read_text())
    assert found == lines(FIRST, "--asterisk", ASTERISK)


@pytest.mark.parametrize(
    "call", ["1795253134", "1795253134.01", "795253134.0", "134.0"]
)
def test_a_part_of_an_id_is_not_the_id(call):
    done = follow(call, "--asterisk", ASTERISK, "--agent", AGENT)
    assert done.returncode == 2
    assert done.stdout == f"{call}: no line of this call is in these logs\n"


def test_a_log_that_is_not_there():
    done = follow(FIRST, "--asterisk", "/nowhere/full")
    assert done.returncode == 2
    assert "cannot read /nowhere/full: No such file" in done.stderr


STARTED = "[2026-11-21 08:00:00.000] Asterisk 22.10.1 built by nobody\n"


def test_names_begin_anew_when_asterisk_does(logs):
    """Before and after a restart there is a PJSIP/a-00000000 and a [C-00000001]."""
    call = (
        "[2026-11-21 08:00:0{n}.000] VERBOSE[9][C-00000001] pbx.c: Executing"
        ' [1@x:1] Dial("PJSIP/a-00000000", "WebSocket/ai/c(ulaw)v(call_id=17.{n})")\n'
        "[2026-11-21 08:00:0{n}.500] NOTICE[9] x.c: PJSIP/a-00000000 is quiet\n"
    )
    both = STARTED + call.format(n=1) + STARTED + call.format(n=2)
    assert len(lines("17.2", *logs(both))) == 2


def test_a_websocket_channels_address_is_used_again(logs):
    answered = (
        "[2026-11-21 08:00:{s}.000] VERBOSE[9][C-0000000{n}] a.c: call_id=17.{n}:"
        " WebSocket/ai/0x7f answered PJSIP/a-0000000{n}\n"
        "[2026-11-21 08:00:{s}.500] WARNING[9] x.c: WebSocket/ai/0x7f: too long\n"
    )
    log = answered.format(n=1, s="01") + answered.format(n=2, s="09")
    assert times(lines("17.1", *logs(log))) == ["08:00:01.000", "08:00:01.500"]
    assert times(lines("17.2", *logs(log))) == ["08:00:09.000", "08:00:09.500"]


def test_a_call_goes_on_as_another_of_asterisks_calls(logs):
    """A transfer: the caller's channel turns up under a second tag."""
    log = (
        "[2026-11-21 08:00:01.000] VERBOSE[9][C-00000001] a.c: 17.1 PJSIP/a-00000001\n"
        "[2026-11-21 08:00:02.000] VERBOSE[9][C-00000002] a.c: transfer of"
        " PJSIP/a-00000001\n"
        "[2026-11-21 08:00:03.000] VERBOSE[9][C-00000002] a.c: the human answers\n"
        "[2026-11-21 08:00:04.000] VERBOSE[9][C-00000003] a.c: somebody else\n"
    )
    assert times(lines("17.1", *logs(log))) == [
        "08:00:01.000",
        "08:00:02.000",
        "08:00:03.000",
    ]


def test_asterisks_default_date_format(logs):
    log = (
        "[Nov  1 08:00:01] VERBOSE[9][C-00000001] a.c: call 17.1\n"
        "[Nov  1 08:00:03] VERBOSE[9][C-00000001] a.c: later\n"
    )
    agent = "2000-11-01T08:00:02.000+00:00 INFO call=17.1 agent: long before\n"
    found = lines("17.1", *logs(log, agent))
    assert [line.split()[0] for line in found] == ["agent", "asterisk", "asterisk"]


def test_lines_that_go_on_stay_together_and_move_no_cursor(logs):
    log = (
        "[2026-11-21 08:00:01.000] WARNING[9][C-00000001] a.c: call 17.1 \x1b[2J\r\n"
        "and more of it\n"
        "[2026-11-21 08:00:02.000] WARNING[9] a.c: not of it\n"
    )
    assert [line[10:] for line in lines("17.1", *logs(log))] == [
        "[2026-11-21 08:00:01.000] WARNING[9][C-00000001] a.c: call 17.1 ?[2J",
        "and more of it",
    ]
