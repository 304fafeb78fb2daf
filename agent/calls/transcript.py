"""What was said in a call, and what the AI did besides speaking."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Speaker(StrEnum):
    CALLER = "caller"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance. Written when it is over; never changed."""

    speaker: Speaker
    text: str
    """Of the agent's turns only what the caller heard."""
    started_at: datetime
    ended_at: datetime
    interrupted: bool = False
    latency: Mapping[str, float] = field(default_factory=dict)
    """Seconds by part, e.g. {"stt": 0.31, "llm": 0.18, "tts": 0.12, "reply": 0.83}."""
    spoken: str = ""
    """What the agent was about to say, where that is more than `text`."""


@dataclass(frozen=True, slots=True)
class ToolUse:
    name: str
    arguments: str
    """JSON, as the model gave it."""
    result: str
    started_at: datetime
    milliseconds: float
    failed: bool = False
    refused: bool = False
    """The AI's policy said no; nothing was done."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something the call suffered from, under the name of who caused it."""

    stage: str
    """stt, llm, tts or tool."""
    provider: str
    """`<provider>.<model>`."""
    cause: str
    """One word of conversation/errors.py's Cause, e.g. throttled."""
    detail: str
    at: datetime
    remedy: str = ""
    """What was done: the next provider, a line, a human."""
