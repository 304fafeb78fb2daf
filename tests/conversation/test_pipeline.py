"""Whole conversations without a telephone: typed to, and spoken into a mouth whose
Asterisk only takes. Minds and voices are scripted, time is virtual."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest
from pipecat.frames.frames import FunctionCallFromLLM
from pipecat.processors.aggregators.llm_context import LLMContext

from agent.calls.ai import AI, Silence
from agent.calls.call import EndReason
from agent.calls.control import CallControlError
from agent.calls.transcript import ToolUse, Trouble, Turn
from agent.calls.usage import Use
from agent.conversation.ears import Ears
from agent.conversation.errors import Cause, ProviderError
from agent.conversation.pipeline import Conversation, Memory
from agent.conversation.seams import Tokens
from agent.media.mouth import Mouth
from agent.media.transport import AgentAudio
from agent.wire.audio import codec
from agent.wire.dialect import Driver
from tests import virtual_time
from tests.fakes.minds import FakeMind, FakeVoice
from tests.fakes.toolbox import no_toolbox

FAILED = ProviderError(Cause.THROTTLED, "429")
ASKS = AI("desk", "You answer.", greeting="Hello there.", silence=Silence(8, 2))


class _Ears(Ears):
    """Typed to, and as a telephone's on hold."""

    def __init__(self, ai: AI, mouth: Mouth) -> None:
        super().__init__(ai)
        self._mouth = mouth

    def close(self) -> None:
        super().close()
        self._mouth.keep()

    def open(self) -> None:
        super().open()
        self._mouth.resume()


@dataclass
class Scene:
    """The providers, the control and the events of one conversation."""

    ai: AI = ASKS
    scripts: Sequence[Sequence[object]] = ()
    second: Sequence[Sequence[object]] = ()
    """Of a mind that is asked when the first one fails."""
    turns: list[Turn] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    uses: list[ToolUse] = field(default_factory=list)
    costs: list[Use] = field(default_factory=list)
    ends: list[tuple[EndReason, str, str]] = field(default_factory=list)
    connected: list[str] = field(default_factory=list)
    human_answers: bool = True
    variables: dict[str, str] = field(default_factory=dict)
    caller: str = "+491"
    customer: str = "default"

    def __post_init__(self) -> None:
        self.mind = FakeMind(list(self.scripts))  # type: ignore[arg-type]
        self.other_mind = FakeMind(list(self.second), "other.mind")  # type: ignore[arg-type]
        self.voice = FakeVoice()

    # Providers.

    def minds(self, ai: AI, system: str) -> list[FakeMind]:
        return [self.mind, self.other_mind] if self.second else [self.mind]

    def voices(self, ai: AI) -> list[FakeVoice]:
        return [self.voice]

    # What the session does.

    def on_turn(self, turn: Turn) -> None:
        self.turns.append(turn)

    def on_tool_use(self, use: ToolUse) -> None:
        self.uses.append(use)

    def on_trouble(self, trouble: Trouble) -> None:
        self.troubles.append(trouble)

    def on_use(self, use: Use) -> None:
        self.costs.append(use)

    async def part(self, reason: EndReason, farewell: str, detail: str = "") -> None:
        self.ends.append((reason, farewell, detail))
        if farewell:
            await self.conversation.say(farewell)
        await self.conversation.finish()

    async def hang_up(self, farewell: str) -> None:
        await self.part(EndReason.AGENT_HUNG_UP, farewell)

    async def leave(self, farewell: str) -> None:
        await self.part(EndReason.AGENT_LEFT, farewell)

    async def connect(self, destination: str, announcement: str) -> None:
        if not self.human_answers:
            raise CallControlError("nobody is there")
        self.connected.append(destination)
        await self.part(EndReason.CONNECTED, announcement, destination)

    async def stop_media(self) -> None: ...

    async def record_stop(self) -> None: ...

    async def record_start(self) -> None: ...

    async def record_pause(self) -> None: ...

    async def record_resume(self) -> None: ...

    # The call.

    async def talk(self, script: str) -> None:
        """What the caller types, in lines; a number is so many seconds of waiting."""
        loop = asyncio.get_running_loop()
        self.now: Callable[[], float] = loop.time

        async def send(message: bytes | str) -> None: ...

        mouth = Mouth(send, Driver("json"), codec("ulaw"), 20, clock=loop.time)
        self.conversation = conversation = Conversation(
            self.ai, self, no_toolbox(), Memory(), self, self
        )
        self.ears = _Ears(self.ai, mouth)
        conversation.connect(self.ears, AgentAudio(mouth))
        writing = asyncio.create_task(mouth.run())
        running = asyncio.create_task(conversation.run())
        await asyncio.sleep(0.1)
        for line in script.splitlines():
            match line.strip().split(" ", 1):
                case [""]:
                    continue
                case ["answered"]:
                    conversation.answered()
                case ["hold"]:
                    conversation.hold()
                case ["resume"]:
                    conversation.resume()
                case ["key", digit]:
                    conversation.key(digit)
                case ["says", text]:
                    self.ears.typed(text)
                case ["pauses", text]:
                    self.ears.guessed(text)
                case ["silence!"]:
                    await conversation.be_silent()
                case [seconds]:
                    await asyncio.sleep(float(seconds))
        if not running.done():
            await conversation.cancel()
        await running
        writing.cancel()

    def cost(self) -> dict[tuple[str, str], float]:
        """By meter and model, summed up."""
        summed: dict[tuple[str, str], float] = {}
        for use in self.costs:
            key = (use.meter.value, use.model)
            summed[key] = summed.get(key, 0) + use.amount
        return summed

    @property
    def said(self) -> list[str]:
        """By the agent, as it went to the voice."""
        return self.voice.spoken


def talk(script: str, *scripts: Sequence[object], **options: object) -> Scene:
    scene = Scene(scripts=scripts, **options)  # type: ignore[arg-type]
    virtual_time.run(scene.talk(script))
    return scene


def test_nothing_is_said_before_the_caller_is_there():
    assert talk("30").said == []


def test_the_greeting_is_said_once():
    scene = talk("answered \n 2")
    assert scene.said == ["Hello there."]
    assert [turn.text for turn in scene.turns] == ["Hello there."]


def test_a_start_instruction_lets_the_model_begin():
    ai = replace(ASKS, greeting="", start="Ask for consent.")
    scene = talk("answered \n 3", ["May I ask ", "you something?"], ai=ai)
    assert scene.said == ["May I ask you something?"]
    assert "Ask for consent." in str(scene.mind.asked[0][-1])


def test_an_answer():
    scene = talk("answered \n 2 \n says When? \n 3", ["From nine."])
    assert [(turn.speaker.value, turn.text) for turn in scene.turns] == [
        ("agent", "Hello there."),
        ("caller", "When?"),
        ("agent", "From nine."),
    ]


def test_a_silent_caller_is_asked_twice_and_then_left():
    scene = talk("answered \n 40")
    assert scene.said == [
        "Hello there.",
        "Are you still there?",
        "I will hang up now. Goodbye.",
    ]
    assert [reason for reason, *_ in scene.ends] == [EndReason.CALLER_SILENT]
    reprompts = [turn.text for turn in scene.turns[1:3]]
    assert reprompts == ["Are you still there?"] * 2, "from memory the second time"


def test_who_answers_a_reprompt_is_not_left():
    scene = talk(
        "answered \n 9 \n says Yes. \n 2 \n 9 \n says Yes! \n 5", ["Ah."], ["So."]
    )
    assert scene.ends == []


def test_a_slow_answer_is_announced():
    scene = talk("answered \n 2 \n says When? \n 8", [3.0, "From nine."])
    assert scene.said[1:] == ["One moment, please.", "From nine."]
    assert [turn.text for turn in scene.turns][-1] == "From nine."


def test_a_quick_answer_is_not():
    scene = talk("answered \n 2 \n says When? \n 8", [1.0, "From nine."])
    assert scene.said[1:] == ["From nine."]


def test_a_failure_is_told_to_the_caller_and_written_down():
    scene = talk(
        "answered \n 2 \n says When? \n 6 \n says When? \n 6", [FAILED], ["Nine."]
    )
    assert "something went wrong" in scene.said[1]
    assert scene.said[-1] == "Nine."
    (trouble,) = scene.troubles
    assert (trouble.stage, trouble.provider, trouble.cause) == (
        "llm",
        "fake.mind",
        "throttled",
    )
    assert scene.ends == []


TWICE = "answered \n 2 \n says When? \n 7 \n says When? \n 12"


def test_after_two_failures_a_human_takes_the_call():
    ai = replace(ASKS, human="200")
    scene = talk(TWICE, [FAILED], [FAILED], ai=ai)
    assert scene.connected == ["200"]
    assert scene.said[-1] == "I will connect you with a colleague."


@pytest.mark.parametrize("human", ["", "200"])
def test_without_a_human_the_call_ends_with_a_word(human):
    ai = replace(ASKS, human=human)
    scene = talk(TWICE, [FAILED], [FAILED], ai=ai, human_answers=False)
    ((reason, farewell, _),) = scene.ends
    assert reason is EndReason.PROVIDER_FAILED
    assert "Goodbye" in farewell


def test_a_voice_that_is_gone_ends_the_call_too():
    scene = Scene()
    scene.voice.fails = FAILED
    virtual_time.run(scene.talk("answered \n 20"))
    assert scene.ends[0][0] is EndReason.PROVIDER_FAILED


def test_on_hold_nobody_is_reminded():
    scene = talk("answered \n 2 \n hold \n 100 \n resume \n 2")
    assert scene.said == ["Hello there."]
    scene = talk("answered \n 2 \n hold \n 100 \n resume \n 10")
    assert scene.said == ["Hello there.", "Are you still there?"]


def test_speech_is_interrupted_by_a_hold_and_goes_on_after_it():
    ai = replace(ASKS, greeting=" ".join(["word"] * 30) + ".")
    scene = talk("answered \n 1 \n hold \n 20 \n resume \n 5", ai=ai)
    assert scene.turns[0].text == ai.greeting
    assert not scene.turns[0].interrupted


def test_keys_are_told_to_the_model():
    scene = talk("answered \n 2 \n key 1 \n 6", ["Sales."])
    assert scene.mind.asked[0][-1] == {
        "role": "user",
        "content": "The caller pressed 1.",
    }


def test_when_both_have_said_goodbye_the_call_ends():
    scene = talk("answered \n 2 \n says Goodbye. \n 8", ["Goodbye, have a nice day."])
    assert scene.ends == [(EndReason.AGENT_HUNG_UP, "", "")]


def test_a_call_has_a_longest_length_and_a_warning_before_it():
    ai = replace(ASKS, max_minutes=0.5, warn_seconds=15.0)
    scene = talk("answered \n 20 \n says Oh. \n 20", ["Well."], ai=ai)
    assert "We have one minute left." in scene.said
    assert [reason for reason, *_ in scene.ends] == [EndReason.TOO_LONG]


def test_a_tool_is_used_and_its_result_told():
    context = LLMContext()
    call = FunctionCallFromLLM("set_variables", "1", {"variables": {"a": "b"}}, context)
    ai = replace(ASKS, tool_names=("set_variables",))
    scene = talk("answered \n 2 \n says Note it. \n 5", [[call]], ["Done."], ai=ai)
    assert scene.variables == {"a": "b"}
    assert scene.said[-1] == "Done."
    assert [use.name for use in scene.uses] == ["set_variables"]


def test_a_tool_that_tells_nothing_is_answered_too():
    call = FunctionCallFromLLM("get_variables", "1", {}, LLMContext())
    ai = replace(ASKS, tool_names=("get_variables",))
    scene = talk("answered \n 2 \n says Look. \n 5", [[call]], ["Nothing."], ai=ai)
    assert scene.said[-1] == "Nothing."


@pytest.mark.parametrize("how", ["cancel", "cancelled from outside"])
def test_a_goodbye_that_is_never_heard_to_its_end_ends_all_the_same(how):
    async def gone() -> None:
        scene = Scene()
        loop = asyncio.get_running_loop()

        async def never(message: bytes | str) -> None:
            await asyncio.Event().wait()

        mouth = Mouth(never, Driver("json"), codec("ulaw"), 20, clock=loop.time)
        scene.conversation = conversation = Conversation(
            scene.ai, scene, no_toolbox(), Memory(), scene, scene
        )
        conversation.connect(_Ears(scene.ai, mouth), AgentAudio(mouth))
        running = asyncio.create_task(conversation.run())
        conversation.answered()
        await asyncio.sleep(1)
        await scene.hang_up("Goodbye, and thank you for calling.")
        await asyncio.sleep(0.2)
        if how == "cancel":
            await conversation.cancel()
        else:
            running.cancel()
        async with asyncio.timeout(1):
            await asyncio.wait([running])

    virtual_time.run(gone())


GREETED = len("Hello there.")
NINE = "From nine."
ASKED = "answered \n 2 \n says When? \n 6"


@pytest.mark.parametrize(
    ("scripts", "second", "expected"),
    [
        pytest.param(
            [[NINE, Tokens(100, 8, 40)]],
            [],
            {
                ("llm_input_tokens", "fake.mind"): 60,
                ("llm_cached_tokens", "fake.mind"): 40,
                ("llm_output_tokens", "fake.mind"): 8,
                ("tts_characters", "fake.voice"): GREETED + len(NINE),
            },
            id="an answer",
        ),
        pytest.param(
            [[Tokens(100, 1), NINE, Tokens(100, 8)]],
            [],
            {
                ("llm_input_tokens", "fake.mind"): 100,
                ("llm_output_tokens", "fake.mind"): 8,
                ("tts_characters", "fake.voice"): GREETED + len(NINE),
            },
            id="what is told last counts",
        ),
        pytest.param(
            [[NINE]],
            [],
            {
                ("unreported_requests", "fake.mind"): 1,
                ("tts_characters", "fake.voice"): GREETED + len(NINE),
            },
            id="a provider that does not say",
        ),
        pytest.param(
            [[FAILED]],
            [[NINE, Tokens(100, 8)]],
            {
                ("llm_input_tokens", "other.mind"): 100,
                ("llm_output_tokens", "other.mind"): 8,
                ("tts_characters", "fake.voice"): GREETED + len(NINE),
            },
            id="who refuses takes nothing",
        ),
        pytest.param(
            [[Tokens(90, 3), ProviderError(Cause.CUT, "in the middle")]],
            [[NINE, Tokens(100, 8)]],
            {
                ("llm_input_tokens", "fake.mind"): 90,
                ("llm_output_tokens", "fake.mind"): 3,
                ("llm_input_tokens", "other.mind"): 100,
                ("llm_output_tokens", "other.mind"): 8,
                ("tts_characters", "fake.voice"): GREETED + len(NINE),
            },
            id="who breaks off does",
        ),
    ],
)
def test_what_a_conversation_costs(scripts, second, expected):
    assert talk(ASKED, *scripts, second=second).cost() == expected


def test_a_line_that_is_known_by_heart_costs_nothing():
    """The second reprompt is the first one's sound."""
    scene = talk("answered \n 24")
    assert [turn.text for turn in scene.turns[1:]] == ["Are you still there?"] * 2
    assert scene.cost() == {
        ("tts_characters", "fake.voice"): GREETED + len("Are you still there?")
    }


def test_an_answer_that_is_interrupted_costs_what_was_told_of_it():
    script = [Tokens(100, 1), "We are open ", 30.0, Tokens(100, 50)]
    scene = talk("answered \n 2 \n says When? \n 1 \n silence! \n 1", script)
    assert scene.cost()["llm_input_tokens", "fake.mind"] == 100
    assert scene.cost()["llm_output_tokens", "fake.mind"] == 1


def test_an_answer_that_was_begun_in_vain_costs_what_was_told_of_it():
    """The caller pauses, and then goes on."""
    script = "answered \n 2 \n pauses When \n 1 \n says When is it? \n 5"
    scene = talk(script, [Tokens(90, 1), "Well. ", 9.0], [NINE, Tokens(100, 8)])
    assert scene.cost() == {
        ("llm_input_tokens", "fake.mind"): 190,
        ("llm_output_tokens", "fake.mind"): 9,
        ("tts_characters", "fake.voice"): GREETED + len("Well.") + len(NINE),
    }


def test_a_voice_that_refuses_costs_nothing():
    scene = Scene()
    scene.voice.fails = FAILED
    virtual_time.run(scene.talk("answered \n 5"))
    assert scene.costs == []


LONG = "We are open from nine to five, but never on a Sunday."


@pytest.mark.parametrize(
    ("script", "scripts", "ai", "expected"),
    [
        pytest.param(
            "answered \n 2 \n says When? \n 1 \n silence! \n 1",
            [[LONG]],
            ASKS,
            LONG,
            id="an answer",
        ),
        pytest.param(
            "answered \n 2 \n says When? \n 1 \n silence! \n 1",
            [["We are open from nine to five, ", "but ", 30.0, "never."]],
            ASKS,
            "We are open from nine to five, but",
            id="as far as it was written",
        ),
        pytest.param(
            "answered \n 2 \n says When? \n 3 \n says What? \n 1 \n silence! \n 1",
            [[LONG], [LONG]],
            ASKS,
            LONG,
            id="the second one",
        ),
        pytest.param(
            "answered \n 0.8 \n silence! \n 1",
            [],
            replace(ASKS, greeting=LONG),
            LONG,
            id="a greeting",
        ),
        pytest.param(
            "answered \n 2 \n says When? \n 9", [[LONG]], ASKS, "", id="nobody speaks"
        ),
    ],
)
def test_what_it_was_about_to_say(script, scripts, ai, expected):
    turn = talk(script, *scripts, ai=ai).turns[-1]
    assert turn.spoken == expected
    assert turn.interrupted == bool(expected)
    assert turn.text
    assert LONG.startswith(turn.text)
    if expected:
        assert len(turn.text) < len(LONG)
