"""An AI: what it says first, how it behaves, with which ears, mind, voice and tools.

AIs are described in a TOML file (OFFHOOK_AIS); `read` turns that text into
values or says which line of the operator is wrong.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from typing import Any

from .reading import ReadingError, value
from .toolbox import HttpTool, McpServer, Policy

NOISE = ("off", "service", "inprocess")
"""Nothing, `python -m agent.nc`, or the agent itself (docs/noise.md)."""
MODES = ("cascade", "realtime")
"""Ears, mind and voice one behind the other, or one model that hears and speaks."""
GENDERS = ("", "female", "male")
DICTATION = ("auto", "always", "never")
LINES = (
    *("filler", "failed", "repeat", "reprompt", "goodbye", "ending_soon", "human"),
    "private",
)
"""What an AI says without asking its model; conversation/lines.py has the words."""
OVERRIDABLE = ("engine_model", "language", "stt_language", "voice", "gender")
"""What a call may change for itself, by variables of these names."""
CONSENT = "consent_said_at"
"""The variable that says when the caller had heard `consent`, ISO 8601."""


class AIError(ValueError):
    """The description of an AI is wrong. Says which AI and what was expected."""


class ModelError(AIError):
    """It names a model in another way than `<provider>.<model>`."""


@dataclass(frozen=True, slots=True)
class Silence:
    """What happens when nobody says anything."""

    seconds: float = 8.0
    """Until the first reprompt, and between two. 0: the AI waits for ever."""
    reprompts: int = 2
    """So often the caller is asked whether he is there; then goodbye."""


@dataclass(frozen=True, slots=True)
class AI:
    name: str
    prompt: str
    consent: str = ""
    """Said before anything else, e.g. "This call is recorded."; CONSENT then says when.
    """
    greeting: str = ""
    """Said in these words as soon as media flows."""
    start: str = ""
    """Instead of a greeting: what the model is told to begin with, e.g. "Introduce
    yourself and ask for consent". Neither: the AI waits for the caller."""
    language: str = "en"
    """BCP-47, of both ears and voice."""
    stt_language: str = ""
    """BCP-47, or "auto"; empty: `language`."""
    stt: str = ""
    """Ears, `<provider>.<model>`; empty: the default."""
    engine_model: str = ""
    """Mind, `<provider>.<model>`; empty: the default."""
    fallback_models: tuple[str, ...] = ()
    """Asked in turn, in the same call, when the one before fails."""
    tts: str = ""
    """Voice, `<provider>.<model>`; empty: the default."""
    voice: str = ""
    """Its id; empty: the default voice for `language` and `gender`."""
    gender: str = ""
    mode: str = "cascade"
    tool_names: tuple[str, ...] = ("end_call",)
    """`["all"]`, a list of names, or `[]`."""
    http_tools: tuple[HttpTool, ...] = ()
    keys_to: str = ""
    """Which of `http_tools` is given what is typed while the recording is paused."""
    mcp_servers: tuple[McpServer, ...] = ()
    knowledge: tuple[str, ...] = ()
    """Collections that `search_knowledge` looks into (docs/knowledge.md)."""
    policy: Policy = Policy()
    variables: Mapping[str, str] = field(default_factory=dict)
    """Known to every call of this AI from its beginning; `get_variables` reads them."""
    silence: Silence = Silence()
    filler_seconds: float = 1.6
    """After so long a wait the caller hears a filler. 0: never."""
    dictation: str = "auto"
    """Wait longer when the AI has asked for a number, a name to spell, an address:
    "auto" goes by its question, "always" and "never" say it."""
    human: str = ""
    """Number or extension of who takes the call when the AI cannot go on."""
    lines: Mapping[str, str] = field(default_factory=dict)
    """Words of its own for some of LINES."""
    max_minutes: float = 60.0
    warn_seconds: float = 60.0
    """Before `max_minutes` are over the caller is told. 0: he is not."""
    noise: str = "off"
    """What takes the noise out of the caller's sound before the voice detector."""
    budget_per_day: float = 0.0
    """In the currency of the prices; once it is spent, calls are refused. 0: none."""
    outside_only: bool = False
    """Its HTTP tools and MCP servers come from somebody who is not the operator of this
    machine, and may not reach into its network. No key: who wrote it decides."""

    def __post_init__(self) -> None:
        if not self.name or not self.name.replace("-", "").replace("_", "").isalnum():
            self._refuse("a name has letters, digits, - and _ only")
        if not self.prompt.strip():
            self._refuse("prompt is empty")
        for key in ("stt", "engine_model", "tts"):
            self._check_model(key, getattr(self, key))
        for model in self.fallback_models:
            self._check_model("fallback_models", model)
        self._check_choice("noise", self.noise, NOISE)
        self._check_choice("mode", self.mode, MODES)
        if self.consent and self.mode == "realtime":
            self._refuse("consent is said word for word, and mode realtime cannot")
        self._check_choice("gender", self.gender, GENDERS)
        self._check_choice("dictation", self.dictation, DICTATION)
        for name in self.lines:
            self._check_choice("lines", name, LINES)
        self._check_range("max_minutes", self.max_minutes, 1 / 60, 24 * 60)
        self._check_range("warn_seconds", self.warn_seconds, 0, 3600)
        self._check_range("filler_seconds", self.filler_seconds, 0, 60)
        self._check_range("silence.seconds", self.silence.seconds, 0, 3600)
        self._check_range("silence.reprompts", self.silence.reprompts, 0, 20)
        self._check_range("budget_per_day", self.budget_per_day, 0, 1e9)

    @property
    def hears(self) -> str:
        """The language of the ears."""
        return self.stt_language or self.language

    def overridden(self, variables: Mapping[str, str]) -> "AI":
        """As a call wants it that brings these variables."""
        wanted = {key: variables[key] for key in OVERRIDABLE if variables.get(key)}
        return replace(self, **wanted) if wanted else self  # type: ignore[arg-type]

    def _check_model(self, key: str, model: str) -> None:
        provider, dot, name = model.partition(".")
        if model and not (provider and dot and name):
            raise ModelError(
                f"AI {self.name!r}: {key} is {model!r}, not <provider>.<model>"
            )

    def _check_choice(self, key: str, value: str, choices: tuple[str, ...]) -> None:
        if value not in choices:
            known = ", ".join(choice or '""' for choice in choices)
            self._refuse(f"{key} is {value!r}, not one of {known}")

    def _check_range(self, key: str, value: float, least: float, most: float) -> None:
        if not least <= value <= most:
            self._refuse(f"{key} is {value:g}, not in {least:g}..{most:g}")

    def _refuse(self, why: str) -> None:
        raise AIError(f"AI {self.name!r}: {why}")


KEYS = tuple(
    field.name for field in fields(AI) if field.name not in ("name", "outside_only")
)
"""What a description may hold."""


@dataclass(frozen=True, slots=True)
class AIs:
    """All AIs by name, and which one answers when the dialplan names none."""

    default: str
    by_name: Mapping[str, AI]

    def choose(self, name: str) -> AI:
        """The AI of that name, or the default one when the name is empty."""
        try:
            return self.by_name[name or self.default]
        except KeyError:
            known = ", ".join(sorted(self.by_name))
            raise AIError(f"no AI is called {name!r}; there are: {known}") from None


def read(text: str) -> AIs:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise AIError(f"not TOML: {error}") from error
    tables = document.pop("ai", {})
    default = document.pop("default", None)
    if document:
        raise AIError(f"unknown key {next(iter(document))!r} outside of [ai.NAME]")
    if not isinstance(tables, dict) or not tables:
        raise AIError("no [ai.NAME] table")
    by_name = {name: read_ai(name, table) for name, table in tables.items()}
    if default is None:
        default = next(iter(by_name))
    if default not in by_name:
        raise AIError(f"default is {default!r}, and no [ai.{default}] is there")
    return AIs(default, by_name)


def read_ai(name: str, table: object) -> AI:
    """One AI, from a table of TOML or an object of JSON."""
    if not isinstance(table, dict):
        raise AIError(f"ai.{name} is not a table")
    for key in table:
        if key not in KEYS:
            known = ", ".join(KEYS)
            raise AIError(f"AI {name!r}: unknown key {key!r}; known: {known}")
    try:
        ai: AI = value(AI, {"name": name, **table}, "")
    except ReadingError as error:
        raise AIError(f"AI {name!r}: {error}") from error
    return ai


def described(ai: AI) -> dict[str, Any]:
    """What `read_ai` makes this AI of; nothing that goes without saying."""
    return _told(ai, KEYS, everything=False)


def full(ai: AI) -> dict[str, Any]:
    """The same, and what goes without saying."""
    return _told(ai, KEYS, everything=True)


def _told(value: Any, keys: Iterable[str], *, everything: bool) -> dict[str, Any]:
    silent = {each.name: _default(each) for each in fields(value)}
    return {
        key: _plain(getattr(value, key), everything)
        for key in keys
        if everything or getattr(value, key) != silent[key]
    }


def _default(key: Field[Any]) -> Any:
    if key.default_factory is not MISSING:
        return key.default_factory()
    return key.default  # MISSING, which nothing is equal to


def _plain(value: Any, everything: bool) -> Any:
    """As JSON knows it."""
    if is_dataclass(value):
        keys = [each.name for each in fields(value)]
        return _told(value, keys, everything=everything)
    if isinstance(value, tuple):
        return [_plain(each, everything) for each in value]
    return dict(value) if isinstance(value, Mapping) else value
