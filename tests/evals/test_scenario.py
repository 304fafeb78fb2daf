from pathlib import Path

import pytest

from agent.calls.ai import AI, AIs
from agent.calls.toolbox import HttpTool
from agent.evals.scenario import (
    Answer,
    CallerTurn,
    Expectation,
    ScenarioError,
    SentExpected,
    ToolExpected,
    find,
    read,
    read_file,
)

DESK = AI("desk", "You answer the phone.")
AIS = AIs("desk", {"desk": DESK})
SUITE = Path(__file__).parents[2] / "evals"
AI_TABLE = "[ai]\nprompt = 'x'\n"
TURN = "[[turns]]\nsays = 'hi'\n"


def test_a_whole_scenario():
    scenario = read(
        """
        about = "An order."
        caller = "+4930123456"
        variables = { order = "1" }
        runs = 3
        must_pass = 2
        beyond = ["tiny"]
        [ai]
        prompt = "You look up orders."
        [[ai.http_tools]]
        name = "order_status"
        description = "Looks up an order."
        url = "https://shop.example/{order}"
        [[world.http]]
        path = "/12"
        json = { status = "shipped" }
        after = 2
        [[turns]]
        says = "Order 12."
        expect = { tools = [{ name = "order_status", arguments = { order = 12 } }] }
        [[turns]]
        keys = "1#"
        when = ["press"]
        [expect]
        ends = "agent_hung_up"
        sent = [{ to = "a@b.example" }]
        """,
        "order",
        AIS,
    )
    assert scenario.name == scenario.ai.name == "order"
    (tool,) = scenario.ai.http_tools
    assert isinstance(tool, HttpTool)
    script = scenario.script
    assert (script.runs, script.must_pass, script.beyond) == (3, 2, ("tiny",))
    assert script.world.http == (Answer("/12", json={"status": "shipped"}, after=2),)
    assert script.turns == (
        CallerTurn(
            "Order 12.",
            expect=Expectation(tools=(ToolExpected("order_status", {"order": 12}),)),
        ),
        CallerTurn(keys="1#", when=("press",)),
    )
    assert script.expect == Expectation(
        ends="agent_hung_up", sent=(SentExpected("a@b.example"),)
    )


def test_an_ai_that_is_in_use():
    assert read(f"ai = 'desk'\n{TURN}", "x", AIS).ai == DESK


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[turns", "x: not TOML"),
        (TURN, "x: ai.x is not a table"),
        (f"ai = 'sales'\n{TURN}", "no AI is called 'sales'; there are: desk"),
        (f"{TURN}[ai]\nprompt = ' '", "AI 'x': prompt is empty"),
        (f"{TURN}[ai]\nprompt = 'x'\nvoise = 'x'", "AI 'x': unknown key 'voise'"),
        ("ai = 'desk'", "no turns"),
        ("ai = 'desk'\nturns = []", "turns is empty"),
        (f"ai = 'desk'\nrun = 3\n{TURN}", "unknown key 'run'; known: turns, about,"),
        (f"ai = 'desk'\nruns = 0\n{TURN}", "runs is 0"),
        (f"ai = 'desk'\nmust_pass = 2\n{TURN}", "must_pass is 2, not in 0..1"),
        ("ai = 'desk'\n[[turns]]\nsays = 3", "turns[0].says is 3, not a string"),
        ("ai = 'desk'\n[[turns]]", "turns[0].give one of says or audio, keys, silent"),
        ("ai = 'desk'\n[[turns]]\nsays = 'a'\nkeys = '1'", "give one of"),
        ("ai = 'desk'\n[[turns]]\nkeys = '1A'", "keys is '1A'"),
        (
            "ai = 'desk'\n[[turns]]\nsays = 'a'\nexpect = {say = ['b']}",
            "unknown key 'turns[0].expect.say'",
        ),
        (
            "ai = 'desk'\n[[turns]]\nsays = 'a'\nexpect = {says = ['/(/']}",
            "no regular expression",
        ),
        (f"ai = 'desk'\n{TURN}[expect]\nends = 'bored'", "ends is 'bored', not one of"),
        (
            f"ai = 'desk'\n{TURN}[expect]\ntools = [{{nam = 'x'}}]",
            "unknown key 'expect.tools[0].nam'",
        ),
    ],
)
def test_every_mistake_is_named(text, says):
    with pytest.raises(ScenarioError) as caught:
        read(text, "x", AIS)
    assert says in str(caught.value)


def test_files_and_folders(tmp_path):
    for name in ("b.toml", "a.toml", "notes.md"):
        (tmp_path / name).write_text(f"ai = 'desk'\n{TURN}")
    a, b = tmp_path / "a.toml", tmp_path / "b.toml"
    assert find([tmp_path, b]) == [a, b, b]
    assert read_file(a, AIS).folder == tmp_path
    with pytest.raises(ScenarioError, match="no .toml file"):
        (tmp_path / "empty").mkdir()
        find([tmp_path / "empty"])
    with pytest.raises(ScenarioError, match="cannot be read"):
        read_file(tmp_path / "c.toml", AIS)


def test_the_suite():
    scenarios = [read_file(path, AIS) for path in find([SUITE])]
    assert len(scenarios) >= 20
    assert all(scenario.script.about for scenario in scenarios)
    for scenario in scenarios:
        expected = [scenario.script.expect]
        expected += [turn.expect for turn in scenario.script.turns]
        assert any(expect != Expectation() for expect in expected), scenario.name
