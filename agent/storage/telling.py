"""What is told of a call: the data of each type of event, as docs/records.md says.

Every one of them has `call`, what the call is by then; beside it stands what happened.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from agent.calls.call import CallEnd
from agent.calls.event import Event, EventType
from agent.calls.record import Recording
from agent.calls.transcript import ToolUse, Trouble, Turn
from agent.calls.usage import Use

from .tables import CallRow


def call_began(call: CallRow, type: EventType) -> Event:
    return _event(type, call, call.started_at, {})


def call_answered(call: CallRow, at: datetime) -> Event:
    return _event(
        EventType.CALL_ANSWERED,
        call,
        at,
        {
            "channel_id": call.channel_id,
            "codec": call.codec,
            "ringing_seconds": _seconds(call, at),
        },
    )


def call_transcribing(call: CallRow, number: int, turn: Turn) -> Event:
    return _event(
        EventType.CALL_TRANSCRIBING,
        call,
        turn.ended_at,
        {
            "turn": number,
            "speaker": turn.speaker.value,
            "text": turn.text,
            "spoken": turn.spoken,
            "started_at": _instant(turn.started_at),
            "ended_at": _instant(turn.ended_at),
            "start_seconds": _seconds(call, turn.started_at),
            "end_seconds": _seconds(call, turn.ended_at),
            "interrupted": turn.interrupted,
            "latency": dict(turn.latency),
        },
    )


def tool_called(call: CallRow, number: int, use: ToolUse) -> Event:
    return _event(
        EventType.TOOL_CALLED,
        call,
        use.started_at,
        {
            "tool_use": number,
            "name": use.name,
            "arguments": use.arguments,
            "result": use.result,
            "started_at": _instant(use.started_at),
            "start_seconds": _seconds(call, use.started_at),
            "milliseconds": use.milliseconds,
            "failed": use.failed,
            "refused": use.refused,
        },
    )


def call_troubled(call: CallRow, number: int, trouble: Trouble) -> Event:
    return _event(
        EventType.CALL_TROUBLED,
        call,
        trouble.at,
        {
            "trouble": number,
            "stage": trouble.stage,
            "provider": trouble.provider,
            "cause": trouble.cause,
            "detail": trouble.detail,
            "at": _instant(trouble.at),
            "remedy": trouble.remedy,
        },
    )


def call_hungup(
    call: CallRow, end: CallEnd, uses: Iterable[Use], *, corrected: bool
) -> Event:
    return _event(
        EventType.CALL_HUNGUP,
        call,
        end.ended_at,
        {
            "reason": end.reason.value,
            "detail": end.detail,
            "seconds": _seconds(call, end.ended_at),
            "cause": (
                None if call.q850 is None else {"q850": call.q850, "sip": call.sip or 0}
            ),
            "cost": call.cost,
            "usage": [
                {
                    "meter": use.meter.value,
                    "model": use.model,
                    "amount": use.amount,
                    "cost": use.cost,
                }
                for use in uses
            ],
            "corrected": corrected,
        },
    )


def call_recording(
    recording: Recording, call: CallRow | None, customer: str, at: datetime
) -> Event:
    """`call` None: Asterisk recorded a call that the agent never heard of."""
    told = {
        "track": recording.track.value,
        "state": recording.state.value,
        "store": recording.store,
        "key": recording.key,
        "format": recording.format,
        "bytes": recording.bytes,
        "seconds": recording.seconds,
        "sha256": recording.sha256,
        "error": recording.last_error,
    }
    summary = None if call is None else _summary(call)
    return Event(
        EventType.CALL_RECORDING,
        customer,
        at,
        {"call": summary, "call_id": recording.call_id, **told},
        recording.call_id,
    )


def _event(
    type: EventType, call: CallRow, at: datetime, told: Mapping[str, Any]
) -> Event:
    return Event(type, call.customer, at, {"call": _summary(call), **told}, call.id)


def _summary(call: CallRow) -> dict[str, Any]:
    return {
        "id": call.id,
        "direction": call.direction,
        "caller": call.caller,
        "called": call.called,
        "ai": call.ai,
        "ai_version": call.ai_version,
        "customer": call.customer,
        "started_at": _instant(call.started_at),
        "answered_at": _instant(call.answered_at),
        "ended_at": _instant(call.ended_at),
        "end_reason": call.end_reason,
    }


def _instant(at: datetime | None) -> str | None:
    if at is None:
        return None
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _seconds(call: CallRow, at: datetime) -> float:
    """Of the call."""
    return round((at - call.started_at).total_seconds(), 3)
