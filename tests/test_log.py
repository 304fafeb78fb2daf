"""The log of whole calls, as an operator reads it; docs/logs.md has the rules."""

import ast
import asyncio
import json
import os
import re
import subprocess
import sys
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.session import Session
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.log import written
from tests.test_call import QUESTION, Scene

ROOT = Path(__file__).parents[1]
LINE = re.compile(
    r"(?P<time>\S+\+00:00) (?P<level>[A-Z]+)(?: call=(?P<call>\S+))?"
    r"(?: channel=(?P<channel>\S+))? (?P<logger>[\w.]+): (?P<message>.*)"
)
TAG = re.compile(r"\[([A-Z]+)\] ")
SAID = "What are your opening hours?"
CALL, CHANNEL = "1795245062.0", "WebSocket/ai_media/0x7fb4500075e0"


def read(text, as_json):
    # The fakes have servers of their own in this process.
    lines = [line for line in text.splitlines() if "uvicorn.access" not in line]
    if as_json:
        return [json.loads(line) for line in lines]
    matches = [LINE.fullmatch(line) for line in lines]
    assert all(matches), text
    return [match.groupdict() for match in matches]


def tags(lines):
    return [TAG.match(line["message"])[1] for line in lines]


@asynccontextmanager
async def call(agent, call_id=CALL):
    """In which the caller is greeted, asks and is answered."""
    asterisk = FakeAsterisk()
    scene = Scene(agent, asterisk)
    scene.session = Session(agent.call(call_id), agent.ai, asterisk, agent.parts)
    async with scene:
        turns = agent.records.turns
        asterisk.start()
        await scene.until(lambda: turns)
        scene.say(QUESTION)
        yield scene


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
async def test_a_good_call_is_a_handful_of_lines(agent, as_json):
    agent.recogniser.texts = [SAID]
    agent.provider.answers = ["We are open from nine."]
    with written(as_json=as_json) as log:
        async with call(agent) as scene:
            await scene.said(3)
    lines = read(log.getvalue(), as_json)
    assert tags(lines) == ["CALL", "AGENT", "CALLER", "AGENT", "WS", "CALL"]
    for line in lines:
        assert line["level"] == "INFO"
        assert line["call"] == CALL
        assert line["channel"] == CHANNEL
        assert line["logger"].startswith("agent.")
    began, _, asked, answered, _, ended = (line["message"] for line in lines)
    assert began == "[CALL] began: 100 -> 1000, AI desk, ulaw over json"
    assert re.fullmatch(r"\[CALLER\] 5 words, \d\.\d s", asked)
    assert re.match(r"\[AGENT\] 5 words, \d\.\d s; silence 0\.\d\d, stt ", answered)
    assert re.fullmatch(r"\[CALL\] ended: caller_hung_up after \d\.\d s", ended)


async def test_of_calls_at_once_each_line_is_of_its_own(agent):
    """The voice detector hears all calls in one go, in the context of one of them."""
    agent.recogniser.texts = [SAID] * 2
    agent.provider.answers = ["We are open from nine."] * 2

    async def one(call_id):
        async with call(agent, call_id) as scene:
            await scene.said(6)

    with written("DEBUG", as_json=True) as log:
        await asyncio.gather(one("17.1"), one("17.2"))
    ours = [
        line
        for line in read(log.getvalue(), as_json=True)
        if line["logger"].startswith("agent.")
    ]
    told = Counter(
        (line["call"], tag) for line, tag in zip(ours, tags(ours), strict=True)
    )
    # How often, with the words on a line of their own.
    each = {"CALL": 2, "AGENT": 4, "CALLER": 2, "STT": 2, "TTS": 4, "WS": 1}
    assert told == {(id, tag): n for id in ("17.1", "17.2") for tag, n in each.items()}


async def test_what_an_operator_does_is_of_the_call(agent):
    with written() as log:
        async with call(agent) as scene:
            scene.session.hold()
            scene.session.resume()
    held = [line for line in read(log.getvalue(), False) if "hold" in line["message"]]
    assert len(held) == 2
    for line in held:
        assert (line["call"], line["channel"]) == (CALL, CHANNEL)


@pytest.mark.parametrize(
    ("level", "with_words", "quoted"),
    [("INFO", False, False), ("DEBUG", False, True), ("INFO", True, True)],
)
async def test_what_is_said_is_logged_only_if_asked_for(
    agent, level, with_words, quoted
):
    agent.recogniser.texts = [SAID]
    agent.provider.answers = ["We are open from nine."]
    with written(level, with_words=with_words) as log:
        async with call(agent) as scene:
            await scene.said(3)
    assert (SAID in log.getvalue()) == quoted
    assert ("from nine" in log.getvalue()) == quoted


def test_libraries_say_no_hello(tmp_path):
    """pipecat has a banner for whoever imports it."""
    done = subprocess.run(
        [sys.executable, "-m", "agent", "serve"],
        env=os.environ | {"OFFHOOK_MODELS": str(tmp_path), "OFFHOOK_LOG_LEVEL": "INFO"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("offhook: no model ")


# How every line of ours begins, wherever it is written.

LEVELS = ("debug", "info", "warning", "error", "exception", "critical", "log")
NAMED = "[{}] "
ELSEWHERE = {
    "agent/session.py": NAMED,  # who spoke, or the stage that failed
    "agent/evals/text.py": NAMED,  # the stage
    "agent/local/child.py": NAMED,  # the local server's name
    "agent/local/output.py": NAMED,
    "agent/local/process.py": NAMED,
    # In local servers, whose lines the agent tags.
    "agent/local/llm.py": "",
    "agent/local/speech.py": "",
    # Hands on what libraries say.
    "agent/observe/logs.py": "{}",
}


def logged():
    """Path, line and first words of everything that is logged in agent/."""
    for path in sorted((ROOT / "agent").rglob("*.py")):
        where = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(
                node.func, ast.Attribute
            ):
                continue
            whose = ast.unparse(node.func.value)
            if node.func.attr not in LEVELS or not whose.startswith("logge"):
                continue
            first = node.args[1 if node.func.attr == "log" else 0]
            assert isinstance(first, ast.Constant), f"{where}:{node.lineno}"
            yield where, node.lineno, first.value


def test_every_line_begins_with_a_tag():
    seen = list(logged())
    assert len(seen) > 100
    for where, number, words in seen:
        begins = TAG.match(words) or (
            where in ELSEWHERE and words.startswith(ELSEWHERE[where])
        )
        assert begins, f"{where}:{number}: {words!r} has no tag"
    assert {where for where, _, words in seen if not TAG.match(words)} == set(ELSEWHERE)


def test_the_tags_are_those_of_the_manual():
    text = (ROOT / "docs/logs.md").read_text()
    told = set(re.findall(r"^\| `\[([A-Z]+)\]`", text, re.MULTILINE))
    used = {match[1] for *_, words in logged() if (match := TAG.match(words))}
    assert told == used | {"CALLER", "AGENT"}


def test_nobody_logs_past_it():
    """The standard library's logging would be written as well, but of no call."""
    named = re.compile(r"^\s*(?:import|from) logging\b", re.MULTILINE)
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "agent").rglob("*.py")
        if named.search(path.read_text())
    }
    assert found == {"agent/observe/logs.py", "agent/jobs/engine.py"}
