"""The three calls of the seed, through a real Asterisk, heard and spoken by real
models: order status, an appointment that ends with a transfer, a survey.

Only the mind is scripted, so that it uses its tools as a large one would; what small
ones make of the same calls is for `offhook eval` (docs/evals.md).
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import soxr

from agent.conversation.config import WhisperConfig
from agent.conversation.whisper import Whisper
from agent.local.speech import Piper
from agent.media.audio import ENCODE
from agent.phone.line import CallOver
from tests.fakes.provider import FakeProvider, Running, ToolCall

from .asterisk import Asterisk, eventually
from .offhook import Offhook
from .test_agent import answered_by, over, words

pytestmark = [pytest.mark.asterisk, pytest.mark.models]

AIS = """
[ai.orders]
greeting = "Hello, this is the shop. How can I help you?"
prompt = "You tell callers about their orders."
tool_names = ["get_variables"]
variables = {order_12345 = "shipped yesterday, arrives on Friday"}
[ai.appointments]
greeting = "Welcome! How can I help you today?"
prompt = "You make appointments."
tool_names = ["set_variables", "connect_call"]
policy = {extensions = ["100"]}
[ai.survey]
greeting = "This is a brief satisfaction survey. May I continue?"
prompt = "You ask two questions."
tool_names = ["set_variables", "stop_service"]
"""

Rule = tuple[str, str | ToolCall]
"""What the last message must hold, and the answer to it."""
ORDERS: list[Rule] = [
    ("did .*shipped", "Your order shipped yesterday and will arrive by Friday."),
    ("order status", "I am happy to help. What is your order number?"),
    ("1.?2.?3.?4.?5|five", ToolCall("get_variables", {})),
]
APPOINTMENT: list[Rule] = [
    (
        "did .*preferred_date",
        ToolCall(
            "connect_call",
            {"destination": "100", "announcement": "I will transfer you to our team."},
        ),
    ),
    ("appointment", "What day works best for you?"),
    (
        "tuesday",
        ToolCall("set_variables", {"variables": {"preferred_date": "Tuesday"}}),
    ),
]
SURVEY: list[Rule] = [
    ("did .*q1_score", "What could we improve?"),
    (
        "did .*q2_feedback",
        ToolCall("stop_service", {"farewell": "Thank you for your feedback!"}),
    ),
    ("yes", "On a scale of one to ten, how satisfied are you?"),
    ("8|eight", ToolCall("set_variables", {"variables": {"q1_score": "8"}})),
    ("music", ToolCall("set_variables", {"variables": {"q2_feedback": "the music"}})),
]


def scripted(rules: list[Rule]) -> Any:
    def reply(messages: list[dict[str, Any]]) -> str | ToolCall:
        last = str(messages[-1].get("content", "")).lower()
        if messages[-1]["role"] == "tool":
            last = (
                f"did {messages[-2]['tool_calls'][0]['function']['arguments']} {last}"
            )
        for pattern, answer in rules:
            if re.search(pattern, last):
                return answer
        return "Could you say that again?"

    return reply


@pytest.fixture(scope="module")
def mind() -> FakeProvider:
    return FakeProvider()


@pytest.fixture(scope="module")
def whisper(models_folder) -> Iterator[Whisper]:
    whisper = Whisper(WhisperConfig(models_folder / "whisper-base"))
    yield whisper
    whisper.close()


@pytest.fixture(scope="module")
def says(models_folder):
    (voice,) = (models_folder / "piper-en_US-joe-medium").glob("*.onnx")
    piper = Piper(voice)

    def say(text: str) -> bytes:
        pcm = np.concatenate(list(piper.sentences(text, 1.0)))
        narrow = soxr.resample(pcm.astype(np.float32), piper.rate, 8000)
        return ENCODE["ulaw"](narrow.astype(np.int16).tobytes())

    return say


@pytest.fixture
async def offhook(asterisk: Asterisk, tmp_path, mind):
    (tmp_path / "ais.toml").write_text(AIS)
    async with Running(mind.app()) as url:
        running = Offhook(
            tmp_path,
            asterisk.agent_port,
            asterisk.agent_password,
            OFFHOOK_AIS=str(tmp_path / "ais.toml"),
            OFFHOOK_MONITOR=str(asterisk.recordings),
            OFFHOOK_SPOOL=str(asterisk.spool),
            OPENAI_BASE_URL=f"{url}/v1",
            OPENAI_MODEL="scripted",
        )
        running.up()
        yield running
        running.down()


@pytest.mark.parametrize(
    ("ai", "rules", "lines", "heard", "tools", "variables", "end"),
    [
        (
            "orders",
            ORDERS,
            ["I want to check my order status.", "It is order 1 2 3 4 5."],
            ["how can i help", "order number", "friday"],
            ["get_variables"],
            {},
            "caller_hung_up",
        ),
        (
            "appointments",
            APPOINTMENT,
            ["I need to schedule an appointment.", "Next Tuesday afternoon."],
            ["welcome", "best for you", "transfer you"],
            ["set_variables", "connect_call"],
            {"preferred_date": "Tuesday"},
            "connected",
        ),
        (
            "survey",
            SURVEY,
            ["Yes, please.", "I would say eight.", "The music while I wait."],
            ["survey", "scale", "could we", "feedback"],
            ["set_variables", "set_variables", "stop_service"],
            {"q1_score": "8", "q2_feedback": "the music"},
            "agent_left",
        ),
    ],
)
async def test_a_call_of_the_seed(
    offhook, asterisk, phone, whisper, mind, says, ai, rules, lines, heard, tools,
    variables, end,
):  # fmt: skip
    mind.reply = scripted(rules)
    with answered_by(asterisk, ai):
        async with await phone().dial(asterisk.uri()) as line:
            await line.hear_sound(within=30)
            await line.hear_silence(1.5, within=30)
            for text in lines:
                await line.play(says(text))
                await line.hear_sound(within=60)
                # The AI may hang up after the last of them.
                with suppress(CallOver):
                    await line.hear_silence(2.0, within=60)
    said = " ".join(words(whisper, line))
    print(f"\n{ai}: {said}")
    for part in heard:
        assert part in said
    await eventually(lambda: over(offhook) >= 1, within=30)
    call = offhook.get(f"/calls/{offhook.get('/calls')['calls'][0]['id']}")
    assert [use["name"] for use in call["tool_uses"]] == tools
    assert {k: v for k, v in call["variables"].items() if k in variables} == variables
    assert call["end_reason"] == end
    speakers = [turn["speaker"] for turn in call["turns"]]
    assert speakers.count("caller") == len(lines)
    await eventually(
        lambda: len(offhook.get(f"/calls/{call['id']}")["recordings"]) == 3, within=60
    )
