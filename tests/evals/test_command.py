import argparse
import json
from contextlib import asynccontextmanager

import pytest

from agent.evals import command, house
from agent.evals.judge import Happened, Reply

SCENARIO = """
ai = { prompt = "You answer." }
[[turns]]
says = "Hours?"
expect.says = ["nine"]
"""
RIGHT = Happened((Reply("Hours?", 0, ("From nine.",), seconds=0.5),))
WRONG = Happened((Reply("Hours?", 0, ("From ten.",), seconds=0.5),))


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(words)


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("OFFHOOK_DATA", str(tmp_path / "var"))
    path = tmp_path / "hours.toml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture
def answered(monkeypatch):
    """Calls have these outcomes, one after the other."""
    outcomes = []

    class Calls:
        async def make(self, scenario):
            return outcomes.pop(0)

    @asynccontextmanager
    async def opened(settings, scenarios):
        yield Calls()

    monkeypatch.setattr(house, "written", opened)
    return outcomes


@pytest.mark.parametrize(("outcome", "status"), [(RIGHT, 0), (WRONG, 1)])
async def test_the_exit_status_says_it(file, answered, capsys, outcome, status):
    answered.append(outcome)
    assert await command.run(parsed(str(file))) == status
    assert "hours" in capsys.readouterr().out


async def test_known_to_be_too_hard_is_no_failure(file, answered, capsys):
    file.write_text(f'beyond = ["qwen2.5-coder-0.5b"]\n{SCENARIO}')
    answered.append(WRONG)
    assert await command.run(parsed(str(file))) == 0
    assert "HARD  hours" in capsys.readouterr().out


async def test_runs_and_json(file, answered, capsys):
    answered += [RIGHT, WRONG]
    assert await command.run(parsed(str(file), "--runs", "2", "--json")) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["model"] == "qwen2.5-coder-0.5b"
    assert [len(run["faults"]) for run in told["scenarios"][0]["runs"]] == [0, 1]


@pytest.mark.parametrize(
    ("text", "says"),
    [("[[turns", "hours: not TOML"), ("ai = 'nobody'", "no AI is called 'nobody'")],
)
async def test_a_wrong_file_is_refused(file, capsys, text, says):
    file.write_text(text)
    assert await command.run(parsed(str(file))) == 2
    assert says in capsys.readouterr().err


async def test_an_ai_that_cannot_think_is_refused(file, capsys):
    file.write_text(SCENARIO.replace("}", ', engine_model = "groq.big" }', 1))
    assert await command.run(parsed(str(file))) == 2
    assert "hours: 'groq.big': there is no provider 'groq'" in capsys.readouterr().err


async def test_a_wrong_setting_is_refused(file, capsys, monkeypatch):
    monkeypatch.setenv("OFFHOOK_PORT", "many")
    assert await command.run(parsed(str(file))) == 2
    assert "OFFHOOK_PORT" in capsys.readouterr().err


async def test_a_model_that_is_not_there(file, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("OFFHOOK_MODELS", str(tmp_path / "nothing"))
    assert await command.run(parsed(str(file))) == 1
    assert "qwen2.5-coder-0.5b" in capsys.readouterr().err
