"""The public JSON shapes, and nothing else."""

from datetime import datetime

from pydantic import BaseModel, Field

from agent.calls.call import Direction, EndReason
from agent.calls.record import CallRecord, ListedCall, RecordingState, Track
from agent.calls.transcript import Speaker
from agent.observe.missing import Cause
from agent.storage.retention import Tombstone


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
    caller: str
    called: str
    direction: Direction
    ai: str
    channel_id: str = Field(description="Asterisk's id of the AI's channel.")
    codec: str
    dialect: str
    started_at: datetime
    ended_at: datetime | None = Field(description="Null: the call is up.")
    end_reason: EndReason | None
    end_detail: str

    @classmethod
    def of(cls, listed: ListedCall) -> "CallSummary":
        call, end = listed.call, listed.end
        return cls(
            id=call.id,
            caller=call.caller,
            called=call.called,
            direction=call.direction,
            ai=call.ai,
            channel_id=call.channel_id,
            codec=call.codec,
            dialect=call.dialect,
            started_at=call.started_at,
            ended_at=end.ended_at if end else None,
            end_reason=end.reason if end else None,
            end_detail=end.detail if end else "",
        )


class CallPage(BaseModel):
    calls: list[CallSummary]
    next: str | None = Field(
        description="Pass it as `before` for the calls that follow; null: no more."
    )


class TurnShape(BaseModel):
    speaker: Speaker
    text: str = Field(description="Of the agent only what the caller heard.")
    started_at: datetime
    ended_at: datetime
    interrupted: bool
    latency: dict[str, float] = Field(description="Seconds by part.")


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
    variables: dict[str, str] = Field(description="What is known in the call.")

    @classmethod
    def of_record(cls, record: CallRecord) -> "CallDetail":
        summary = CallSummary.of(ListedCall(record.call, record.end))
        return cls(
            **summary.model_dump(),
            turns=[
                TurnShape(
                    speaker=turn.speaker,
                    text=turn.text,
                    started_at=turn.started_at,
                    ended_at=turn.ended_at,
                    interrupted=turn.interrupted,
                    latency=dict(turn.latency),
                )
                for turn in record.turns
            ],
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
            recordings=[
                RecordingShape(
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
                for recording in record.recordings
            ],
            variables=dict(record.variables),
        )
