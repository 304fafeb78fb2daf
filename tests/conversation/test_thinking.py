import pytest
from pipecat.frames.frames import (
    FunctionCallFromLLM,
    FunctionCallResultFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSSpeakFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.tests.utils import run_test

from agent.conversation.errors import Cause, ProviderError
from agent.conversation.script import Script
from agent.conversation.seams import Tokens
from agent.conversation.standing import Standing
from agent.conversation.thinking import Thinking
from tests.fakes.minds import FakeMind

THROTTLED = ProviderError(Cause.THROTTLED, "429")
CUT = ProviderError(Cause.CUT, "after 2 words")


class Scene:
    def __init__(self, *minds: FakeMind) -> None:
        self.troubles: list[tuple[str, str, Cause]] = []
        self.answered: list[bool] = []
        self.standing = Standing()
        self.thinking = Thinking(
            minds,
            self.standing,
            filler="One moment.",
            on_trouble=lambda stage, name, error: self.troubles.append(
                (stage, name, error.cause)
            ),
            on_answer=self.answered.append,
        )
        self.context = LLMContext([{"role": "user", "content": "When?"}])

    async def ask(self) -> str:
        """What came out: ( an answer begins, ) it ends, [a line], words."""
        down, _ = await run_test(
            self.thinking, frames_to_send=[LLMContextFrame(self.context)]
        )
        marks = []
        for frame in down:
            match frame:
                case LLMFullResponseStartFrame():
                    marks.append("(")
                case LLMFullResponseEndFrame():
                    marks.append(")")
                case LLMTextFrame():
                    marks.append(frame.text)
                case TTSSpeakFrame():
                    marks.append(f"[{frame.text}]")
                case FunctionCallResultFrame():
                    marks.append(f"{frame.function_name} -> {frame.result}")
        return "".join(marks)


async def test_the_first_mind_answers():
    first = FakeMind([["We are ", "open.", Tokens(10, 3)]], "a.one")
    second = FakeMind([], "b.two")
    scene = Scene(first, second)
    assert await scene.ask() == "(We are open.)"
    assert scene.answered == [True]
    assert second.asked == []


@pytest.mark.parametrize("cause", list(Cause))
async def test_the_next_mind_answers_when_one_fails(cause):
    first = FakeMind([[ProviderError(cause, "why")]], "a.one")
    scene = Scene(first, FakeMind([["We are open."]], "b.two"))
    assert await scene.ask() == "(We are open.)"
    assert scene.troubles == [("llm", "a.one", cause)]
    assert scene.thinking.first().name == "b.two", "a.one rests"


async def test_an_answer_that_is_cut_off_begins_again():
    first = FakeMind([["We are ", "open from ", CUT]], "a.one")
    scene = Scene(first, FakeMind([["From nine to five."]], "b.two"))
    said = await scene.ask()
    assert said == "(We are open from )[One moment.](From nine to five.)"
    assert scene.answered == [True]


async def test_an_empty_answer_is_none():
    first = FakeMind([[Tokens(5, 0)]], "a.one")
    scene = Scene(first, FakeMind([["Hello."]], "b.two"))
    assert await scene.ask() == "(Hello.)"
    assert scene.troubles == [("llm", "a.one", Cause.NONSENSE)]


async def test_when_all_fail_it_is_told():
    scene = Scene(FakeMind([[THROTTLED]], "a.one"), FakeMind([[THROTTLED]], "b.two"))
    assert await scene.ask() == "()"
    assert scene.answered == [False]
    assert [name for _, name, _ in scene.troubles] == ["a.one", "b.two"]


async def test_a_tool_is_used():
    scene = Scene(FakeMind([]))
    call = FunctionCallFromLLM("look_up", "1", {"order": "7"}, scene.context)
    scene.thinking._minds[0].scripts.append([[call]])  # type: ignore[attr-defined]

    async def look_up(params):
        await params.result_callback({"state": "shipped"})

    scene.thinking.register_function("look_up", look_up)
    assert "look_up -> {'state': 'shipped'}" in await scene.ask()
    assert scene.answered == [True]


async def test_what_was_begun_before_an_interruption_is_told_from_what_comes_after():
    script = Script("en")
    thinking = Thinking([FakeMind([])], Standing(), filler="", script=script)
    script.begin("We are open from nine.")
    await run_test(thinking, frames_to_send=[InterruptionFrame()])
    script.begin("Sorry.")
    assert script.interrupted("We are") == "We are open from nine."


async def test_summaries_come_from_the_same_minds():
    mind = FakeMind([["They talked ", "about hours."]])
    scene = Scene(mind)
    summary = await scene.thinking.run_inference(
        LLMContext([{"role": "user", "content": "..."}]),
        system_instruction="Summarise.",
    )
    assert summary == "They talked about hours."
    assert mind.asked[0][0] == {"role": "user", "content": "Summarise."}
