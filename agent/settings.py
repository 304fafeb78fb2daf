"""The environment, read once, into the small config types of the rooms below.

Every variable is a row of docs/settings.md (a test sees to it). A value that makes no
sense is an error that names the variable, and the agent does not start.
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from agent.calls import prices
from agent.calls.ai import AIError, AIs, read
from agent.calls.prices import Prices, PricesError
from agent.conversation import catalogue
from agent.conversation.catalogue import Api, Endpoint, Given, SpeechEndpoint
from agent.conversation.messages import SECURITY, SenderConfig, SmtpConfig
from agent.conversation.policy import COUNTRIES
from agent.conversation.providers import ProvidersConfig
from agent.conversation.turns import TurnsConfig
from agent.conversation.whisper import WhisperConfig
from agent.jobs.deliveries import DeliveryConfig
from agent.jobs.worker import WorkConfig
from agent.media.gate import GateConfig
from agent.media.noise import NoiseServiceConfig
from agent.models.config import ModelsConfig
from agent.net.outside import networks
from agent.storage.embeddings import EmbeddingsConfig
from agent.storage.encoding import Format
from agent.storage.recordings import RecordingsConfig
from agent.storage.remote_ledger import RemoteLedgerConfig
from agent.storage.stores import S3Config
from agent.telephony.ami import AmiConfig
from agent.web.audiosocket import AudioSocketConfig
from agent.web.limits import ApiLimits
from agent.web.signing import SigningConfig
from agent.web.telephony_ws import TelephonyConfig

LOCAL_LLM = "qwen2.5-coder-0.5b"
LOCAL_VOICE = "piper-en_US-joe-medium"
TURN_MODEL = "smart-turn-v3.2"


class SettingsError(ValueError):
    """A variable of the environment is wrong. Names it and what is expected."""


@dataclass(frozen=True, slots=True)
class WorkSettings:
    """Of `offhook work`, which needs nothing else."""

    inside: bool
    """`offhook serve` starts it and watches it."""
    config: WorkConfig
    recordings: RecordingsConfig
    log_level: str
    log_json: bool


@dataclass(frozen=True, slots=True)
class Settings:
    host: str
    port: int
    data: Path
    database_url: str
    ais: AIs
    agent_id: str
    """Stays the same over restarts: calls and facts are this agent's."""
    prices: Prices
    api_limits: ApiLimits
    work: WorkSettings
    event_days: float
    """After which events are deleted. 0: never."""
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
    turns: TurnsConfig
    noise: NoiseServiceConfig
    models: ModelsConfig
    stt_model: str
    turn_model: str
    """Empty: words and silence alone say when a caller has finished."""
    whisper: WhisperConfig
    """Its folder is known once the model is found: see app.py."""
    providers: ProvidersConfig
    """Without what runs on this machine: app.py starts that where it is used."""
    llm_model: str
    """The local one."""
    llm_threads: int
    voice_model: str
    embeddings: EmbeddingsConfig | None
    """None: documents are searched by their words alone."""
    recordings: RecordingsConfig
    signing: SigningConfig
    """Of links to recordings."""
    ami: AmiConfig | None
    """None: recordings cannot be stopped and paused."""
    smtp: SmtpConfig | None
    """None: AIs cannot send e-mails."""
    sender: SenderConfig | None
    """None: nor messages."""
    country: str
    """ISO 3166, of numbers that come without their country code; may be empty."""
    secrets: Mapping[str, str]
    """What HTTP tools and MCP servers may call for: OFFHOOK_SECRET_*, by full name."""


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


@dataclass(frozen=True, slots=True)
class UploadSettings:
    """Of `offhook upload`, which needs nothing else."""

    recordings: RecordingsConfig
    database_url: str
    agent: RemoteLedgerConfig | None
    """To whom it is told, instead of the database."""
    log_level: str
    log_json: bool


def upload(environment: Mapping[str, str] = os.environ) -> UploadSettings:
    values = _Values(environment)
    data = values.path("OFFHOOK_DATA", Path("var"))
    return UploadSettings(
        recordings=_recordings(values, data),
        database_url=_database_url(values, data),
        agent=_agent(values),
        log_level=_log_level(values),
        log_json=_log_json(values),
    )


def work(environment: Mapping[str, str] = os.environ) -> WorkSettings:
    values = _Values(environment)
    return _work(values, values.path("OFFHOOK_DATA", Path("var")))


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    values = _Values(environment)
    data = values.path("OFFHOOK_DATA", Path("var"))
    return Settings(
        host=values.text("OFFHOOK_HOST", "127.0.0.1"),
        port=values.whole("OFFHOOK_PORT", 7860, 1, 65535),
        data=data,
        database_url=_database_url(values, data),
        ais=_ais(values),
        agent_id=values.text("OFFHOOK_AGENT_ID", "") or _made_up(data / "agent-id"),
        prices=_prices(values),
        api_limits=ApiLimits(
            per_second=values.number("OFFHOOK_API_RATE", 20, 0.1, 1e6),
            burst=values.number("OFFHOOK_API_BURST", 100, 1, 1e6),
            wrong_per_minute=values.number("OFFHOOK_API_WRONG_KEYS", 10, 0.1, 1e6),
        ),
        work=_work(values, data),
        event_days=values.number("OFFHOOK_EVENT_DAYS", 30, 0, 36500),
        telephony=TelephonyConfig(
            username=values.text("OFFHOOK_MEDIA_USERNAME", "asterisk"),
            password=values.text("OFFHOOK_MEDIA_PASSWORD", "")
            or _made_up(data / "media-password"),
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
        log_level=_log_level(values),
        log_json=_log_json(values),
        gate=GateConfig(
            voiced=values.number("OFFHOOK_VAD_VOICED", 0.5, 0.05, 0.99),
            floor=values.number("OFFHOOK_VAD_FLOOR_DBFS", -55, -100, 0),
            confirm=values.number("OFFHOOK_VAD_CONFIRM_SECONDS", 0.16, 0.03, 2),
            stop=values.number("OFFHOOK_VAD_STOP_SECONDS", 0.7, 0.2, 5),
        ),
        turns=TurnsConfig(
            done=values.number("OFFHOOK_TURN_DONE_SECONDS", 0.45, 0.2, 5),
            unsure=values.number("OFFHOOK_TURN_UNSURE_SECONDS", 1, 0.2, 5),
            unfinished=values.number("OFFHOOK_TURN_UNFINISHED_SECONDS", 2, 0.2, 10),
            dictation=values.number("OFFHOOK_TURN_DICTATION_SECONDS", 2.2, 0.2, 10),
        ),
        noise=NoiseServiceConfig(
            values.text("OFFHOOK_NC_URL", NoiseServiceConfig().url)
        ),
        models=models(environment),
        turn_model=values.text("OFFHOOK_TURN_MODEL", TURN_MODEL).removeprefix("off"),
        stt_model=values.text("OFFHOOK_STT_MODEL", "whisper-base"),
        whisper=WhisperConfig(
            folder=Path(),
            window=values.number("OFFHOOK_STT_WINDOW_SECONDS", 12, 10, 30),
            threads=values.whole("OFFHOOK_STT_THREADS", _threads(), 1, 64),
            workers=values.whole("OFFHOOK_STT_WORKERS", 1, 1, 16),
        ),
        providers=_providers(values),
        llm_model=values.text("OFFHOOK_LLM_MODEL", LOCAL_LLM),
        llm_threads=values.whole("OFFHOOK_LLM_THREADS", _threads(), 1, 64),
        voice_model=values.text("OFFHOOK_VOICE_MODEL", LOCAL_VOICE),
        embeddings=_embeddings(values),
        recordings=_recordings(values, data),
        signing=SigningConfig(
            key=_made_up(data / "signing-key"),
            seconds=values.number("OFFHOOK_SIGNED_URL_SECONDS", 3600, 60, 604800),
        ),
        ami=_ami(values),
        smtp=_smtp(values),
        sender=_sender(values),
        country=_country(values),
        secrets={
            name: secret
            for name, secret in environment.items()
            if name.startswith("OFFHOOK_SECRET_")
        },
    )


class _Values:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, default: str) -> str:
        # An empty variable is what compose makes of one that is not set.
        return self._environment.get(name, "").strip() or default

    def model(self, name: str, default: str) -> str:
        text = self.text(name, default)
        provider, _, model = text.partition(".")
        if text and not (provider and model):
            raise SettingsError(f"{name} is {text!r}, not <provider>.<model>")
        return text

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


def _providers(values: _Values) -> ProvidersConfig:
    openai = Given(
        values.text("OPENAI_API_KEY", ""), values.text("OPENAI_BASE_URL", "")
    )
    groq = Given(values.text("GROQ_API_KEY", ""))
    # Who has a key of OpenAI itself has its ears and voices too.
    public = Given() if openai.url else openai
    stt = Given(
        values.text("OFFHOOK_STT_API_KEY", ""), values.text("OFFHOOK_STT_BASE_URL", "")
    )
    tts = Given(
        values.text("OFFHOOK_TTS_API_KEY", ""), values.text("OFFHOOK_TTS_BASE_URL", "")
    )
    minds = {
        "openai": openai,
        "azure": Given(
            values.text("AZURE_OPENAI_API_KEY", ""),
            values.text("AZURE_OPENAI_BASE_URL", ""),
        ),
        "groq": groq,
        "openrouter": Given(values.text("OPENROUTER_API_KEY", "")),
        "mistral": Given(values.text("MISTRAL_API_KEY", "")),
        "deepseek": Given(values.text("DEEPSEEK_API_KEY", "")),
        "together": Given(values.text("TOGETHER_API_KEY", "")),
        "ollama": Given(url=values.text("OLLAMA_BASE_URL", "")),
        "vllm": Given(
            values.text("VLLM_API_KEY", ""), values.text("VLLM_BASE_URL", "")
        ),
        "llamacpp": Given(url=values.text("LLAMACPP_BASE_URL", "")),
        "lmstudio": Given(url=values.text("LMSTUDIO_BASE_URL", "")),
        "anthropic": Given(values.text("ANTHROPIC_API_KEY", "")),
        "gemini": Given(values.text("GEMINI_API_KEY", "")),
    }
    ears = {
        "openai": stt if any(stt) else public,
        "groq": groq,
        "deepgram": Given(values.text("DEEPGRAM_API_KEY", "")),
    }
    voices = {
        "openai": tts if any(tts) else public,
        "elevenlabs": Given(values.text("ELEVENLABS_API_KEY", "")),
    }
    others = _endpoints(values)
    return ProvidersConfig(
        minds=_asked(catalogue.MINDS, minds) | others,
        ears=_asked(catalogue.EARS, ears) | others,
        voices=_voices(values, voices, others),
        engine_model=_engine_model(values, openai),
        stt=values.model("OFFHOOK_STT", ""),
        tts=values.model(
            "OFFHOOK_TTS",
            f"openai.{values.text('OFFHOOK_TTS_MODEL', 'tts-1')}" if tts.url else "",
        ),
    )


def _asked(
    table: Mapping[str, catalogue.Known], given: Mapping[str, Given]
) -> dict[str, Endpoint]:
    return {
        name: Endpoint(known.api, there.url, there.key)
        for name, (known, there) in catalogue.usable(table, given).items()
    }


def _voices(
    values: _Values, given: Mapping[str, Given], others: Mapping[str, Endpoint]
) -> dict[str, SpeechEndpoint]:
    made = {
        name: SpeechEndpoint(other.api, other.base_url, other.key)
        for name, other in others.items()
    }
    usable = catalogue.usable(catalogue.VOICES, given)
    for name, (known, there) in usable.items():
        made[name] = SpeechEndpoint(known.api, there.url, there.key)
    if "openai" in usable:
        known, there = usable["openai"]
        public = there.url == known.base_url
        made["openai"] = SpeechEndpoint(
            Api.OPENAI,
            there.url,
            there.key,
            voice=values.text("OFFHOOK_TTS_VOICE", "alloy"),
            voices=catalogue.OPENAI_VOICES if public else (),
            rate=values.whole("OFFHOOK_TTS_RATE", catalogue.OPENAI_RATE, 8000, 48000),
        )
    return made


def _engine_model(values: _Values, openai: Given) -> str:
    model = values.text("OPENAI_MODEL", "")
    chosen = values.model("OFFHOOK_ENGINE_MODEL", f"openai.{model}" if model else "")
    if any(openai) and not chosen:
        raise SettingsError(
            "OPENAI_MODEL is not set, and OPENAI_BASE_URL or OPENAI_API_KEY is:"
            " name the model that this provider is to use"
        )
    return chosen


def _endpoints(values: _Values) -> dict[str, Endpoint]:
    """Whatever else speaks OpenAI's API, under names of the operator's own."""
    made = {}
    for given in values.text("OFFHOOK_ENDPOINTS", "").split():
        name, _, address = given.partition("=")
        parts = urlsplit(address)
        if not name.isidentifier() or parts.scheme not in ("http", "https"):
            raise SettingsError(
                f"OFFHOOK_ENDPOINTS has {name!r}, not NAME=http://HOST/v1 or"
                " NAME=https://KEY@HOST/v1, with spaces between them"
            )
        if name in catalogue.TAKEN:
            raise SettingsError(f"OFFHOOK_ENDPOINTS: {name!r} has its own variables")
        key, _, host = parts.netloc.rpartition("@")
        address = parts._replace(netloc=host).geturl().rstrip("/")
        made[name] = Endpoint(Api.OPENAI, address, unquote(key))
    return made


def _embeddings(values: _Values) -> EmbeddingsConfig | None:
    url = values.text("OFFHOOK_EMBEDDINGS_URL", "").rstrip("/")
    model = values.text("OFFHOOK_EMBEDDINGS_MODEL", "")
    key = values.text("OFFHOOK_EMBEDDINGS_API_KEY", "")
    if not url and not model:
        return None
    if not url.startswith(("http://", "https://")):
        raise SettingsError(
            f"OFFHOOK_EMBEDDINGS_URL is {url!r}, not an address such as"
            " http://gpu:8080/v1"
        )
    if not model:
        raise SettingsError(
            "OFFHOOK_EMBEDDINGS_MODEL is not set, and OFFHOOK_EMBEDDINGS_URL is:"
            " name the model that it is to use"
        )
    return EmbeddingsConfig(url, model, key)


def _log_level(values: _Values) -> str:
    return values.one_of(
        "OFFHOOK_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")
    )


def _log_json(values: _Values) -> bool:
    return values.one_of("OFFHOOK_LOG", "text", ("text", "json")) == "json"


def _work(values: _Values, data: Path) -> WorkSettings:
    try:
        allow = networks(values.text("OFFHOOK_WEBHOOK_ALLOW", ""))
    except ValueError as error:
        raise SettingsError(f"OFFHOOK_WEBHOOK_ALLOW: {error}") from error
    return WorkSettings(
        inside=values.one_of("OFFHOOK_WORK", "inside", ("inside", "off")) == "inside",
        config=WorkConfig(
            database_url=_database_url(values, data),
            port=values.whole("OFFHOOK_WORK_PORT", 7861, 0, 65535),
            deliveries=DeliveryConfig(allow=allow),
        ),
        recordings=_recordings(values, data),
        log_level=_log_level(values),
        log_json=_log_json(values),
    )


def _prices(values: _Values) -> Prices:
    path = values.path("OFFHOOK_PRICES", Path(__file__).parent / "default-prices.toml")
    try:
        return prices.read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"OFFHOOK_PRICES: cannot read {path}: {error}") from error
    except PricesError as error:
        raise SettingsError(f"OFFHOOK_PRICES: {path}: {error}") from error


def _agent(values: _Values) -> RemoteLedgerConfig | None:
    url = values.text("OFFHOOK_AGENT_URL", "").rstrip("/")
    if not url:
        return None
    if not url.startswith(("http://", "https://")):
        raise SettingsError(
            f"OFFHOOK_AGENT_URL is {url!r}, not an address such as http://agent:7860"
        )
    return RemoteLedgerConfig(url, values.text("OFFHOOK_TOKEN", ""))


def _database_url(values: _Values, data: Path) -> str:
    return values.text("DATABASE_URL", f"sqlite:///{data}/offhook.db")


def _recordings(values: _Values, data: Path) -> RecordingsConfig:
    days = values.whole("OFFHOOK_RETENTION_DAYS", 0, 0, 36500)
    return RecordingsConfig(
        monitor=values.path("OFFHOOK_MONITOR", data / "monitor"),
        spool=values.path("OFFHOOK_SPOOL", data / "spool"),
        folder=values.path("OFFHOOK_RECORDINGS", data / "recordings"),
        s3=_s3(values, days),
        format=Format(
            values.one_of("OFFHOOK_RECORDING_FORMAT", Format.WAV, tuple(Format))
        ),
        retention_days=days,
    )


def _s3(values: _Values, retention_days: int) -> S3Config | None:
    bucket = values.text("S3_BUCKET", "")
    if not bucket:
        return None
    return S3Config(
        bucket=bucket,
        endpoint_url=values.text("S3_ENDPOINT_URL", ""),
        region=values.text("AWS_REGION", "us-east-1"),
        create=values.one_of("S3_CREATE_BUCKET", "yes", ("yes", "no")) == "yes",
        retention_days=retention_days,
    )


def _ami(values: _Values) -> AmiConfig | None:
    password = values.text("OFFHOOK_AMI_PASSWORD", "")
    if not password:
        return None
    return AmiConfig(
        password,
        host=values.text("OFFHOOK_AMI_HOST", "127.0.0.1"),
        port=values.whole("OFFHOOK_AMI_PORT", 5038, 1, 65535),
    )


def _smtp(values: _Values) -> SmtpConfig | None:
    host = values.text("OFFHOOK_SMTP_HOST", "")
    if not host:
        return None
    sender = values.text("OFFHOOK_SMTP_FROM", "")
    if "@" not in sender:
        raise SettingsError(
            f"OFFHOOK_SMTP_FROM is {sender!r}, not the address that e-mails come from,"
            " and OFFHOOK_SMTP_HOST is set"
        )
    return SmtpConfig(
        host=host,
        sender=sender,
        port=values.whole("OFFHOOK_SMTP_PORT", 587, 1, 65535),
        security=values.one_of("OFFHOOK_SMTP_SECURITY", SECURITY[0], SECURITY),
        username=values.text("OFFHOOK_SMTP_USERNAME", ""),
        password=values.text("OFFHOOK_SMTP_KEY", ""),
    )


def _sender(values: _Values) -> SenderConfig | None:
    url = values.text("OFFHOOK_MESSAGE_URL", "")
    if not url:
        return None
    if not url.startswith(("http://", "https://")):
        raise SettingsError(
            f"OFFHOOK_MESSAGE_URL is {url!r}, not an address such as"
            " https://sms.example/send"
        )
    body = values.text("OFFHOOK_MESSAGE_BODY", '{"to": "{to}", "text": "{text}"}')
    try:
        read = json.loads(body)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise SettingsError(f"OFFHOOK_MESSAGE_BODY is {body!r}, not an object of JSON")
    return SenderConfig(url, values.text("OFFHOOK_MESSAGE_TOKEN", ""), read)


def _country(values: _Values) -> str:
    country = values.text("OFFHOOK_COUNTRY", "").upper()
    if country and country not in COUNTRIES:
        raise SettingsError(f"OFFHOOK_COUNTRY is {country!r}, not ISO 3166 such as DE")
    return country


def _ais(values: _Values) -> AIs:
    path = values.path("OFFHOOK_AIS", Path(__file__).parent / "default-ais.toml")
    try:
        return read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"OFFHOOK_AIS: cannot read {path}: {error}") from error
    except AIError as error:
        raise SettingsError(f"OFFHOOK_AIS: {path}: {error}") from error


def _made_up(path: Path) -> str:
    """A secret, made up once and kept; scripts/run tells Asterisk the same password."""
    try:
        if not path.exists() or not path.stat().st_size:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Whole or not at all: an empty secret would be everybody's.
            draft = path.with_name(f".{path.name}.{os.getpid()}")
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_urlsafe(24))
            os.replace(draft, path)
        return path.read_text().strip()
    except OSError as error:
        raise SettingsError(f"OFFHOOK_DATA: cannot keep {path}: {error}") from error
