"""The suite's calls, in writing: real conversation, real tools, scripted minds.

On a clock that jumps, but for documents: a database is a thread, which it cannot see.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agent.calls.ai import AI, AIs
from agent.conversation.config import ProvidersConfig
from agent.conversation.seams import Mind
from agent.conversation.text import WrittenProviders
from agent.evals.house import Toolboxes, WrittenCalls
from agent.evals.judge import Happened, faults
from agent.evals.scenario import (
    Answer,
    CallerTurn,
    Scenario,
    ScenarioError,
    Script,
    World,
    find,
    read_file,
)
from tests import virtual_time

from .minds import MINDS, ScriptedMind

SUITE = Path(__file__).parents[2] / "evals"
NAMES = [path.stem for path in find([SUITE])]
TOOLBOXES = Toolboxes({}, "US")
DESK = AI("desk", "You answer.", greeting="Hello.", filler_seconds=0)


class Scripted(WrittenProviders):
    def __init__(self, mind: Mind) -> None:
        super().__init__(ProvidersConfig())
        self._mind = mind

    def minds(self, ai: AI, system: str) -> list[Mind]:
        return [self._mind]


def call(scenario: Scenario, *answers) -> Happened:
    return call_with(ScriptedMind(list(answers)), scenario)


def call_with(mind: Mind, scenario: Scenario) -> Happened:
    async def make() -> Happened:
        providers = Scripted(mind)
        try:
            return await WrittenCalls(providers, TOOLBOXES).make(scenario)
        finally:
            await providers.close()

    run: Any = asyncio.run if scenario.script.world.documents else virtual_time.run
    made: Happened = run(make())
    return made


def by_name(name: str) -> Scenario:
    return read_file(SUITE / f"{name}.toml", AIs("", {}))


def test_every_scenario_has_a_mind():
    assert sorted(MINDS) == sorted(NAMES)


async def test_every_ai_can_have_its_tools():
    await TOOLBOXES.check([by_name(name) for name in NAMES])


@pytest.mark.parametrize("name", NAMES)
def test_a_good_mind_passes(name):
    scenario = by_name(name)
    assert faults(scenario.script, call(scenario, *MINDS[name])) == []


@pytest.mark.parametrize(
    "name", sorted(set(NAMES) - {"forbidden-transfer", "injection", "silence"})
)
def test_a_mind_that_says_nothing_useful_fails(name):
    scenario = by_name(name)
    assert faults(scenario.script, call(scenario)) != []


def test_what_was_said_and_done_in_each_turn():
    happened = call(by_name("order-status"), *MINDS["order-status"])
    greeting, asked, answered = happened.replies
    assert (greeting.turn, greeting.words) == (
        None,
        "Northwind Shop, how can I help you?",
    )
    assert greeting.seconds is None
    assert (asked.turn, asked.said) == (0, ("What is the order number?",))
    assert asked.seconds is not None
    assert [use.name for use in answered.tool_uses] == ["order_status"]
    assert "Friday" in answered.words
    assert happened.ends == ""


def test_sentences_of_one_breath_are_one():
    script = Script((CallerTurn("Hours?"),))
    happened = call(Scenario("x", DESK, script), "From nine. Until five, daily.")
    assert happened.replies[-1].said == ("From nine. Until five, daily.",)


def test_a_turn_is_left_out_unless_it_was_asked_for():
    script = Script(
        (
            CallerTurn("Hi", when=("Hello",)),
            CallerTurn("Blue", when=("colour",)),
            CallerTurn("Bye"),
        )
    )
    happened = call(Scenario("x", DESK, script), "Yes?", "Goodbye.")
    assert [reply.turn for reply in happened.replies] == [None, 0, 2]


def test_the_world_outside_can_fail():
    scenario = by_name("order-status")
    world = World((Answer("/orders/*", status=503),))
    script = Script(scenario.script.turns, world=world)
    happened = call(Scenario("x", scenario.ai, script), *MINDS["order-status"])
    assert happened.replies[-1].tool_uses[0].failed


def test_an_ai_that_never_answers():
    script = Script((CallerTurn("Hi"),), patience=0.2)
    ai = AI("desk", "You answer.", filler_seconds=0, silence=DESK.silence)

    class Mute(ScriptedMind):
        async def think(self, context):
            await asyncio.sleep(3600)
            yield ""

    happened = call_with(Mute([]), Scenario("x", ai, script))
    assert happened.trouble == "no whole answer came within 0.2 s"


def test_sound_without_words_needs_sound():
    script = Script((CallerTurn(audio="hello.wav"),))
    happened = call(Scenario("x", DESK, script))
    assert happened.trouble == "hello.wav has no words: run it with --audio"


async def test_a_tool_that_there_is_not():
    ai = AI("desk", "You answer.", tool_names=("search_knowledge",))
    scenario = Scenario("x", ai, Script((CallerTurn("Hi"),)))
    with pytest.raises(ScenarioError, match="x: AI 'desk': search_knowledge needs"):
        await TOOLBOXES.check([scenario])
