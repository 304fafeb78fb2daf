"""The environment, read once, into the small config types of the rooms below.

Every variable is a row of docs/settings.md (a test sees to it). A value that makes no
sense is an error that names the variable, and the agent does not start.
"""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from agent.calls import prices
from agent.calls.ai import AIError, AIs, read
from agent.calls.prices import Prices, PricesError
from agent.contradictions import Contradiction, contradictions
from agent.conversation import catalogue, suitable
from agent.conversation.catalogue import Api, Endpoint, Given, SpeechEndpoint
from agent.conversation.config import (
    SECURITY,
    ProvidersConfig,
    SenderConfig,
    SmtpConfig,
    TurnsConfig,
    WhisperConfig,
)
from agent.conversation.policy import COUNTRIES
from agent.environment import (
    SettingsError,
    Values,
    WorkSettings,
    database_url,
    log_json,
    log_level,
    log_words,
    models,
    recordings,
    work_settings,
)
from agent.media.config import GateConfig, NoiseServiceConfig
from agent.models.config import ModelsConfig
from agent.observe.config import TracesConfig, pairs
from agent.storage.config import EmbeddingsConfig, RecordingsConfig
from agent.telephony.ami import AmiConfig
from agent.variables import Variables, unknown
from agent.web.config import (
    ApiLimits,
    AudioSocketConfig,
    SigningConfig,
    TelephonyConfig,
)

LOCAL_LLM = "qwen2.5-coder-0.5b"
LOCAL_VOICE = "piper-en_US-joe-medium"
TURN_MODEL = "smart-turn-v3.2"


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
    traces: TracesConfig | None
    """None: calls are not traced."""
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
    log_words: bool
    """What is said is logged, not only that something is."""
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

    @property
    def whole_house(self) -> ProvidersConfig:
        """With what the agent starts on this machine; to look at, not to ask."""
        nowhere = "http://127.0.0.1:9/v1"
        config = self.providers.with_local_mind(nowhere, self.llm_model)
        return config.with_piper(nowhere, [self.voice_model])

    @property
    def whisper_name(self) -> str:
        """Of the ears of this machine, as AIs name them."""
        return f"{catalogue.LOCAL_EARS}.{self.stt_model.removeprefix('whisper-')}"


def read_settings(
    environment: Mapping[str, str] = os.environ, *, look_only: bool = False
) -> Settings:
    """`look_only`: for who must not write to OFFHOOK_DATA; secrets that are not made up
    yet stay empty, and neither unknown names nor what `refusals` has stop them."""
    variables = Variables.of(environment)
    settings = _read(variables, look_only=look_only)
    if not look_only:
        refused = [*_strangers(variables), *refusals(settings, variables)]
        if refused:
            raise SettingsError("\n".join(map(str, refused)))
    return settings


def refusals(settings: Settings, variables: Variables) -> list[Contradiction]:
    """Why an agent with these does not start, besides names that nobody reads."""
    return [
        *contradictions(variables),
        *(_no_provider(settings, variables) or _no_answer(settings)),
    ]


def _read(variables: Variables, *, look_only: bool) -> Settings:
    values = Values(variables)
    data = values.path("OFFHOOK_DATA", Path("var"))
    kept = partial(_made_up, look_only=look_only)
    return Settings(
        host=values.text("OFFHOOK_HOST", "127.0.0.1"),
        port=values.whole("OFFHOOK_PORT", 7860, 1, 65535),
        data=data,
        database_url=database_url(values, data),
        ais=_ais(values),
        agent_id=values.text("OFFHOOK_AGENT_ID", "") or kept(data / "agent-id"),
        prices=_prices(values),
        api_limits=ApiLimits(
            per_second=values.number("OFFHOOK_API_RATE", 20, 0.1, 1e6),
            burst=values.number("OFFHOOK_API_BURST", 100, 1, 1e6),
            wrong_per_minute=values.number("OFFHOOK_API_WRONG_KEYS", 10, 0.1, 1e6),
        ),
        work=work_settings(values, data),
        event_days=values.number("OFFHOOK_EVENT_DAYS", 30, 0, 36500),
        traces=_traces(values),
        telephony=TelephonyConfig(
            username=values.text("OFFHOOK_MEDIA_USERNAME", "asterisk"),
            password=values.text("OFFHOOK_MEDIA_PASSWORD", "")
            or kept(data / "media-password"),
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
        log_level=log_level(values),
        log_json=log_json(values),
        log_words=log_words(values),
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
        models=models(variables),
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
        recordings=recordings(values, data),
        signing=SigningConfig(
            key=kept(data / "signing-key"),
            seconds=values.number("OFFHOOK_SIGNED_URL_SECONDS", 3600, 60, 604800),
        ),
        ami=_ami(values),
        smtp=_smtp(values),
        sender=_sender(values),
        country=_country(values),
        secrets={
            name: secret
            for name, secret in variables.items()
            if name.startswith("OFFHOOK_SECRET_")
        },
    )


def _strangers(variables: Variables) -> Iterator[Contradiction]:
    for name, near in unknown(variables):
        hint = f"Did you mean {near}?" if near else "Delete it."
        yield Contradiction(name, f"{name} is a variable that nobody reads", hint)


def _no_provider(settings: Settings, variables: Variables) -> list[Contradiction]:
    """The defaults that name somebody who is not there."""
    house = settings.whole_house
    mind = "OFFHOOK_ENGINE_MODEL"
    if variables.look(mind).source == "default":
        mind = "OPENAI_MODEL"
    return [
        Contradiction(
            variable,
            f"{variable} is {variables.look(variable).value!r}, and {missing}",
            "Set that, or name another provider.",
        )
        for variable, chosen, there, table in (
            (mind, house.engine_model, house.minds, catalogue.MINDS),
            ("OFFHOOK_STT", house.stt, house.ears, catalogue.EARS),
            ("OFFHOOK_TTS", house.tts, house.voices, catalogue.VOICES),
        )
        if (missing := suitable.missing(chosen, there, table))
    ]


def _no_answer(settings: Settings) -> list[Contradiction]:
    """AIs of the file that could not hear, think or speak."""
    found = []
    for ai in settings.ais.by_name.values():
        try:
            suitable.check(ai, settings.whole_house, settings.whisper_name)
        except AIError as error:
            mends = "Give this provider its address and key, or name another."
            found.append(Contradiction("OFFHOOK_AIS", f"OFFHOOK_AIS: {error}", mends))
    return found


def _threads() -> int:
    return min(os.cpu_count() or 1, 4)


def _providers(values: Values) -> ProvidersConfig:
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
    values: Values, given: Mapping[str, Given], others: Mapping[str, Endpoint]
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


def _engine_model(values: Values, openai: Given) -> str:
    model = values.text("OPENAI_MODEL", "")
    chosen = values.model("OFFHOOK_ENGINE_MODEL", f"openai.{model}" if model else "")
    if any(openai) and not chosen:
        raise SettingsError(
            "OPENAI_MODEL is not set, and OPENAI_BASE_URL or OPENAI_API_KEY is:"
            " name the model that this provider is to use"
        )
    return chosen


def _endpoints(values: Values) -> dict[str, Endpoint]:
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
        if name in made:
            raise SettingsError(f"OFFHOOK_ENDPOINTS has {name!r} twice: keep one")
        key, _, host = parts.netloc.rpartition("@")
        address = parts._replace(netloc=host).geturl().rstrip("/")
        made[name] = Endpoint(Api.OPENAI, address, unquote(key))
    return made


def _embeddings(values: Values) -> EmbeddingsConfig | None:
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


def _prices(values: Values) -> Prices:
    path = values.path("OFFHOOK_PRICES", Path(__file__).parent / "default-prices.toml")
    try:
        return prices.read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"OFFHOOK_PRICES: cannot read {path}: {error}") from error
    except PricesError as error:
        raise SettingsError(f"OFFHOOK_PRICES: {path}: {error}") from error


def _ami(values: Values) -> AmiConfig | None:
    password = values.text("OFFHOOK_AMI_PASSWORD", "")
    if not password:
        return None
    return AmiConfig(
        password,
        host=values.text("OFFHOOK_AMI_HOST", "127.0.0.1"),
        port=values.whole("OFFHOOK_AMI_PORT", 5038, 1, 65535),
    )


def _smtp(values: Values) -> SmtpConfig | None:
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


def _sender(values: Values) -> SenderConfig | None:
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


def _country(values: Values) -> str:
    country = values.text("OFFHOOK_COUNTRY", "").upper()
    if country and country not in COUNTRIES:
        raise SettingsError(f"OFFHOOK_COUNTRY is {country!r}, not ISO 3166 such as DE")
    return country


def _ais(values: Values) -> AIs:
    path = values.path("OFFHOOK_AIS", Path(__file__).parent / "default-ais.toml")
    try:
        return read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"OFFHOOK_AIS: cannot read {path}: {error}") from error
    except AIError as error:
        raise SettingsError(f"OFFHOOK_AIS: {path}: {error}") from error


def _made_up(path: Path, *, look_only: bool) -> str:
    """A secret, made up once and kept; scripts/run tells Asterisk the same password."""
    try:
        if look_only:
            return path.read_text().strip() if path.exists() else ""
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


def _traces(values: Values) -> TracesConfig | None:
    """As OpenTelemetry's own variables say."""
    off = values.one_of("OTEL_SDK_DISABLED", "false", ("true", "false")) == "true"
    collector = values.text("OTEL_EXPORTER_OTLP_ENDPOINT", "").rstrip("/")
    url = values.text(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", collector and f"{collector}/v1/traces"
    )
    if off or not url:
        return None
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is not an address like http://127.0.0.1:4318"
        )
    return TracesConfig(
        url,
        headers=_pairs(
            "OTEL_EXPORTER_OTLP_HEADERS",
            values.text("OTEL_EXPORTER_OTLP_HEADERS", ""),
        ),
        service=values.text("OTEL_SERVICE_NAME", "offhook"),
        resource=_pairs(
            "OTEL_RESOURCE_ATTRIBUTES", values.text("OTEL_RESOURCE_ATTRIBUTES", "")
        ),
        timeout=values.number("OTEL_EXPORTER_OTLP_TIMEOUT", 10000, 100, 600000) / 1000,
    )


def _pairs(name: str, text: str) -> dict[str, str]:
    try:
        return pairs(text)
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from error
