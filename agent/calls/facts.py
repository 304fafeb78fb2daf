"""What is written down of a call, in the order in which it happened.

A fact is true once it is noted; storage/journal.py sees to it that it is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from .call import Call, CallEnd, HangupCause
from .transcript import ToolUse, Trouble, Turn
from .usage import Use


@dataclass(frozen=True, slots=True)
class CallBegan:
    """The AI's phone rings."""

    call: Call


@dataclass(frozen=True, slots=True)
class CallAnswered:
    call_id: str
    at: datetime
    channel_id: str
    codec: str
    dialect: str


@dataclass(frozen=True, slots=True)
class TurnTaken:
    call_id: str
    turn: Turn


@dataclass(frozen=True, slots=True)
class ToolUsed:
    call_id: str
    use: ToolUse


@dataclass(frozen=True, slots=True)
class TroubleMet:
    call_id: str
    trouble: Trouble


@dataclass(frozen=True, slots=True)
class VariablesKept:
    """In place of those that were kept before."""

    call_id: str
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Used:
    """In addition to what was used before."""

    call_id: str
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The first end stays, but for one that was only supposed (AGENT_DIED)."""

    call_id: str
    end: CallEnd


@dataclass(frozen=True, slots=True)
class CauseTold:
    """Asterisk says why the line was cleared; it may come before CallEnded or after."""

    call_id: str
    cause: HangupCause


Fact = (
    CallBegan
    | CallAnswered
    | TurnTaken
    | ToolUsed
    | TroubleMet
    | VariablesKept
    | Used
    | CallEnded
    | CauseTold
)
