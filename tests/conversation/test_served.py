"""Which AIs this machine can serve, and what is told of those it cannot."""

from dataclasses import replace

import httpx
import pytest

from agent.calls.ai import AI, AIError, ModelError
from agent.conversation.catalogue import Api, Endpoint
from agent.conversation.config import ProvidersConfig
from agent.conversation.providers import Providers
from agent.conversation.served import Served
from agent.conversation.tools.toolbox import Toolbox
from tests.fakes.provider import FakeRecogniser

CLOUD = ProvidersConfig(
    minds={"openai": Endpoint(Api.OPENAI, "http://127.0.0.1:9/v1")},
    ears={"groq": Endpoint(Api.OPENAI, "http://127.0.0.1:9/v1")},
    engine_model="openai.gpt-5",
    stt="groq.whisper",
)
HERE = CLOUD.with_local_mind("http://127.0.0.1:9/v1", "qwen").with_piper(
    "http://127.0.0.1:9/v1", ["piper-en_US-joe-medium"]
)
DESK = AI("desk", "You answer.")


@pytest.fixture
async def serving():
    made = []

    def serving(config, whisper=""):
        http = httpx.AsyncClient(verify=False)
        ears = FakeRecogniser() if whisper else None
        served = Served(config, Providers(config, ears), Toolbox(http), whisper)
        made.append((served, http))
        return served

    yield serving
    for served, http in made:
        await served.providers.close()
        await http.aclose()


@pytest.mark.parametrize(
    ("more", "config", "whisper"),
    [
        ({}, HERE, ""),
        ({"engine_model": "local.qwen"}, HERE, ""),
        ({"stt": "whisper"}, HERE, "x"),
        ({"mode": "realtime"}, CLOUD, ""),
    ],
)
def test_it_can(serving, more, config, whisper):
    ai = replace(DESK)
    if more.get("stt"):
        more = {"stt": f"whisper.{FakeRecogniser().name.partition('.')[2]}"}
    serving(config, whisper).check(replace(ai, **more))


@pytest.mark.parametrize(
    ("more", "config", "kind", "says"),
    [
        ({}, CLOUD, ModelError, "this machine's own voice, not started"),
        (
            {"engine_model": "local.qwen", "stt": "whisper.base"},
            CLOUD,
            ModelError,
            "own language model and speech recognition and voice, not started",
        ),
        (
            {"fallback_models": ("local.qwen",), "mode": "realtime"},
            CLOUD,
            ModelError,
            "own language model, not started",
        ),
        ({"engine_model": "moon.x"}, HERE, ModelError, "no provider 'moon'"),
        ({"engine_model": "local.x"}, HERE, ModelError, "no model 'x'"),
        ({"stt": "deepgram.x"}, HERE, ModelError, "DEEPGRAM_API_KEY not set"),
        ({"voice": "amy"}, HERE, ModelError, "no voice 'amy'"),
        ({"noise": "service"}, HERE, AIError, "noise is 'service', which was not"),
        ({"tool_names": ("fly",)}, HERE, AIError, "no tool is called 'fly'"),
    ],
)
def test_it_cannot(serving, more, config, kind, says):
    with pytest.raises(AIError, match=says) as error:
        serving(config).check(replace(DESK, **more))
    assert type(error.value) is kind


def test_what_there_is(serving):
    assert serving(HERE, "base").known() == {
        "engine_model": {"openai": [], "local": ["qwen"]},
        "fallback_models": {"openai": [], "local": ["qwen"]},
        "stt": {"groq": [], "whisper": ["base"]},
        "tts": {"piper": ["piper"]},
        "voice": {"piper": ["en_US-joe-medium"]},
    }
    assert serving(CLOUD).known()["tts"] == {}
