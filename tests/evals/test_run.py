import json
from datetime import UTC, datetime

import pytest

from agent.calls.ai import AI
from agent.calls.transcript import ToolUse
from agent.evals import report
from agent.evals.judge import Happened, Reply, Sent
from agent.evals.run import Outcome, Result, Run, evaluate
from agent.evals.scenario import CallerTurn, Expectation, Scenario, Script

DESK = AI("desk", "You answer the phone.")
RIGHT = Happened((Reply("Hours?", 0, ("From nine.",), seconds=0.5),))
WRONG = Happened((Reply("Hours?", 0, ("From ten.",), seconds=0.9),))
TURN = CallerTurn("Hours?", expect=Expectation(says=("nine",)))
FAULT = "turn 1: said nothing of 'nine'"


def scenario(**script) -> Scenario:
    return Scenario("hours", DESK, Script((TURN,), **script))


def calls(*happened: Happened):
    remaining = list(happened)

    async def make_call(_: Scenario) -> Happened:
        return remaining.pop(0)

    return make_call


@pytest.mark.parametrize(
    ("script", "times", "happened", "outcome"),
    [
        ({}, None, [RIGHT], Outcome.PASS),
        ({}, None, [WRONG], Outcome.FAIL),
        ({"runs": 3}, None, [RIGHT, WRONG, RIGHT], Outcome.FAIL),
        ({"runs": 3, "must_pass": 2}, None, [RIGHT, WRONG, RIGHT], Outcome.PASS),
        ({"runs": 3, "must_pass": 2}, 1, [WRONG], Outcome.FAIL),
        ({"runs": 3, "must_pass": 2}, 2, [RIGHT, WRONG], Outcome.FAIL),
        ({"beyond": ("tiny",)}, None, [WRONG], Outcome.TOO_HARD),
        ({"beyond": ("tiny",)}, None, [RIGHT], Outcome.PASS),
        ({"beyond": ("other",)}, None, [WRONG], Outcome.FAIL),
    ],
)
async def test_as_often_as_the_scenario_wants(script, times, happened, outcome):
    made = await evaluate(scenario(**script), calls(*happened), "tiny", times=times)
    assert made.outcome is outcome
    assert len(made.runs) == len(happened)
    assert [run.faults for run in made.runs] == [
        () if one is RIGHT else (FAULT,) for one in happened
    ]


USE = ToolUse("look", '{"a": 1}', "no", datetime(2026, 11, 21, tzinfo=UTC), 3, True)
BUSY = Happened(
    (
        Reply(said=("Hello.",)),
        Reply(
            "Hours?", 0, ("Well.", "From ten."), (USE,), 0.9, {}, (Sent("+1", "Hi"),)
        ),
    ),
    "connected",
    "200",
)


def result(outcome: Outcome, *runs: Run) -> Result:
    return Result(scenario(about="When is it open?"), outcome, runs)


def test_a_line_when_all_is_well():
    passed = result(Outcome.PASS, Run(RIGHT, (), 2.0))
    (line,) = report.lines(passed, verbose=False)
    assert line.split() == [
        "PASS",
        "hours",
        "2.0",
        "s,",
        "slowest",
        "answer",
        "0.5",
        "s",
    ]


def test_why_and_what_was_said_when_it_is_not():
    failed = result(Outcome.FAIL, Run(RIGHT, (), 2.0), Run(BUSY, (FAULT,), 2.0))
    head, *rest = report.lines(failed, verbose=False)
    assert head.split()[:3] == ["FAIL", "hours", "1/2"]
    assert [line.strip() for line in rest] == [
        "run 2",
        f"- {FAULT}",
        "agent:  Hello.",
        "caller: Hours?",
        'look {"a": 1} -> failed: no',
        "sent to +1: Hi",
        "agent:  Well.  (0.90 s)",
        "agent:  From ten.",
        "ended:  connected to 200",
    ]


def test_verbose_has_the_transcript_of_all():
    passed = result(Outcome.PASS, Run(RIGHT, (), 2.0))
    lines = [line.strip() for line in report.lines(passed, verbose=True)]
    assert lines[1:] == [
        "When is it open?",
        "caller: Hours?",
        "agent:  From nine.  (0.50 s)",
    ]


def test_json_has_everything():
    told = report.as_json([result(Outcome.FAIL, Run(BUSY, (FAULT,), 2.0))], "tiny")
    (one,) = json.loads(told)["scenarios"]
    assert (one["name"], one["outcome"]) == ("hours", "fail")
    (run,) = one["runs"]
    assert run["faults"] == [FAULT]
    assert (run["ends"], run["connected"]) == ("connected", "200")
    assert run["replies"][1]["agent"] == ["Well.", "From ten."]
    assert run["replies"][1]["tools"][0]["failed"] is True
    assert run["replies"][1]["sent"] == [{"to": "+1", "text": "Hi"}]


def test_the_sum(capsys):
    report.sum_up(
        [
            result(Outcome.PASS, Run(RIGHT, (), 1)),
            result(Outcome.TOO_HARD, Run(WRONG, (FAULT,), 1)),
        ]
    )
    assert capsys.readouterr().out == (
        "1 of 2 passed, 0 failed, 1 too hard for this model, as is known\n"
    )
