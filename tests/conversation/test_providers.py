"""Who hears, thinks and speaks for an AI; and what is refused when one is saved."""

import dataclasses

import pytest

from agent.calls.ai import AI, AIError
from agent.conversation.catalogue import (
    OPENAI_VOICES,
    TELEPHONE_RATE,
    Api,
    Endpoint,
    SpeechEndpoint,
)
from agent.conversation.config import ProvidersConfig
from agent.conversation.providers import Providers
from agent.conversation.seams import Transcript

URL = "http://127.0.0.1:9/v1"


class Ears:
    name = "whisper.base"

    async def transcribe(self, pcm, rate, language):
        return Transcript("", language, 0.0)


CLOUD = ProvidersConfig(
    minds={"openai": Endpoint(Api.OPENAI, URL), "groq": Endpoint(Api.OPENAI, URL)},
    ears={"deepgram": Endpoint(Api.DEEPGRAM, URL), "openai": Endpoint(Api.OPENAI, URL)},
    voices={
        "openai": SpeechEndpoint(Api.OPENAI, URL, voice="alloy", voices=OPENAI_VOICES),
        "elevenlabs": SpeechEndpoint(Api.ELEVENLABS, URL),
        "gpu": SpeechEndpoint(Api.OPENAI, URL),
    },
)
LOCAL = ("piper-en_US-joe-medium", "en_GB-alba-medium", "de_DE-thorsten-medium")
ALL = CLOUD.with_local_mind(URL, "qwen2.5").with_piper(URL, LOCAL)


def ai(**options):
    return AI("desk", "You answer the phone.", **options)


@pytest.fixture(scope="module")
def made():
    return Providers(ALL, Ears())


def names(things):
    return [thing.name for thing in things]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["local.qwen2.5"]),
        ({"engine_model": "openai.gpt-4.1"}, ["openai.gpt-4.1"]),
        (
            {
                "engine_model": "openai.gpt-4.1",
                "fallback_models": ("groq.llama-3.3-70b", "local.qwen2.5"),
            },
            ["openai.gpt-4.1", "groq.llama-3.3-70b", "local.qwen2.5"],
        ),
    ],
)
def test_who_thinks(made, options, expected):
    assert names(made.minds(ai(**options), "")) == expected


@pytest.mark.parametrize(
    ("stt", "expected"),
    [
        ("", ["whisper.base"]),
        ("whisper.base", ["whisper.base"]),
        ("deepgram.nova-3", ["deepgram.nova-3", "whisper.base"]),
        ("openai.whisper-1", ["openai.whisper-1", "whisper.base"]),
    ],
)
def test_who_hears(made, stt, expected):
    assert names(made.recognisers(ai(stt=stt))) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["piper.piper/en_US-joe-medium"]),
        ({"gender": "female"}, ["piper.piper/en_GB-alba-medium"]),
        ({"language": "en-GB"}, ["piper.piper/en_GB-alba-medium"]),
        ({"language": "de"}, ["piper.piper/de_DE-thorsten-medium"]),
        ({"voice": "de_DE-thorsten-medium"}, ["piper.piper/de_DE-thorsten-medium"]),
        (
            {"tts": "openai.tts-1"},
            ["openai.tts-1/alloy", "piper.piper/en_US-joe-medium"],
        ),
        (
            {"tts": "openai.tts-1", "gender": "female", "language": "de"},
            ["openai.tts-1/coral", "piper.piper/de_DE-thorsten-medium"],
        ),
        (
            {"tts": "elevenlabs.eleven_flash_v2_5", "gender": "male"},
            [
                "elevenlabs.eleven_flash_v2_5/JBFqnCBsd6RMkjVDRZzb",
                "piper.piper/en_US-joe-medium",
            ],
        ),
        (
            {"tts": "elevenlabs.eleven_flash_v2_5", "voice": "mine"},
            ["elevenlabs.eleven_flash_v2_5/mine", "piper.piper/en_US-joe-medium"],
        ),
        (
            {"tts": "gpu.kokoro", "language": "it", "gender": "male"},
            ["gpu.kokoro/im_nicola", "piper.piper/en_US-joe-medium"],
        ),
        (
            {"tts": "gpu.something"},
            ["gpu.something/default", "piper.piper/en_US-joe-medium"],
        ),
    ],
)
def test_who_speaks(made, options, expected):
    assert names(made.voices(ai(**options))) == expected


def test_an_operators_own_voice_is_kept_until_another_is_wanted():
    voices = {"gpu": SpeechEndpoint(Api.OPENAI, URL, voice="af_sky")}
    made = Providers(ProvidersConfig(voices=voices, tts="gpu.kokoro"))
    assert names(made.voices(ai())) == ["gpu.kokoro/af_sky"]
    assert names(made.voices(ai(gender="male"))) == ["gpu.kokoro/am_michael"]


def test_rates(made):
    rates = [voice.rate for voice in made.voices(ai(tts="openai.tts-1"))]
    assert rates == [24000, TELEPHONE_RATE]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"engine_model": "openai.any", "fallback_models": ("local.qwen2.5",)},
        {"stt": "whisper.base"},
        {"stt": "deepgram.any", "stt_language": "auto"},
        {"tts": "openai.any", "voice": "nova"},
        {"tts": "elevenlabs.any", "voice": "anybody", "language": "fr"},
        {"language": "de-AT"},
        {"mode": "realtime", "engine_model": "openai.gpt-realtime"},
    ],
)
def test_what_can_be_is_taken(made, options):
    made.check(ai(**options))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"engine_model": "nobody.m"},
            ["engine_model", "nobody", "groq, local, openai", "ANTHROPIC_API_KEY"],
        ),
        ({"engine_model": "anthropic.claude"}, ["not set up", "ANTHROPIC_API_KEY"]),
        ({"engine_model": "ollama.qwen3"}, ["OLLAMA_BASE_URL", "11434"]),
        (
            {"engine_model": "azure.gpt-4.1"},
            ["AZURE_OPENAI_API_KEY and AZURE_OPENAI_BASE_URL"],
        ),
        ({"engine_model": "local.gpt-4.1"}, ["'gpt-4.1'", "there are: qwen2.5"]),
        ({"fallback_models": ("mistral.m",)}, ["fallback_models", "MISTRAL_API_KEY"]),
        ({"stt": "groq.whisper"}, ["stt", "GROQ_API_KEY", "deepgram, openai, whisper"]),
        ({"stt": "whisper.large"}, ["'large'", "there are: base"]),
        ({"stt": "nobody.m"}, ["nobody", "GROQ_API_KEY"]),
        ({"tts": "nobody.m"}, ["nobody", "elevenlabs, gpu, openai, piper"]),
        ({"tts": "piper.low"}, ["'low'", "there are: piper"]),
        (
            {"voice": "nova"},
            ["piper has no voice 'nova'", "en_US-joe-medium en-US male"],
        ),
        ({"tts": "openai.tts-1", "voice": "joe"}, ["openai has no voice", "alloy"]),
        ({"language": "fr"}, ["speaks 'fr'", "de_DE-thorsten-medium de-DE"]),
        (
            {"mode": "realtime", "engine_model": "groq.llama"},
            ["realtime", "'groq'", "openai"],
        ),
    ],
)
def test_what_cannot_be_is_refused_with_what_there_is(made, options, words):
    with pytest.raises(AIError) as refused:
        made.check(ai(**options))
    for word in ("'desk'", *words):
        assert word in str(refused.value)


def test_without_anything_the_models_of_this_machine_are_missed():
    with pytest.raises(AIError, match="there is no provider 'local'"):
        Providers(ProvidersConfig()).check(ai())
    config = ProvidersConfig().with_local_mind(URL, "qwen2.5")
    with pytest.raises(AIError, match="there is no provider 'whisper'"):
        Providers(config).check(ai())
    with pytest.raises(AIError, match="there is no provider 'piper'"):
        Providers(config, Ears()).check(ai())


@pytest.mark.parametrize(
    ("config", "ais", "used"),
    [
        (ProvidersConfig(), [ai()], {"local", "whisper", "piper"}),
        (
            ProvidersConfig(engine_model="openai.m", tts="openai.tts-1"),
            [ai()],
            {"openai", "whisper"},
        ),
        (
            ProvidersConfig(engine_model="openai.m"),
            [ai(fallback_models=("local.q",)), ai(tts="elevenlabs.e", stt="groq.w")],
            {"openai", "local", "whisper", "piper", "elevenlabs", "groq"},
        ),
    ],
)
def test_which_providers_are_used(config, ais, used):
    assert config.used(ais) == used


def test_keys_are_not_shown():
    shown = repr(
        dataclasses.replace(CLOUD, minds={"x": Endpoint(Api.OPENAI, URL, "k-1")})
    )
    assert "k-1" not in shown
