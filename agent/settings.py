"""The environment, read once, into the small config types of the rooms below.

Every variable is a row of docs/settings.md (a test sees to it). A value that makes no
sense is an error that names the variable, and the agent does not start.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.calls.ai import AIError, AIs, read
from agent.conversation.providers import LlmConfig
from agent.conversation.speech import OPENAI_RATE, SpeechConfig
from agent.conversation.whisper import WhisperConfig
from agent.media.gate import GateConfig
from agent.media.noise import NoiseServiceConfig
from agent.models.config import ModelsConfig
from agent.storage.recordings import RecordingsConfig, S3Config
from agent.web.audiosocket import AudioSocketConfig
from agent.web.telephony_ws import TelephonyConfig

LOCAL_LLM = "qwen2.5-coder-0.5b"
LOCAL_VOICE = "piper-en_US-joe-medium"


class SettingsError(ValueError):
    """A variable of the environment is wrong. Names it and what is expected."""


@dataclass(frozen=True, slots=True)
class Settings:
    host: str
    port: int
    data: Path
    database_url: str
    ais: AIs
    telephony: TelephonyConfig
    audiosocket: AudioSocketConfig
    operator_token: str
    max_calls: int
    max_lag: float
    """Seconds of loop lag from which on no further call is taken."""
    max_waiting: int
    """Utterances in the queue of the recogniser, likewise."""
    drain_seconds: float
    log_level: str
    log_json: bool
    gate: GateConfig
    noise: NoiseServiceConfig
    models: ModelsConfig
    stt_model: str
    turn_model: str
    """Empty: silence alone says when a caller has finished."""
    whisper: WhisperConfig
    """Its folder is known once the model is found: see app.py."""
    llm: LlmConfig | None
    """None: a model of our own, on this machine."""
    llm_model: str
    """The local one."""
    llm_threads: int
    speech: SpeechConfig | None
    """None: Piper, on this machine."""
    voice_model: str
    recordings: RecordingsConfig


def cache(environment: Mapping[str, str] = os.environ) -> Path:
    base = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(environment.get("OFFHOOK_CACHE") or f"{base}/offhook")


def models(environment: Mapping[str, str] = os.environ) -> ModelsConfig:
    """Apart from the rest: `offhook models` needs nothing else."""
    values = _Values(environment)
    return ModelsConfig(
        folder=values.path("OFFHOOK_MODELS", cache(environment) / "models"),
        mirror=values.text("OFFHOOK_MODELS_MIRROR", ""),
        hub=values.text("HF_ENDPOINT", "https://huggingface.co").removeprefix("none"),
    )


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    values = _Values(environment)
    data = values.path("OFFHOOK_DATA", Path("var"))
    return Settings(
        host=values.text("OFFHOOK_HOST", "127.0.0.1"),
        port=values.whole("OFFHOOK_PORT", 7860, 1, 65535),
        data=data,
        database_url=values.text("DATABASE_URL", f"sqlite:///{data}/offhook.db"),
        ais=_ais(values),
        telephony=TelephonyConfig(
            username=values.text("OFFHOOK_MEDIA_USERNAME", "asterisk"),
            password=values.text("OFFHOOK_MEDIA_PASSWORD", "") or _password(data),
        ),
        audiosocket=AudioSocketConfig(
            host=values.text("OFFHOOK_AUDIOSOCKET_HOST", "127.0.0.1"),
            port=values.whole("OFFHOOK_AUDIOSOCKET_PORT", 0, 0, 65535),
        ),
        operator_token=values.text("OFFHOOK_TOKEN", ""),
        max_calls=values.whole("OFFHOOK_MAX_CALLS", 20, 1, 10000),
        max_lag=values.number("OFFHOOK_MAX_LAG_SECONDS", 0.1, 0.005, 10),
        max_waiting=values.whole("OFFHOOK_MAX_STT_WAITING", 6, 1, 1000),
        drain_seconds=values.number("OFFHOOK_DRAIN_SECONDS", 30, 0, 86400),
        log_level=values.one_of(
            "OFFHOOK_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")
        ),
        log_json=values.one_of("OFFHOOK_LOG", "text", ("text", "json")) == "json",
        gate=GateConfig(
            voiced=values.number("OFFHOOK_VAD_VOICED", 0.5, 0.05, 0.99),
            floor=values.number("OFFHOOK_VAD_FLOOR_DBFS", -55, -100, 0),
            confirm=values.number("OFFHOOK_VAD_CONFIRM_SECONDS", 0.16, 0.03, 2),
            stop=values.number("OFFHOOK_VAD_STOP_SECONDS", 0.5, 0.2, 5),
            stop_unfinished=values.number(
                "OFFHOOK_VAD_STOP_UNFINISHED_SECONDS", 1.1, 0.2, 10
            ),
        ),
        noise=NoiseServiceConfig(
            values.text("OFFHOOK_NC_URL", NoiseServiceConfig().url)
        ),
        models=models(environment),
        turn_model=values.text("OFFHOOK_TURN_MODEL", ""),
        stt_model=values.text("OFFHOOK_STT_MODEL", "whisper-base"),
        whisper=WhisperConfig(
            folder=Path(),
            window=values.number("OFFHOOK_STT_WINDOW_SECONDS", 12, 10, 30),
            threads=values.whole("OFFHOOK_STT_THREADS", _threads(), 1, 64),
            workers=values.whole("OFFHOOK_STT_WORKERS", 1, 1, 16),
        ),
        llm=_llm(values),
        llm_model=values.text("OFFHOOK_LLM_MODEL", LOCAL_LLM),
        llm_threads=values.whole("OFFHOOK_LLM_THREADS", _threads(), 1, 64),
        speech=_speech(values),
        voice_model=values.text("OFFHOOK_VOICE_MODEL", LOCAL_VOICE),
        recordings=RecordingsConfig(
            monitor=values.path("OFFHOOK_MONITOR", data / "monitor"),
            spool=values.path("OFFHOOK_SPOOL", data / "spool"),
            folder=values.path("OFFHOOK_RECORDINGS", data / "recordings"),
            s3=_s3(values),
        ),
    )


class _Values:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, default: str) -> str:
        # An empty variable is what compose makes of one that is not set.
        return self._environment.get(name, "").strip() or default

    def path(self, name: str, default: Path) -> Path:
        return Path(self.text(name, str(default))).expanduser()

    def number(self, name: str, default: float, least: float, most: float) -> float:
        text = self.text(name, str(default))
        try:
            value = float(text)
        except ValueError:
            raise SettingsError(f"{name} is {text!r}, not a number") from None
        if not least <= value <= most:
            raise SettingsError(f"{name} is {text}, not between {least:g} and {most:g}")
        return value

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        value = self.number(name, default, least, most)
        if value != int(value):
            raise SettingsError(f"{name} is {value:g}, not a whole number")
        return int(value)

    def one_of(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        text = self.text(name, default)
        for choice in choices:
            if text.lower() == choice.lower():
                return choice
        raise SettingsError(f"{name} is {text!r}, not one of {', '.join(choices)}")


def _threads() -> int:
    return min(os.cpu_count() or 1, 4)


def _llm(values: _Values) -> LlmConfig | None:
    url = values.text("OPENAI_BASE_URL", "").rstrip("/")
    key = values.text("OPENAI_API_KEY", "")
    model = values.text("OPENAI_MODEL", "")
    if not url and not key:
        return None
    if not model:
        raise SettingsError(
            "OPENAI_MODEL is not set, and OPENAI_BASE_URL or OPENAI_API_KEY is:"
            " name the model that this provider is to use"
        )
    return LlmConfig(url or "https://api.openai.com/v1", key, model)


def _speech(values: _Values) -> SpeechConfig | None:
    url = values.text("OFFHOOK_TTS_BASE_URL", "").rstrip("/")
    if not url:
        return None
    return SpeechConfig(
        base_url=url,
        model=values.text("OFFHOOK_TTS_MODEL", "tts-1"),
        voice=values.text("OFFHOOK_TTS_VOICE", "alloy"),
        key=values.text("OFFHOOK_TTS_API_KEY", ""),
        rate=values.whole("OFFHOOK_TTS_RATE", OPENAI_RATE, 8000, 48000),
    )


def _s3(values: _Values) -> S3Config | None:
    bucket = values.text("S3_BUCKET", "")
    if not bucket:
        return None
    return S3Config(
        bucket=bucket,
        endpoint_url=values.text("S3_ENDPOINT_URL", ""),
        region=values.text("AWS_REGION", "us-east-1"),
    )


def _ais(values: _Values) -> AIs:
    path = values.path("OFFHOOK_AIS", Path(__file__).parent / "default-ais.toml")
    try:
        return read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"OFFHOOK_AIS: cannot read {path}: {error}") from error
    except AIError as error:
        raise SettingsError(f"OFFHOOK_AIS: {path}: {error}") from error


def _password(data: Path) -> str:
    """Made up once and kept; scripts/run tells Asterisk the same one."""
    path = data / "media-password"
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24))
        return path.read_text().strip()
    except OSError as error:
        raise SettingsError(f"OFFHOOK_DATA: cannot keep {path}: {error}") from error
