import pytest

from agent.conversation import catalogue
from agent.conversation.catalogue import Given, KnownVoice, usable
from agent.environment import SettingsError
from agent.settings import read_settings

EVERY = {**catalogue.MINDS, **catalogue.EARS, **catalogue.VOICES}


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, None),
        ({"openai": Given("k")}, "https://api.openai.com/v1"),
        ({"openai": Given(url="http://gpu:8000/v1/")}, "http://gpu:8000/v1"),
        ({"groq": Given("k")}, "https://api.groq.com/openai/v1"),
        ({"groq": Given()}, None),
        ({"azure": Given("k")}, None),
        ({"azure": Given(url="https://r.example/openai/v1")}, None),
        (
            {"azure": Given("k", "https://r.example/openai/v1")},
            "https://r.example/openai/v1",
        ),
        (
            {"ollama": Given(url="http://127.0.0.1:11434/v1")},
            "http://127.0.0.1:11434/v1",
        ),
        ({"vllm": Given("k")}, None),
    ],
)
def test_what_can_be_used(given, address):
    found = [there.url for _, there in usable(catalogue.MINDS, given).values()]
    assert found == ([address] if address else [])


@pytest.mark.parametrize("name", EVERY)
def test_every_provider_says_what_it_needs(name):
    known = EVERY[name]
    assert known.required
    assert known.base_url or known.url
    assert not known.base_url.endswith("/")


@pytest.mark.parametrize(
    ("name", "voice"),
    [
        ("en_US-joe-medium", KnownVoice("en_US-joe-medium", "en-US", "male")),
        ("de_DE-eva_k-x_low", KnownVoice("de_DE-eva_k-x_low", "de-DE", "female")),
        (
            "en_GB-southern_english_female-low",
            KnownVoice("en_GB-southern_english_female-low", "en-GB", "female"),
        ),
    ],
)
def test_names_of_pipers(name, voice):
    assert catalogue.piper_voice(name) == voice


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (kind, name)
        for kind in ("minds", "ears", "voices")
        for name in getattr(catalogue, kind.upper())
    ],
)
def test_the_variables_of_the_table_are_those_that_are_read(tmp_path, kind, name):
    known = getattr(catalogue, kind.upper())[name]
    given = {"OFFHOOK_DATA": str(tmp_path), "OFFHOOK_ENGINE_MODEL": f"{name}.m"}
    there = {known.key: "k-1"} if known.key else {}
    if known.url:
        there[known.url] = "http://127.0.0.1:9/v1/"
    before = read_settings(given, look_only=True).providers
    assert name not in getattr(before, kind)
    after = read_settings(given | there, look_only=True).providers
    endpoint = getattr(after, kind)[name]
    assert endpoint.api is known.api
    assert endpoint.key == ("k-1" if known.key else "")
    assert endpoint.base_url == there.get(known.url, known.base_url).rstrip("/")


@pytest.mark.parametrize(
    ("environment", "mind", "voice"),
    [
        ({}, "", ""),
        ({"OPENAI_API_KEY": "k", "OPENAI_MODEL": "gpt-4.1"}, "openai.gpt-4.1", ""),
        ({"OFFHOOK_ENGINE_MODEL": "groq.llama"}, "groq.llama", ""),
        ({"OFFHOOK_TTS_BASE_URL": "http://h/v1"}, "", "openai.tts-1"),
        (
            {"OFFHOOK_TTS_BASE_URL": "http://h/v1", "OFFHOOK_TTS_MODEL": "kokoro"},
            "",
            "openai.kokoro",
        ),
        (
            {"OFFHOOK_TTS": "elevenlabs.eleven_flash_v2_5"},
            "",
            "elevenlabs.eleven_flash_v2_5",
        ),
    ],
)
def test_defaults(tmp_path, environment, mind, voice):
    given = {"OFFHOOK_DATA": str(tmp_path), **environment}
    config = read_settings(given, look_only=True).providers
    assert (config.engine_model, config.stt, config.tts) == (mind, "", voice)


def test_openais_own_key_is_for_its_ears_and_voices_too(tmp_path):
    given = {"OFFHOOK_DATA": str(tmp_path), "OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"}
    config = read_settings(given).providers
    assert config.ears["openai"].key == config.voices["openai"].key == "k"
    own = read_settings(given | {"OPENAI_BASE_URL": "http://gpu/v1"}).providers
    assert "openai" not in own.ears and "openai" not in own.voices


def test_endpoints_of_an_operators_own(tmp_path):
    endpoints = "gpu2=http://gpu2:8000/v1 far=https://a%2Fb@llm.example/v1/"
    given = {"OFFHOOK_DATA": str(tmp_path), "OFFHOOK_ENDPOINTS": endpoints}
    config = read_settings(given).providers
    for there in (config.minds, config.ears, config.voices):
        assert there["gpu2"].base_url == "http://gpu2:8000/v1"
        assert (there["far"].base_url, there["far"].key) == (
            "https://llm.example/v1",
            "a/b",
        )


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"OFFHOOK_ENDPOINTS": "gpu2"}, "OFFHOOK_ENDPOINTS"),
        ({"OFFHOOK_ENDPOINTS": "gpu2=gpu2:8000"}, "OFFHOOK_ENDPOINTS"),
        ({"OFFHOOK_ENDPOINTS": "groq=http://gpu2:8000/v1"}, "'groq'"),
        ({"OPENAI_API_KEY": "k"}, "OPENAI_MODEL"),
        ({"OFFHOOK_ENGINE_MODEL": "gpt-4"}, "OFFHOOK_ENGINE_MODEL"),
        ({"OFFHOOK_STT": "deepgram."}, "OFFHOOK_STT"),
        ({"OFFHOOK_TTS": ".tts-1"}, "OFFHOOK_TTS"),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path, environment, named):
    with pytest.raises(SettingsError, match=named):
        read_settings({"OFFHOOK_DATA": str(tmp_path), **environment})


VOICES = (
    KnownVoice("us", "en-US", "male"),
    KnownVoice("uk", "en-GB", "female"),
    KnownVoice("any", "", "female"),
    KnownVoice("fr", "fr", "female"),
)


@pytest.mark.parametrize(
    ("language", "gender", "chosen"),
    [
        ("en-US", "", "us"),
        ("en-GB", "", "uk"),
        ("en_gb", "", "uk"),
        ("en-GB", "male", "us"),
        ("fr-CA", "", "any"),
        ("fr", "", "fr"),
        ("fr", "male", "fr"),
        ("de", "female", "any"),
    ],
)
def test_a_voice_for_language_and_gender(language, gender, chosen):
    assert catalogue.choose_voice(VOICES, language, gender).id == chosen


def test_nobody_speaks_it():
    assert catalogue.choose_voice(VOICES[:2], "de", "") is None
