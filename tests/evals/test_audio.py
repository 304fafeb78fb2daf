"""Calls by sound: a real voice, a real recogniser, a scripted mind."""

from pathlib import Path

import pytest

from agent.calls.ai import AIs
from agent.evals.audio import spoken
from agent.evals.judge import faults
from agent.evals.scenario import read_file
from agent.settings import read_settings
from tests.fakes.provider import FakeProvider, Running, ToolCall

pytestmark = pytest.mark.models

SUITE = Path(__file__).parents[2] / "evals"


async def test_what_was_said_and_done_on_the_line(models_folder, tmp_path):
    provider = FakeProvider(
        answers=[
            "A first visit costs forty euros.",
            ToolCall("set_variables", {"variables": {"customer_number": "4711"}}),
            "Thank you.",
            ToolCall("connect_call", {"destination": "200"}),
        ]
    )
    names = ("price", "keys", "human")
    scenarios = [read_file(SUITE / f"{name}.toml", AIs("", {})) for name in names]
    async with Running(provider.app()) as url:
        environment = {
            "OFFHOOK_DATA": str(tmp_path),
            "OFFHOOK_MODELS": str(models_folder),
            "OPENAI_BASE_URL": f"{url}/v1",
            "OPENAI_MODEL": "scripted",
            "OFFHOOK_STT_MODEL": "whisper-tiny.en",
            "OFFHOOK_TTS": "piper.piper",
        }
        async with spoken(read_settings(environment), scenarios) as calls:
            happened = [await calls.make(scenario) for scenario in scenarios]
    for scenario, call in zip(scenarios, happened, strict=True):
        assert faults(scenario.script, call) == [], call
    greeting, answer = happened[0].replies
    assert "how can i help you" in greeting.words.lower()
    assert answer.seconds is not None
    # The recogniser heard the caller: these are its words.
    asked = [chat["messages"][-1]["content"] for chat in provider.chats]
    assert "first visit" in asked[0]
    assert "4711" in asked[1]
