"""What is kept of a call: what was said and done in it, and its recordings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from .call import Call, CallEnd
from .transcript import ToolUse, Trouble, Turn


class Track(StrEnum):
    """Whose voice a recording holds."""

    MIX = "mix"
    USER = "user"
    """The caller alone."""
    ASSISTANT = "assistant"
    """The AI alone."""


@dataclass(frozen=True, slots=True)
class Recording:
    call_id: str
    track: Track
    store: str
    """Where `key` means something: `folder`, or `s3://<bucket>`."""
    key: str
    """Relative to the folder, or the object's whole key in the bucket."""
    bytes: int
    seconds: float
    sha256: str
    """Hexadecimal, of the whole file."""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ListedCall:
    call: Call
    end: CallEnd | None
    """None: the call is up."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    call: Call
    end: CallEnd | None
    """None: the call is up."""
    turns: tuple[Turn, ...] = ()
    tool_uses: tuple[ToolUse, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    recordings: tuple[Recording, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    """What was known at its end, or is known now; `call.variables` is left empty."""
