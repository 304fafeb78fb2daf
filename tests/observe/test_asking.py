"""The scripts' command line, as an operator types it, where there is only Python."""

import io
import json
import os
import subprocess
from pathlib import Path

import pytest

from agent.observe import asking

from .logs_of_calls import AGENT, ASTERISK, CALL, id_of, real

ROOT = Path(__file__).parents[2]
SCRIPTS = ("follow-call", "which-hop", "sip-ladder", "rtp-check")


def run(script, *arguments, stdin=None):
    return subprocess.run(
        ["python3", ROOT / "scripts" / script, *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "TZ": "UTC"},
        cwd="/",
        input=stdin,
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.fixture
def logs(tmp_path):
    (tmp_path / "full").write_text("\n".join(ASTERISK))
    (tmp_path / "agent").write_text("\n".join(AGENT))
    return tmp_path / "full", tmp_path / "agent"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_good_call(script, logs):
    done = run(script, CALL, *logs)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.splitlines()[-1].startswith(f"{CALL}: ")
    told = run(script, CALL, *logs, "--json")
    report = json.loads(told.stdout)
    assert (told.returncode, report["well"], report["cause"]) == (0, True, "well")
    assert done.stdout.splitlines()[-1] == f"{CALL}: {report['sentence']}"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_bad_call_from_standard_input(script):
    lines = real("oneway" if script != "sip-ladder" else "no-ack")
    done = run(script, id_of(lines), "-", stdin="\n".join(lines))
    assert (done.returncode, done.stderr) == (1, "")


def test_only_a_line_feed_ends_a_line_of_standard_input(monkeypatch):
    """A caller's name may hold a carriage return."""
    given = io.BytesIO(b"a\rb\r\nc\xe2\x80\xa8\xffd\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(given, "ascii"))
    assert list(asking.lines_of("-")) == ["a\rb\r\n", "c\u2028\ufffdd\n"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_call_that_is_not_there(script, logs):
    done = run(script, "17.1", *logs)
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout == "17.1: no line of this call is in these logs\n"


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_log_that_is_not_there(script):
    done = run(script, CALL, "/nowhere/full")
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot read /nowhere/full: No such file or directory" in done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_an_id_it_says_what_it_wants(script):
    done = run(script)
    assert done.returncode == 2
    assert "required: ID" in done.stderr


def test_brief_is_without_the_lines(logs):
    done = run("follow-call", CALL, *logs, "--brief")
    assert "Executing" not in done.stdout and done.stdout.startswith("ok  ")


@pytest.mark.parametrize("script", [*SCRIPTS, "missing-recording"])
def test_it_writes_nothing(script, logs):
    (before,) = {path.stat().st_mtime_ns for path in [ROOT / "agent" / "observe"]}
    run(script, CALL, *logs)
    assert (ROOT / "agent" / "observe").stat().st_mtime_ns == before
    assert sorted(path.name for path in logs[0].parent.iterdir()) == ["agent", "full"]


def test_of_a_large_log_only_what_is_near(tmp_path, monkeypatch):
    monkeypatch.setattr(asking, "NEAR", 2)
    lines = [f"line {number}\n" for number in range(20)]
    lines[8] = lines[10] = "call 17.1\n"
    lines[17] = "Asterisk 22 built by x\n"
    path = tmp_path / "full"
    path.write_text("".join(lines))
    ends = [lines[0], lines[17], lines[19]]
    near = [lines[0], *lines[6:13], *ends[1:]]
    assert list(asking.around("17.1", str(path), large=1)) == near
    assert list(asking.around("17.1", str(path))) == lines
    assert list(asking.around("99.9", str(path), large=1)) == ends
