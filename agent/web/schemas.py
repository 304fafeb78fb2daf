"""The public JSON shapes, and nothing else."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field

from agent.calls.call import Call, Direction, EndReason
from agent.calls.customer import ApiKey, Customer, Scope
from agent.calls.record import (
    CallRecord,
    ListedCall,
    Recording,
    RecordingState,
    Track,
)
from agent.calls.transcript import Speaker, Turn
from agent.calls.usage import Meter
from agent.observe.missing import Cause
from agent.storage.retention import Tombstone

_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def _written_out(given: Any) -> Any:
    """Not the seconds since 1970 either, which pydantic would take."""
    if not isinstance(given, str) or not _INSTANT.fullmatch(given):
        raise ValueError("a time is written like 2026-11-21T12:00:00Z (RFC 3339)")
    return given


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("it lies outside of the years 1 to 9999") from None


Instant = Annotated[
    AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)
]
"""A point in time that a client names."""


class ProblemPlace(BaseModel):
    where: str
    what: str


class Problem(BaseModel):
    """RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    code: str = Field(description="Stable: programs may go by it.")
    detail: str
    errors: list[ProblemPlace] | None = Field(
        None, description="With 422: what is wrong with which part of the request."
    )
    needed: Scope | None = Field(
        None, description="With 403: the scope that a key must have."
    )
    not_ready: dict[str, str] | None = Field(
        None, description="With 503 of /readyz: what is not ready, and why."
    )
    cause: Cause | None = Field(
        None, description="With 404 and 410 of a recording: why there is none."
    )
    available: list[str] | None = Field(
        None, description="With 406 of a recording: the formats that there are."
    )


class CallSummary(BaseModel):
    id: str
    customer: str
    caller: str
    called: str
    direction: Direction
    ai: str
    ai_version: int = Field(
        description="Which the call keeps, whatever becomes of the AI; 0: not known."
    )
    channel_id: str = Field(description="Asterisk's id of the AI's channel.")
    codec: str
    dialect: str
    started_at: datetime
    answered_at: datetime | None = Field(description="Null: it rings, or rang in vain.")
    ended_at: datetime | None = Field(description="Null: the call is up.")
    ring_seconds: float | None = Field(
        description="Until it was answered, or over; null: it rings."
    )
    talk_seconds: float | None = Field(
        description="Between answer and end; null: the call is up."
    )
    end_reason: EndReason | None
    end_detail: str
    q850: int | None = Field(
        description="Why the caller's line was cleared (ITU-T Q.850; 16: normally)."
    )
    sip: int | None = Field(description="The status of the SIP response, if any came.")
    cost: float | None = Field(
        description="In the currency of the prices; null: something has no price."
    )

    @classmethod
    def of(cls, listed: ListedCall) -> "CallSummary":
        call, end, cause = listed.call, listed.end, listed.cause
        ringing, talking = _seconds(call, end.ended_at if end else None)
        return cls(
            id=call.id,
            customer=call.customer,
            caller=call.caller,
            called=call.called,
            direction=call.direction,
            ai=call.ai,
            ai_version=call.ai_version,
            channel_id=call.channel_id,
            codec=call.codec,
            dialect=call.dialect,
            started_at=call.started_at,
            answered_at=call.answered_at,
            ended_at=end.ended_at if end else None,
            ring_seconds=ringing,
            talk_seconds=talking,
            end_reason=end.reason if end else None,
            end_detail=end.detail if end else "",
            q850=cause.q850 if cause else None,
            sip=(cause.sip or None) if cause else None,
            cost=listed.cost,
        )


def _seconds(
    call: Call, ended_at: datetime | None
) -> tuple[float | None, float | None]:
    """How long it rang, and how long it was talked."""
    rang_until = call.answered_at or ended_at
    ringing = (
        None if rang_until is None else (rang_until - call.started_at).total_seconds()
    )
    if ended_at is None:
        return ringing, None
    if call.answered_at is None:
        return ringing, 0.0
    return ringing, (ended_at - call.answered_at).total_seconds()


class CallPage(BaseModel):
    calls: list[CallSummary]
    next: str | None = Field(
        description="Pass it as `before` for the calls that follow; null: no more."
    )


class TurnShape(BaseModel):
    speaker: Speaker
    text: str = Field(description="Of the agent only what the caller heard.")
    spoken: str = Field(
        description="What the agent was about to say, where that is more than `text`."
    )
    start: float = Field(description="Seconds since the call began.")
    end: float
    started_at: datetime
    ended_at: datetime
    interrupted: bool
    latency: dict[str, float] = Field(description="Seconds by part.")

    @classmethod
    def of(cls, turn: Turn, call: Call) -> "TurnShape":
        return cls(
            speaker=turn.speaker,
            text=turn.text,
            spoken=turn.spoken,
            start=(turn.started_at - call.started_at).total_seconds(),
            end=(turn.ended_at - call.started_at).total_seconds(),
            started_at=turn.started_at,
            ended_at=turn.ended_at,
            interrupted=turn.interrupted,
            latency=dict(turn.latency),
        )


class TurnList(BaseModel):
    turns: list[TurnShape]

    @classmethod
    def of(cls, record: CallRecord) -> "TurnList":
        return cls(turns=[TurnShape.of(turn, record.call) for turn in record.turns])


class ToolUseShape(BaseModel):
    name: str
    arguments: str = Field(description="JSON, as the model gave it.")
    result: str
    started_at: datetime
    milliseconds: float
    failed: bool
    refused: bool = Field(description="The AI's policy said no.")


class TroubleShape(BaseModel):
    stage: str = Field(description="stt, llm, tts or tool.")
    provider: str = Field(description="`<provider>.<model>`.")
    cause: str = Field(description="One word, e.g. throttled.")
    detail: str
    at: datetime
    remedy: str = Field(description="What was done about it.")


class RecordingShape(BaseModel):
    call_id: str
    track: Track
    store: str = Field(description="`folder`, or `s3://<bucket>`.")
    key: str
    bytes: int
    seconds: float
    sha256: str
    created_at: datetime
    state: RecordingState
    format: str
    closed_at: datetime | None = Field(description="When Asterisk finished it.")
    stored_at: datetime | None
    last_error: str = Field(description="Why it is not stored, as far as it is not.")
    next_try: datetime | None
    gaps: list[tuple[float, float]] = Field(
        description="Where it is shorter than the call: at which second of it, and by"
        " how many. MixMonitor writes nothing while neither side sends."
    )

    @classmethod
    def of(cls, recording: Recording) -> "RecordingShape":
        return cls(
            call_id=recording.call_id,
            track=recording.track,
            store=recording.store,
            key=recording.key,
            bytes=recording.bytes,
            seconds=recording.seconds,
            sha256=recording.sha256,
            created_at=recording.created_at,
            state=recording.state,
            format=recording.format,
            closed_at=recording.closed_at,
            stored_at=recording.stored_at,
            last_error=recording.last_error,
            next_try=recording.next_try,
            gaps=[(gap.at, gap.seconds) for gap in recording.gaps],
        )


class RecordingList(BaseModel):
    recordings: list[RecordingShape]
    next: str | None = Field(
        description="Pass it as `before` for those that follow; null: no more."
    )


class UseShape(BaseModel):
    meter: Meter
    model: str = Field(description="`<provider>.<model>`; of call_seconds empty.")
    amount: float
    cost: float | None = Field(description="Null: the prices do not name this model.")


class UntoldShape(BaseModel):
    webhook: str
    event: str = Field(description="Its type.")
    since: datetime
    error: str = Field(
        description="Of the last try; of one that waits for its turn, that of the one"
        " before it. Empty: none was made so far."
    )
    next_try: datetime | None
    given_up: bool = Field(description="It was tried for the last time.")


class WaveformShape(BaseModel):
    track: Track
    seconds: float
    peaks: list[tuple[int, int]] = Field(
        description="Lowest and highest sample of each step, -128 to 127."
    )


class ErasureShape(BaseModel):
    state: RecordingState = Field(description="erased, or expired before.")
    at: datetime
    who: str
    why: str
    finished_at: datetime | None = Field(
        description="Null: the store has not deleted the sound yet, and is asked again."
    )

    @classmethod
    def of(cls, tombstone: Tombstone) -> "ErasureShape":
        return cls(
            state=tombstone.state,
            at=tombstone.at,
            who=tombstone.who,
            why=tombstone.why,
            finished_at=tombstone.finished_at,
        )


class CallDetail(CallSummary):
    turns: list[TurnShape]
    tool_uses: list[ToolUseShape]
    troubles: list[TroubleShape]
    recordings: list[RecordingShape]
    usage: list[UseShape]
    variables: dict[str, str] = Field(description="What is known in the call.")
    untold: list[UntoldShape] = Field(
        description="Events of the call that webhooks have not been told."
    )

    @classmethod
    def of_record(cls, record: CallRecord) -> "CallDetail":
        summary = CallSummary.of(
            ListedCall(record.call, record.end, record.cause, record.cost)
        )
        return cls(
            **summary.model_dump(),
            turns=[TurnShape.of(turn, record.call) for turn in record.turns],
            tool_uses=[
                ToolUseShape(
                    name=use.name,
                    arguments=use.arguments,
                    result=use.result,
                    started_at=use.started_at,
                    milliseconds=use.milliseconds,
                    failed=use.failed,
                    refused=use.refused,
                )
                for use in record.tool_uses
            ],
            troubles=[
                TroubleShape(
                    stage=trouble.stage,
                    provider=trouble.provider,
                    cause=trouble.cause,
                    detail=trouble.detail,
                    at=trouble.at,
                    remedy=trouble.remedy,
                )
                for trouble in record.troubles
            ],
            recordings=[RecordingShape.of(each) for each in record.recordings],
            usage=[
                UseShape(
                    meter=use.meter, model=use.model, amount=use.amount, cost=use.cost
                )
                for use in record.uses
            ],
            variables=dict(record.variables),
            untold=[
                UntoldShape(
                    webhook=each.webhook,
                    event=each.event,
                    since=each.since,
                    error=each.error,
                    next_try=each.next_try,
                    given_up=each.given_up,
                )
                for each in record.untold
            ],
        )


class CustomerShape(BaseModel):
    id: str
    name: str
    created_at: datetime

    @classmethod
    def of(cls, customer: Customer) -> "CustomerShape":
        return cls(id=customer.id, name=customer.name, created_at=customer.created_at)


class CustomerList(BaseModel):
    customers: list[CustomerShape]


class NewCustomer(BaseModel):
    id: str = Field(
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="Stands in addresses and logs, and stays.",
    )
    name: str = Field("", max_length=200)


class KeyShape(BaseModel):
    id: str
    customer: str
    scope: Scope
    name: str
    hint: str = Field(description="How the key begins, to tell it from others.")
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: ApiKey) -> "KeyShape":
        return cls(
            id=key.id,
            customer=key.customer,
            scope=key.scope,
            name=key.name,
            hint=key.hint,
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
        )


class KeyList(BaseModel):
    keys: list[KeyShape]


class NewKey(BaseModel):
    scope: Scope
    name: str = Field(max_length=200, description="Who has it, and what for.")
    customer: str | None = Field(
        None, max_length=64, description="Null: the customer of the request."
    )
    expires_at: Instant | None = Field(None, description="Null: never.")


class MadeKey(KeyShape):
    key: str = Field(description="The key itself. It is shown here and never again.")
