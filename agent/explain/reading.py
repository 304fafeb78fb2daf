"""The record of a call as GET /calls/{id} gives it, back into what it was."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agent.calls.call import Call, CallEnd, Direction, EndReason, HangupCause
from agent.calls.record import CallRecord, Gap, Recording, RecordingState, Track, Untold
from agent.calls.transcript import Speaker, ToolUse, Trouble, Turn
from agent.calls.usage import Meter, Use


class NotARecord(Exception):
    """What came is not a call of this version's API."""


def record(given: Mapping[str, Any]) -> CallRecord:
    try:
        return _record(given)
    except (KeyError, TypeError, ValueError) as error:
        raise NotARecord(f"not the record of a call: {error!r}") from error


def _record(given: Mapping[str, Any]) -> CallRecord:
    end = given["end_reason"]
    q850 = given["q850"]
    return CallRecord(
        Call(
            given["id"],
            given["caller"],
            given["called"],
            Direction(given["direction"]),
            given["ai"],
            _time(given["started_at"]),
            given["channel_id"],
            given["codec"],
            given["dialect"],
            customer=given["customer"],
            ai_version=given["ai_version"],
            answered_at=_perhaps(given["answered_at"]),
        ),
        None
        if end is None
        else CallEnd(EndReason(end), _time(given["ended_at"]), given["end_detail"]),
        tuple(map(_turn, given["turns"])),
        tuple(map(_tool_use, given["tool_uses"])),
        tuple(map(_trouble, given["troubles"])),
        tuple(map(_recording, given["recordings"])),
        tuple(
            Use(Meter(use["meter"]), use["model"], use["amount"], use["cost"])
            for use in given["usage"]
        ),
        None if q850 is None else HangupCause(q850, given["sip"] or 0),
        given["cost"],
        given["variables"],
        tuple(map(_untold, given["untold"])),
    )


def _turn(given: Mapping[str, Any]) -> Turn:
    return Turn(
        Speaker(given["speaker"]),
        given["text"],
        _time(given["started_at"]),
        _time(given["ended_at"]),
        given["interrupted"],
        given["latency"],
        given["spoken"],
    )


def _tool_use(given: Mapping[str, Any]) -> ToolUse:
    return ToolUse(
        given["name"],
        given["arguments"],
        given["result"],
        _time(given["started_at"]),
        given["milliseconds"],
        given["failed"],
        given["refused"],
    )


def _trouble(given: Mapping[str, Any]) -> Trouble:
    return Trouble(
        given["stage"],
        given["provider"],
        given["cause"],
        given["detail"],
        _time(given["at"]),
        given["remedy"],
    )


def _recording(given: Mapping[str, Any]) -> Recording:
    return Recording(
        given["call_id"],
        Track(given["track"]),
        given["store"],
        given["key"],
        given["bytes"],
        given["seconds"],
        given["sha256"],
        _time(given["created_at"]),
        RecordingState(given["state"]),
        last_error=given["last_error"],
        next_try=_perhaps(given["next_try"]),
        gaps=tuple(Gap(at, seconds) for at, seconds in given["gaps"]),
    )


def _untold(given: Mapping[str, Any]) -> Untold:
    return Untold(
        given["webhook"],
        given["event"],
        _time(given["since"]),
        given["error"],
        _perhaps(given["next_try"]),
        given["given_up"],
    )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _perhaps(text: str | None) -> datetime | None:
    return None if text is None else _time(text)
