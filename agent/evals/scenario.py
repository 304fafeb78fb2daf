"""A scenario as its file has it: an AI, a world around it, a caller, expectations.

One TOML file is one scenario, and the file's name is its name. docs/evals.md explains
every key.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.calls.ai import AI, AIError, AIs, read_ai
from agent.calls.call import EndReason
from agent.calls.reading import ReadingError, value

from .pattern import Pattern

KEYS = frozenset("0123456789*#")


class ScenarioError(ValueError):
    """The file is wrong. Says which one, where, and what was expected."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Of the world outside to an HTTP request."""

    path: str
    """As in the tool's URL, with its query; `*` stands for anything."""
    method: str = ""
    """Empty: any."""
    status: int = 200
    json: Any = field(default_factory=dict)
    after: float = 0.0
    """Seconds that it takes."""


@dataclass(frozen=True, slots=True)
class Document:
    name: str
    text: str
    collection: str = "documents"


@dataclass(frozen=True, slots=True)
class World:
    """What would be outside of the house. Anything else that is asked is not there."""

    http: tuple[Answer, ...] = ()
    documents: tuple[Document, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolExpected:
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Each of these; there may be others."""
    failed: bool = False
    """It was used, and could not do it."""


@dataclass(frozen=True, slots=True)
class SentExpected:
    """An e-mail or a message that left the house."""

    to: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Expectation:
    """Of the answer to one of the caller's turns, or of the whole call."""

    says: tuple[str, ...] = ()
    """One of these."""
    says_all: tuple[str, ...] = ()
    """Every one of these."""
    never_says: tuple[str, ...] = ()
    tools: tuple[ToolExpected, ...] = ()
    """Each was used."""
    no_tools: tuple[str, ...] = ()
    """None of these was used with success; `*`: none at all."""
    variables: Mapping[str, str] = field(default_factory=dict)
    sent: tuple[SentExpected, ...] = ()
    within: float = 0.0
    """Seconds from the caller's last word to the AI's first. 0: whenever."""
    connected: str = ""
    """The destination that the call was handed over to."""
    ends: str = ""
    """Why the call is over, a word of calls/call.py's EndReason."""
    max_turns: int = 0
    """The AI speaks so often at most. 0: as often as it likes."""

    def __post_init__(self) -> None:
        words = (*self.says, *self.says_all, *self.never_says, self.connected)
        words += (*self.variables.values(),)
        words += tuple(text for sent in self.sent for text in (sent.to, sent.text))
        for text in words:
            Pattern(text)
        if self.ends and self.ends not in {*EndReason}:
            known = ", ".join(EndReason)
            raise ReadingError(f"ends is {self.ends!r}, not one of {known}")


@dataclass(frozen=True, slots=True)
class CallerTurn:
    """One thing that the caller does, once the AI has finished speaking."""

    says: str = ""
    audio: str = ""
    """Instead: a WAV file beside the scenario. In text mode `says` stands for it."""
    keys: str = ""
    """Instead: pressed on the phone."""
    silent: float = 0.0
    """Instead: seconds in which the caller says nothing."""
    interrupts_after: float = 0.0
    """Seconds after the AI began to answer the turn before. This one does not wait for
    the end of that answer."""
    when: tuple[str, ...] = ()
    """Only if the AI's last words have one of these; the turn is left out otherwise."""
    expect: Expectation = Expectation()

    def __post_init__(self) -> None:
        given = [bool(self.says or self.audio), bool(self.keys), self.silent > 0]
        if sum(given) != 1:
            raise ReadingError("give one of says or audio, keys, silent")
        if set(self.keys) - KEYS:
            raise ReadingError(f"keys is {self.keys!r}: 0 to 9, * and # only")
        for text in self.when:
            Pattern(text)

    def __str__(self) -> str:
        if self.keys:
            return f"[keys {self.keys}]"
        if self.silent:
            return f"[silent for {self.silent:g} s]"
        return self.says or f"[{self.audio}]"


@dataclass(frozen=True, slots=True)
class Script:
    turns: tuple[CallerTurn, ...]
    about: str = ""
    caller: str = "+12025550142"
    variables: Mapping[str, str] = field(default_factory=dict)
    """Known when the call begins, as if the dialplan had passed them."""
    world: World = World()
    expect: Expectation = Expectation()
    """Of the whole call."""
    runs: int = 1
    """Models are not deterministic: the call is made so often ..."""
    must_pass: int = 0
    """... and must be right so often. 0: each time."""
    beyond: tuple[str, ...] = ()
    """Models for which this was measured to be too hard: failing is known, no news."""
    patience: float = 30.0
    """Seconds that the caller waits for an answer, and then for its end."""

    def __post_init__(self) -> None:
        if not self.turns:
            raise ReadingError("turns is empty: the caller does nothing")
        if not 1 <= self.runs <= 100:
            raise ReadingError(f"runs is {self.runs}, not in 1..100")
        if not 0 <= self.must_pass <= self.runs:
            raise ReadingError(f"must_pass is {self.must_pass}, not in 0..{self.runs}")


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    ai: AI
    script: Script
    folder: Path = Path()
    """Where its WAV files are."""


def read(text: str, name: str, ais: AIs, folder: Path = Path()) -> Scenario:
    """`ais`: those that a scenario may name instead of describing one."""
    try:
        document = tomllib.loads(text)
        given = document.pop("ai", None)
        ai = ais.choose(given) if isinstance(given, str) else read_ai(name, given)
        script: Script = value(Script, document, "")
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{name}: not TOML: {error}") from error
    except (AIError, ReadingError) as error:
        raise ScenarioError(f"{name}: {error}") from error
    # MCP servers would be real ones.
    return Scenario(name, replace(ai, mcp_servers=()), script, folder)


def find(paths: list[Path]) -> list[Path]:
    """The files meant: of a folder, all TOML files in it."""
    found: list[Path] = []
    for path in paths:
        files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
        if not files:
            raise ScenarioError(f"{path}: there is no .toml file in this folder")
        found += files
    return found


def read_file(path: Path, ais: AIs) -> Scenario:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: cannot be read: {error}") from error
    return read(text, path.stem, ais, path.parent)
