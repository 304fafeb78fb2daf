"""Records of calls, made short: seconds are counted from 12:00:00, when it began."""

from datetime import UTC, datetime, timedelta

from agent.calls.call import Call, CallEnd, Direction, EndReason, HangupCause
from agent.calls.record import CallRecord, Recording, RecordingState, Track, Untold
from agent.calls.transcript import Speaker, ToolUse, Trouble, Turn
from agent.calls.usage import Meter, Use

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=30)
CALL = "1795245062.0"
QUICK = {
    "silence": 0.45,
    "stt": 0.2,
    "llm": 0.3,
    "tts": 0.2,
    "reply": 1.0,
    "heard": 1.1,
}


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def agent(
    begin: float, end: float, text: str = "Good day.", *, cut: bool = False, **latency
) -> Turn:
    return Turn(Speaker.AGENT, text, at(begin), at(end), cut, latency)


def caller(begin: float, end: float, text: str = "A question.") -> Turn:
    return Turn(Speaker.CALLER, text, at(begin), at(end))


GOOD = (
    agent(0.5, 3, "Hello, this is the front desk."),
    caller(4, 6),
    agent(7, 10, **QUICK),
    caller(11, 13),
    agent(14, 17, **QUICK),
)


def trouble(
    stage: str, cause: str, seconds: float, provider: str = "", detail: str = "why"
) -> Trouble:
    return Trouble(stage, provider or f"fake.{stage}", cause, detail, at(seconds))


def tool(
    name: str, seconds: float, ms: float, result: str = "done", **outcome: bool
) -> ToolUse:
    return ToolUse(name, "{}", result, at(seconds), ms, **outcome)


def recording(state: RecordingState, error: str = "") -> Recording:
    return Recording(
        CALL, Track.MIX, "folder", "k", 1, 20.0, "", NOON, state, last_error=error
    )


def untold(error: str, *, given_up: bool = False) -> Untold:
    due = None if given_up else NOON + timedelta(minutes=5)
    return Untold("wh_1", "call_ended", NOON, error, due if error else None, given_up)


def used(model: str, meter: Meter = Meter.LLM_OUTPUT_TOKENS, cost: float | None = 0.0):
    return Use(meter, model, 10, cost)


def record(
    *turns: Turn,
    ended: float | None = 20,
    reason: EndReason = EndReason.CALLER_HUNG_UP,
    detail: str = "",
    answered: bool = True,
    troubles: tuple[Trouble, ...] = (),
    tools: tuple[ToolUse, ...] = (),
    recordings: tuple[Recording, ...] = (recording(RecordingState.STORED),),
    uses: tuple[Use, ...] = (),
    cause: HangupCause | None = None,
    cost: float | None = 0.0,
    variables: dict[str, str] | None = None,
) -> CallRecord:
    return CallRecord(
        Call(
            CALL,
            "15550100",
            "1000",
            Direction.INBOUND,
            "desk",
            NOON,
            codec="ulaw",
            answered_at=NOON if answered else None,
        ),
        None if ended is None else CallEnd(reason, at(ended), detail),
        turns,
        tools,
        troubles,
        recordings,
        uses,
        cause,
        cost,
        variables or {},
    )
