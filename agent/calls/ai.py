"""An AI: what it says first, how it behaves, with which voice and model.

AIs are described in a TOML file (OFFHOOK_AIS); `read` turns that text into
values or says which line of the operator is wrong.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

NOISE = ("off", "service", "inprocess")
"""Nothing, `python -m agent.nc`, or the agent itself (docs/noise.md)."""


class AIError(ValueError):
    """The description of an AI is wrong. Says which AI and what was expected."""


@dataclass(frozen=True, slots=True)
class AI:
    name: str
    prompt: str
    greeting: str = ""
    """Said as soon as media flows; empty: the AI waits for the caller."""
    language: str = "en"
    """BCP-47, of both ears and voice."""
    voice: str = ""
    """Empty: the default voice of the TTS."""
    engine: str = ""
    """`<provider>.<model>`; empty: the default engine."""
    tools: tuple[str, ...] = ("end_call",)
    max_minutes: float = 60.0
    noise: str = "off"
    """What takes the noise out of the caller's sound before the voice detector."""

    def __post_init__(self) -> None:
        if not self.name or not self.name.replace("-", "").replace("_", "").isalnum():
            raise AIError(f"AI {self.name!r}: a name has letters, digits, - and _ only")
        if not self.prompt.strip():
            raise AIError(f"AI {self.name!r}: prompt is empty")
        if self.engine and "." not in self.engine:
            raise AIError(
                f"AI {self.name!r}: engine {self.engine!r} is not <provider>.<model>"
            )
        if self.noise not in NOISE:
            raise AIError(
                f"AI {self.name!r}: noise is {self.noise!r}, not one of"
                f" {', '.join(NOISE)}"
            )
        if not 0 < self.max_minutes <= 24 * 60:
            raise AIError(
                f"AI {self.name!r}: max_minutes is {self.max_minutes}, not in 0..1440"
            )


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


# What a key may hold in TOML, by the type that it has in AI.
_KINDS: Mapping[Any, tuple[tuple[type, ...], str]] = {
    str: ((str,), "a string"),
    float: ((int, float), "a number"),
    tuple[str, ...]: ((list,), "a list of names"),
}


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
    by_name = {name: _ai(name, table) for name, table in tables.items()}
    if default is None:
        default = next(iter(by_name))
    if default not in by_name:
        raise AIError(f"default is {default!r}, and no [ai.{default}] is there")
    return AIs(default, by_name)


def _ai(name: str, table: Any) -> AI:
    if not isinstance(table, dict):
        raise AIError(f"ai.{name} is not a table")
    kinds = get_type_hints(AI)
    for key, value in table.items():
        if key == "name" or key not in kinds:
            known = ", ".join(kind for kind in kinds if kind != "name")
            raise AIError(f"AI {name!r}: unknown key {key!r}; known: {known}")
        accepted, expected = _KINDS[kinds[key]]
        if not isinstance(value, accepted) or isinstance(value, bool):
            raise AIError(f"AI {name!r}: {key} is {value!r}, not {expected}")
    if "prompt" not in table:
        raise AIError(f"AI {name!r}: no prompt")
    tools = table.get("tools", ["end_call"])
    if not all(isinstance(tool, str) for tool in tools):
        raise AIError(f"AI {name!r}: tools is {tools!r}, not a list of names")
    return AI(name=name, **{**table, "tools": tuple(tools)})
