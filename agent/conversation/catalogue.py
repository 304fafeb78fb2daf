"""Which providers there are: what they speak, where they are, what they must be given.

A table to read, nothing more. settings.py turns it and the environment into endpoints;
what is not in it, and speaks OpenAI's API, is an endpoint with a name of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Api(StrEnum):
    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    DEEPGRAM = "deepgram"
    ELEVENLABS = "elevenlabs"


@dataclass(frozen=True, slots=True)
class Known:
    """A provider that we have heard of."""

    api: Api
    base_url: str = ""
    """Empty: everybody has his own."""
    key: str = ""
    """The environment's variable."""
    url: str = ""
    """The same."""
    needs_key: bool = True
    usually: str = ""
    """Where it listens unless told otherwise."""

    @property
    def required(self) -> str:
        """The variables that make it usable, for an operator to read."""
        wanted = [self.key] if self.needs_key else []
        if not self.base_url:
            wanted.append(self.url)
        elif self.url:
            wanted = [f"{self.key} or {self.url}"]
        hint = f", as a rule {self.usually}" if self.usually else ""
        return " and ".join(wanted) + hint


_OPENAI = "https://api.openai.com/v1"
_GROQ = "https://api.groq.com/openai/v1"


def _cloud(base_url: str, key: str, api: Api = Api.OPENAI) -> Known:
    return Known(api, base_url, key)


def _own_server(url: str, port: int, key: str = "") -> Known:
    usually = f"http://127.0.0.1:{port}/v1"
    return Known(Api.OPENAI, key=key, url=url, needs_key=False, usually=usually)


MINDS: Mapping[str, Known] = {
    "openai": Known(Api.OPENAI, _OPENAI, "OPENAI_API_KEY", "OPENAI_BASE_URL"),
    "azure": Known(
        Api.OPENAI,
        key="AZURE_OPENAI_API_KEY",
        url="AZURE_OPENAI_BASE_URL",
        usually="https://RESOURCE.openai.azure.com/openai/v1",
    ),
    "groq": _cloud(_GROQ, "GROQ_API_KEY"),
    "openrouter": _cloud("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "mistral": _cloud("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "deepseek": _cloud("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "together": _cloud("https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    "ollama": _own_server("OLLAMA_BASE_URL", 11434),
    "vllm": _own_server("VLLM_BASE_URL", 8000, "VLLM_API_KEY"),
    "llamacpp": _own_server("LLAMACPP_BASE_URL", 8080),
    "lmstudio": _own_server("LMSTUDIO_BASE_URL", 1234),
    "anthropic": _cloud(
        "https://api.anthropic.com", "ANTHROPIC_API_KEY", Api.ANTHROPIC
    ),
    "gemini": _cloud(
        "https://generativelanguage.googleapis.com", "GEMINI_API_KEY", Api.GEMINI
    ),
}
EARS: Mapping[str, Known] = {
    "openai": Known(Api.OPENAI, _OPENAI, "OFFHOOK_STT_API_KEY", "OFFHOOK_STT_BASE_URL"),
    "groq": _cloud(_GROQ, "GROQ_API_KEY"),
    "deepgram": _cloud("https://api.deepgram.com/v1", "DEEPGRAM_API_KEY", Api.DEEPGRAM),
}
VOICES: Mapping[str, Known] = {
    "openai": Known(Api.OPENAI, _OPENAI, "OFFHOOK_TTS_API_KEY", "OFFHOOK_TTS_BASE_URL"),
    "elevenlabs": _cloud(
        "https://api.elevenlabs.io/v1", "ELEVENLABS_API_KEY", Api.ELEVENLABS
    ),
}
LOCAL_MIND, LOCAL_EARS, LOCAL_VOICE = "local", "whisper", "piper"
"""Models of this machine: there when app.py has started them."""
TAKEN = frozenset({*MINDS, *EARS, *VOICES, LOCAL_MIND, LOCAL_EARS, LOCAL_VOICE})
"""Names that an operator cannot give to an endpoint of his own."""
REALTIME = ("openai",)
"""Minds that hear and speak by themselves."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer may keep a caller waiting, in seconds."""

    first: float = 5.0
    """For the first word."""
    stall: float = 4.0
    """Between two words."""
    whole: float = 60.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A provider of minds or ears that can be asked."""

    api: Api
    base_url: str
    """Ends in /v1 where it speaks OpenAI's API."""
    key: str = field(default="", repr=False)
    models: tuple[str, ...] = ()
    """All that it has; empty: nobody knows."""
    patience: Patience = Patience()
    keeps_connections: bool = True


@dataclass(frozen=True, slots=True)
class KnownVoice:
    id: str
    language: str = ""
    """BCP-47; empty: it speaks any."""
    gender: str = ""


OPENAI_RATE = 24000
TELEPHONE_RATE = 8000
"""Hertz."""


@dataclass(frozen=True, slots=True)
class SpeechEndpoint:
    """A provider of voices that can be asked."""

    api: Api
    base_url: str
    key: str = field(default="", repr=False)
    voice: str = ""
    """For AIs that name none."""
    voices: tuple[KnownVoice, ...] = ()
    """All that it has; empty: nobody knows."""
    rate: int = OPENAI_RATE
    """Hertz of what comes back."""
    asks_rate: bool = False
    """The server understands our `sample_rate`."""
    patience: Patience = Patience(first=4.0, stall=3.0)


class Given(NamedTuple):
    """What the environment says of a provider."""

    key: str = ""
    url: str = ""


def usable(
    table: Mapping[str, Known], given: Mapping[str, Given]
) -> dict[str, tuple[Known, Given]]:
    """Those of the table that have all they need, with the address to use."""
    found = {}
    for name, known in table.items():
        key, url = given.get(name, Given())
        # An address of one's own, where there is a public one, may need no key.
        open_house = not known.needs_key or bool(url and known.base_url)
        if (url or known.base_url) and (key or open_house):
            found[name] = (known, Given(key, (url or known.base_url).rstrip("/")))
    return found


OPENAI_VOICES = (
    KnownVoice("alloy"),
    *(KnownVoice(name, gender="male") for name in ("ash", "echo", "onyx", "verse")),
    *(KnownVoice(name, gender="male") for name in ("ballad", "cedar", "fable")),
    *(KnownVoice(name, gender="female") for name in ("coral", "nova", "sage")),
    *(KnownVoice(name, gender="female") for name in ("shimmer", "marin")),
)
KOKORO_VOICES = (
    KnownVoice("af_heart", "en-US", "female"),
    KnownVoice("am_michael", "en-US", "male"),
    KnownVoice("bf_emma", "en-GB", "female"),
    KnownVoice("bm_george", "en-GB", "male"),
    KnownVoice("ef_dora", "es", "female"),
    KnownVoice("em_alex", "es", "male"),
    KnownVoice("ff_siwis", "fr", "female"),
    KnownVoice("hf_alpha", "hi", "female"),
    KnownVoice("hm_omega", "hi", "male"),
    KnownVoice("if_sara", "it", "female"),
    KnownVoice("im_nicola", "it", "male"),
    KnownVoice("jf_alpha", "ja", "female"),
    KnownVoice("jm_kumo", "ja", "male"),
    KnownVoice("pf_dora", "pt-BR", "female"),
    KnownVoice("pm_alex", "pt-BR", "male"),
    KnownVoice("zf_xiaobei", "zh", "female"),
    KnownVoice("zm_yunxi", "zh", "male"),
)
ELEVENLABS_VOICES = (
    KnownVoice("EXAVITQu4vr4xnSDxMaL", gender="female"),  # Sarah
    KnownVoice("JBFqnCBsd6RMkjVDRZzb", gender="male"),  # George
)
_FEMALE_PIPERS = frozenset(
    "alba amy cori eva_k hfc_female jenny_dioco kathleen kerstin kristin lessac"
    " ljspeech paola ramona siwis southern_english_female".split()
)


def piper_voice(name: str) -> KnownVoice:
    """What the name of a Piper voice says: `de_DE-thorsten-medium`."""
    language, _, rest = name.partition("-")
    speaker = rest.rpartition("-")[0]
    gender = "female" if speaker in _FEMALE_PIPERS else "male"
    return KnownVoice(name, language.replace("_", "-"), gender)


def voices_for(api: Api, model: str) -> Sequence[KnownVoice]:
    """Voices that a model surely has; there may be more."""
    if api is Api.ELEVENLABS:
        return ELEVENLABS_VOICES
    if "kokoro" in model.lower():
        return KOKORO_VOICES
    return OPENAI_VOICES if "tts" in model.lower() else ()


def choose_voice(
    voices: Sequence[KnownVoice], language: str, gender: str
) -> KnownVoice | None:
    """The best for that language and gender; None: nobody speaks the language."""
    speakers = [voice for voice in voices if closeness(voice, language)]
    return max(
        speakers,
        key=lambda voice: (gender in ("", voice.gender), closeness(voice, language)),
        default=None,
    )


def closeness(voice: KnownVoice, language: str) -> int:
    """3: the very language, 2: it speaks any, 1: another country's, 0: another."""
    if not voice.language:
        return 2
    spoken, wanted = voice.language.lower(), language.lower().replace("_", "-")
    if spoken == wanted:
        return 3
    return int(spoken.partition("-")[0] == wanted.partition("-")[0])


def parted(chosen: str) -> tuple[str, str]:
    """Provider and model of `<provider>.<model>`; either may be empty."""
    provider, _, model = chosen.partition(".")
    return provider, model
