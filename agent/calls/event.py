"""What is told to whoever listens: webhooks, and streams of events."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class EventType(StrEnum):
    CALL_CREATED = "call_created"
    CALL_RINGING = "call_ringing"
    CALL_ANSWERED = "call_answered"
    CALL_TRANSCRIBING = "call_transcribing"
    """Something was said."""
    TOOL_CALLED = "tool_called"
    CALL_TROUBLED = "call_troubled"
    CALL_HUNGUP = "call_hungup"
    CALL_RECORDING = "call_recording"
    """A track of its recording is stored, or never will be."""
    AI_CHANGED = "ai_changed"
    NUMBER_CHANGED = "number_changed"
    WEBHOOK_DISABLED = "webhook_disabled"
    WEBHOOK_TEST = "webhook_test"
    """Somebody tries a webhook: told to that one only, whatever it asked for."""
    BUDGET_SPENT = "budget_spent"


@dataclass(frozen=True, slots=True)
class Event:
    type: EventType
    customer: str
    at: datetime
    data: Mapping[str, Any]
    """JSON."""
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class KeptEvent:
    number: int
    """They rise without end; later events have higher ones, and some are left out."""
    id: str
    """The same for everybody who is told of it, however often."""
    event: Event


def body(kept: KeptEvent) -> dict[str, Any]:
    """What a webhook is sent, as Standard Webhooks says; the id is a header there."""
    event = kept.event
    return {
        "type": event.type.value,
        "timestamp": event.at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": dict(event.data),
    }


def numbered(kept: KeptEvent) -> dict[str, Any]:
    """The same for who reads or streams events."""
    return {"id": kept.id, "number": kept.number, **body(kept)}
