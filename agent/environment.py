"""The environment, and what verbs make of it that need little: no models, no pipecat.

settings.py reads the rest, for `offhook serve`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent import contradictions
from agent.jobs.config import DeliveryConfig, WorkConfig
from agent.models.config import ModelsConfig
from agent.net.addresses import networks
from agent.storage.config import RecordingsConfig, RemoteLedgerConfig, S3Config
from agent.storage.encoding import Format
from agent.variables import VariableError, Variables


class SettingsError(ValueError):
    """Variables of the environment are wrong. Names them and what is expected: a line
    for each reason."""


@dataclass(frozen=True, slots=True)
class UploadSettings:
    """Of `offhook upload`, which needs nothing else."""

    recordings: RecordingsConfig
    database_url: str
    agent: RemoteLedgerConfig | None
    """To whom it is told, instead of the database."""
    log_level: str
    log_json: bool


@dataclass(frozen=True, slots=True)
class WorkSettings:
    """Of `offhook work`, which needs nothing else."""

    inside: bool
    """`offhook serve` starts it and watches it."""
    config: WorkConfig
    recordings: RecordingsConfig
    log_level: str
    log_json: bool


class Values:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._variables = Variables.of(environment)

    def text(self, name: str, default: str) -> str:
        """From NAME, or from the file that NAME_FILE names."""
        try:
            return self._variables.text(name, default)
        except VariableError as error:
            raise SettingsError(str(error)) from error

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


def cache(environment: Mapping[str, str] = os.environ) -> Path:
    values = Values(environment)
    base = values.text("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    return Path(values.text("OFFHOOK_CACHE", f"{base}/offhook"))


def models(environment: Mapping[str, str] = os.environ) -> ModelsConfig:
    """Apart from the rest: `offhook models` needs nothing else."""
    values = Values(environment)
    return ModelsConfig(
        folder=values.path("OFFHOOK_MODELS", cache(environment) / "models"),
        mirror=values.text("OFFHOOK_MODELS_MIRROR", ""),
        hub=values.text("HF_ENDPOINT", "https://huggingface.co").removeprefix("none"),
    )


def upload(environment: Mapping[str, str] = os.environ) -> UploadSettings:
    variables = Variables.of(environment)
    values = Values(variables)
    data = values.path("OFFHOOK_DATA", Path("var"))
    settings = UploadSettings(
        recordings=recordings(values, data),
        database_url=database_url(values, data),
        agent=_agent(values),
        log_level=log_level(values),
        log_json=log_json(values),
    )
    if refused := contradictions.of_recordings(variables):
        raise SettingsError("\n".join(map(str, refused)))
    return settings


def explain(
    environment: Mapping[str, str] = os.environ,
) -> tuple[tuple[str, str], str]:
    """Where the agent is, with a key of its API, and the database's URL."""
    values = Values(environment)
    data = values.path("OFFHOOK_DATA", Path("var"))
    port = values.whole("OFFHOOK_PORT", 7860, 1, 65535)
    agent = f"http://127.0.0.1:{port}", values.text("OFFHOOK_TOKEN", "")
    return agent, database_url(values, data)


def work(environment: Mapping[str, str] = os.environ) -> WorkSettings:
    values = Values(environment)
    return work_settings(values, values.path("OFFHOOK_DATA", Path("var")))


def log_level(values: Values) -> str:
    return values.one_of(
        "OFFHOOK_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")
    )


def log_words(values: Values) -> bool:
    return values.one_of("OFFHOOK_LOG_WORDS", "no", ("yes", "no")) == "yes"


def log_json(values: Values) -> bool:
    return values.one_of("OFFHOOK_LOG", "text", ("text", "json")) == "json"


def database_url(values: Values, data: Path) -> str:
    return values.text("DATABASE_URL", f"sqlite:///{data}/offhook.db")


def recordings(values: Values, data: Path) -> RecordingsConfig:
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


def _s3(values: Values, retention_days: int) -> S3Config | None:
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


def _agent(values: Values) -> RemoteLedgerConfig | None:
    url = values.text("OFFHOOK_AGENT_URL", "").rstrip("/")
    if not url:
        return None
    if not url.startswith(("http://", "https://")):
        raise SettingsError(
            f"OFFHOOK_AGENT_URL is {url!r}, not an address such as http://agent:7860"
        )
    return RemoteLedgerConfig(url, values.text("OFFHOOK_TOKEN", ""))


def work_settings(values: Values, data: Path) -> WorkSettings:
    try:
        allow = networks(values.text("OFFHOOK_WEBHOOK_ALLOW", ""))
    except ValueError as error:
        raise SettingsError(f"OFFHOOK_WEBHOOK_ALLOW: {error}") from error
    return WorkSettings(
        inside=values.one_of("OFFHOOK_WORK", "inside", ("inside", "off")) == "inside",
        config=WorkConfig(
            database_url=database_url(values, data),
            port=values.whole("OFFHOOK_WORK_PORT", 7861, 0, 65535),
            deliveries=DeliveryConfig(allow=allow),
        ),
        recordings=recordings(values, data),
        log_level=log_level(values),
        log_json=log_json(values),
    )
