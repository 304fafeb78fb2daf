"""docs/evals.md has every key of a scenario, and its example works."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from agent.calls.ai import AIs
from agent.evals.scenario import CallerTurn, Expectation, Script, find, read

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "evals.md").read_text()


@pytest.mark.parametrize("kind", [Script, CallerTurn, Expectation])
def test_every_key_is_documented(kind):
    for field in fields(kind):
        assert re.search(rf"`{field.name}(\.\w+)?`", PAGE), field.name


def test_the_example_can_be_read():
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    scenario = read(example, "example", AIs("", {}))
    assert scenario.script.turns[1].expect.within == 3


def test_the_table_has_the_suite():
    rows = re.findall(r"^\| `([a-z-]+)` \|", PAGE.split("## The suite")[1], re.M)
    assert sorted(rows) == sorted(path.stem for path in find([ROOT / "evals"]))
