"""The environment as it was read: which variable had which value, and where it is from.

A value may stand in a file, which NAME_FILE names, so that no secret is in the
environment. What is not known is a typing error, and has the nearest known name.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agent.secret_files import SecretFileError, secret

SECRETS = "OFFHOOK_SECRET_"
"""Begins the names of secrets of AIs' tools, which are the operator's own."""
MASK = "********"
_PREFIX = "OFFHOOK_"
_SECRET_WORDS = frozenset({"PASSWORD", "KEY", "TOKEN", "SECRET", "HEADERS"})
_IN_QUERY = re.compile(
    r"(?i)(?<=[?&])([a-z_]*(?:password|key|token|secret)[a-z_]*)=[^&]*"
)
_OPEN_NAMES = frozenset({"OFFHOOK_API_WRONG_KEYS"})

KNOWN = frozenset(
    (
        "OFFHOOK_AGENT_ID OFFHOOK_AGENT_URL OFFHOOK_AIS OFFHOOK_AMI_HOST"
        " OFFHOOK_AMI_PASSWORD OFFHOOK_AMI_PORT OFFHOOK_API_BURST"
        " OFFHOOK_API_RATE OFFHOOK_API_WRONG_KEYS OFFHOOK_AUDIOSOCKET_HOST"
        " OFFHOOK_AUDIOSOCKET_PORT OFFHOOK_CACHE OFFHOOK_COUNTRY OFFHOOK_DATA"
        " OFFHOOK_DRAIN_SECONDS OFFHOOK_EMBEDDINGS_API_KEY"
        " OFFHOOK_EMBEDDINGS_MODEL OFFHOOK_EMBEDDINGS_URL OFFHOOK_ENDPOINTS"
        " OFFHOOK_ENGINE_MODEL OFFHOOK_EVENT_DAYS OFFHOOK_HOST OFFHOOK_LLM_MODEL"
        " OFFHOOK_LLM_THREADS OFFHOOK_LOG OFFHOOK_LOG_LEVEL OFFHOOK_LOG_WORDS"
        " OFFHOOK_MAX_CALLS"
        " OFFHOOK_MAX_LAG_SECONDS OFFHOOK_MAX_STT_WAITING OFFHOOK_MEDIA_PASSWORD"
        " OFFHOOK_MEDIA_USERNAME OFFHOOK_MESSAGE_BODY OFFHOOK_MESSAGE_TOKEN"
        " OFFHOOK_MESSAGE_URL OFFHOOK_MODELS OFFHOOK_MODELS_MIRROR"
        " OFFHOOK_MONITOR OFFHOOK_NC_URL OFFHOOK_PORT OFFHOOK_PRICES"
        " OFFHOOK_RECORDINGS OFFHOOK_RECORDING_FORMAT OFFHOOK_RETENTION_DAYS"
        " OFFHOOK_SIGNED_URL_SECONDS OFFHOOK_SMTP_FROM OFFHOOK_SMTP_HOST"
        " OFFHOOK_SMTP_KEY OFFHOOK_SMTP_PORT OFFHOOK_SMTP_SECURITY"
        " OFFHOOK_SMTP_USERNAME OFFHOOK_SPOOL OFFHOOK_STT OFFHOOK_STT_API_KEY"
        " OFFHOOK_STT_BASE_URL OFFHOOK_STT_MODEL OFFHOOK_STT_THREADS"
        " OFFHOOK_STT_WINDOW_SECONDS OFFHOOK_STT_WORKERS OFFHOOK_TOKEN"
        " OFFHOOK_TTS OFFHOOK_TTS_API_KEY OFFHOOK_TTS_BASE_URL OFFHOOK_TTS_MODEL"
        " OFFHOOK_TTS_RATE OFFHOOK_TTS_VOICE OFFHOOK_TURN_DICTATION_SECONDS"
        " OFFHOOK_TURN_DONE_SECONDS OFFHOOK_TURN_MODEL"
        " OFFHOOK_TURN_UNFINISHED_SECONDS OFFHOOK_TURN_UNSURE_SECONDS"
        " OFFHOOK_VAD_CONFIRM_SECONDS OFFHOOK_VAD_FLOOR_DBFS"
        " OFFHOOK_VAD_STOP_SECONDS OFFHOOK_VAD_VOICED OFFHOOK_VOICE_MODEL"
        " OFFHOOK_WEBHOOK_ALLOW OFFHOOK_WORK OFFHOOK_WORK_PORT"
    ).split()
)
"""Ours that environment.py and settings.py read; a test compares."""
OF_SCRIPTS = frozenset(
    {
        "OFFHOOK_AGENT_URL",
        "OFFHOOK_ASTERISK",
        "OFFHOOK_CACHE",
        "OFFHOOK_DEBIAN_MIRROR",
        "OFFHOOK_DEBIAN_UNSIGNED",
        "OFFHOOK_LAN",
        "OFFHOOK_POSTGRES",
    }
)
"""Known, and read by scripts, tests, or verbs other than `serve`."""


class VariableError(ValueError):
    """A variable and its file contradict each other, or the file cannot be read."""


@dataclass(frozen=True, slots=True)
class Variable:
    name: str
    value: str
    source: str
    """environment, the file's variable (NAME_FILE), or default."""
    default: str = ""

    @property
    def shown(self) -> str:
        return masked(self.name, self.value)


class Variables(Mapping[str, str]):
    """An environment that resolves NAME_FILE and keeps what was read of it."""

    def __init__(
        self, environment: Mapping[str, str], files: Mapping[str, str] | None = None
    ) -> None:
        """`files`: of what came from a file and stands in the environment by now, the
        variables that named it."""
        self._environment = environment
        self._files = files or {}
        self.read: dict[str, Variable] = {}
        """By name, in the order of reading."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Variables":
        """The same one, if it is one already."""
        return environment if isinstance(environment, cls) else cls(environment)

    def text(self, name: str, default: str) -> str:
        # An empty variable is what compose makes of one that is not set.
        value, source = self._find(name)
        found = Variable(name, value or default, source, default)
        self.read[name] = found
        return found.value

    def look(self, name: str) -> Variable:
        """As it was read, or as it stands there. Looking is not reading."""
        if name in self.read:
            return self.read[name]
        return Variable(name, *self._find(name))

    def get(self, name: str, default: Any = None, /) -> Any:
        value, source = self._find(name)
        self.read.setdefault(name, Variable(name, value or default or "", source))
        return default if source == "default" else value

    def __getitem__(self, name: str) -> str:
        """As it stands there: what goes over all of it does not read it."""
        return self._environment[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._environment)

    def __len__(self) -> int:
        return len(self._environment)

    def unread(self) -> list[str]:
        """Ours, set, and without any effect."""
        read = {*self.read, *(f"{name}_FILE" for name in self.read)}
        return sorted(
            name
            for name, value in self._environment.items()
            if name.startswith(_PREFIX) and value.strip() and name not in read
        )

    def _find(self, name: str) -> tuple[str, str]:
        value = self._environment.get(name, "").strip()
        named = f"{name}_FILE"
        file = self._environment.get(named, "").strip()
        if not file:
            known = self._files.get(name, "environment")
            return value, known if value else "default"
        if value:
            raise VariableError(f"{name} and {named} are both set: keep one")
        try:
            return secret(named, Path(file)), named
        except SecretFileError as error:
            raise VariableError(str(error)) from error


def is_secret(name: str) -> bool:
    words = set(name.removesuffix("_FILE").split("_"))
    return name not in _OPEN_NAMES and bool(words & _SECRET_WORDS)


def masked(name: str, value: str) -> str:
    """For people to read: secrets, and passwords within addresses, are not shown."""
    if not value or name.endswith("_FILE"):
        return value
    if is_secret(name):
        return MASK
    return " ".join(_address(part) for part in value.split(" "))


def _address(text: str) -> str:
    label, _, address = text.rpartition("=") if "=http" in text else ("", "", text)
    before = f"{label}=" if label else ""
    if "://" not in address:
        return text
    try:
        parts = urlsplit(address)
    except ValueError:
        return MASK
    login, at, host = parts.netloc.rpartition("@")
    if at:
        # NAME=https://KEY@host has its key where others have their user.
        user, colon, _ = login.partition(":")
        shown = f"{user}:{MASK}" if colon else (MASK if label else login)
        parts = parts._replace(netloc=f"{shown}@{host}")
        address = parts.geturl()
    return before + _IN_QUERY.sub(rf"\1={MASK}", address)


def unknown(
    environment: Mapping[str, str], known: frozenset[str] = KNOWN
) -> list[tuple[str, str]]:
    """Names of ours that nobody reads, each with the nearest that somebody does, or
    with nothing."""
    names = known | OF_SCRIPTS
    found = []
    for name, value in sorted(environment.items()):
        if not name.startswith(_PREFIX) or not value.strip():
            continue
        plain = name.removesuffix("_FILE")
        if plain in names or name in names or name.startswith(SECRETS):
            continue
        near = difflib.get_close_matches(plain, sorted(names), n=1, cutoff=0.75)
        found.append((name, near[0] if near else ""))
    return found
