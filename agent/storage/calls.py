"""Calls as they happen, kept: their beginning, turns, tool uses, troubles, end.

Every method is one short transaction, and raises StorageError if it fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from agent.calls.call import Call, CallEnd, Direction, EndReason
from agent.calls.record import CallRecord, ListedCall
from agent.calls.transcript import Speaker, ToolUse, Trouble, Turn

from .database import Database
from .errors import StorageError
from .ledger import recording
from .tables import CallRow, RecordingRow, ToolUseRow, TroubleRow, TurnRow, storable


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the list of calls, newest first; stays valid as calls come."""

    started_at: datetime
    call_id: str


@dataclass(frozen=True, slots=True)
class CallPage:
    calls: tuple[ListedCall, ...]
    next: Cursor | None
    """Where the following page begins; None: this was the last one."""


class Calls:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, call: Call) -> None:
        async with self._database.session(f"begin call {call.id!r}") as session:
            if await session.get(CallRow, call.id) is not None:
                raise StorageError(f"there is a call {call.id!r} already")
            session.add(
                CallRow(
                    id=call.id,
                    caller=call.caller,
                    called=call.called,
                    direction=call.direction.value,
                    ai=call.ai,
                    started_at=call.started_at,
                    channel_id=call.channel_id,
                    codec=call.codec,
                    dialect=call.dialect,
                    end_detail="",
                    variables=_storable(call.variables),
                )
            )

    async def add_turn(self, call_id: str, turn: Turn) -> None:
        async with self._database.session(f"add a turn to {call_id!r}") as session:
            await _row(session, call_id)
            number = await _next(session, TurnRow, call_id)
            session.add(
                TurnRow(
                    call_id=call_id,
                    number=number,
                    speaker=turn.speaker.value,
                    text=turn.text,
                    started_at=turn.started_at,
                    ended_at=turn.ended_at,
                    interrupted=turn.interrupted,
                    latency=dict(turn.latency),
                )
            )

    async def add_tool_use(self, call_id: str, use: ToolUse) -> None:
        async with self._database.session(f"add a tool use to {call_id!r}") as session:
            await _row(session, call_id)
            number = await _next(session, ToolUseRow, call_id)
            session.add(
                ToolUseRow(
                    call_id=call_id,
                    number=number,
                    name=use.name,
                    arguments=use.arguments,
                    result=use.result,
                    started_at=use.started_at,
                    milliseconds=use.milliseconds,
                    failed=use.failed,
                    refused=use.refused,
                )
            )

    async def add_trouble(self, call_id: str, trouble: Trouble) -> None:
        async with self._database.session(f"add a trouble to {call_id!r}") as session:
            await _row(session, call_id)
            number = await _next(session, TroubleRow, call_id)
            session.add(
                TroubleRow(
                    call_id=call_id,
                    number=number,
                    stage=trouble.stage,
                    provider=trouble.provider,
                    cause=trouble.cause,
                    detail=trouble.detail,
                    at=trouble.at,
                    remedy=trouble.remedy,
                )
            )

    async def keep_variables(self, call_id: str, variables: Mapping[str, str]) -> None:
        """In place of those that were kept before."""
        async with self._database.session(f"keep variables of {call_id!r}") as session:
            row = await _row(session, call_id)
            row.variables = _storable(variables)

    async def end(self, call_id: str, end: CallEnd) -> None:
        """The first end stays: ending a call that is over changes nothing."""
        async with self._database.session(f"end call {call_id!r}") as session:
            row = await _row(session, call_id)
            if row.ended_at is None:
                row.ended_at = end.ended_at
                row.end_reason = end.reason.value
                row.end_detail = end.detail

    async def get(self, call_id: str) -> CallRecord | None:
        async with self._database.session(
            f"read call {call_id!r}", read_only=True
        ) as session:
            row = await session.get(CallRow, call_id)
            if row is None:
                return None
            turns = await session.scalars(
                select(TurnRow)
                .where(TurnRow.call_id == call_id)
                .order_by(TurnRow.number)
            )
            tool_uses = await session.scalars(
                select(ToolUseRow)
                .where(ToolUseRow.call_id == call_id)
                .order_by(ToolUseRow.number)
            )
            troubles = await session.scalars(
                select(TroubleRow)
                .where(TroubleRow.call_id == call_id)
                .order_by(TroubleRow.number)
            )
            recordings = await session.scalars(
                select(RecordingRow)
                .where(RecordingRow.call_id == call_id)
                .order_by(RecordingRow.track)
            )
            return CallRecord(
                call=_call(row),
                end=_end(row),
                turns=tuple(_turn(turn) for turn in turns),
                tool_uses=tuple(_tool_use(use) for use in tool_uses),
                troubles=tuple(_trouble(trouble) for trouble in troubles),
                recordings=tuple(recording(row) for row in recordings),
                variables=row.variables,
            )

    async def newest(
        self,
        limit: int,
        before: Cursor | None = None,
        *,
        ai: str | None = None,
        ended: bool | None = None,
    ) -> CallPage:
        """At most `limit` calls, newest first; `before` is an earlier page's `next`."""
        query = select(CallRow).order_by(CallRow.started_at.desc(), CallRow.id.desc())
        if before is not None:
            query = query.where(
                tuple_(CallRow.started_at, CallRow.id)
                < (before.started_at, before.call_id)
            )
        if ai is not None:
            query = query.where(CallRow.ai == ai)
        if ended is not None:
            over = CallRow.ended_at.is_not(None)
            query = query.where(over if ended else ~over)
        async with self._database.session("list calls", read_only=True) as session:
            rows = (await session.scalars(query.limit(limit + 1))).all()
        calls = tuple(ListedCall(_call(row), _end(row)) for row in rows[:limit])
        if len(rows) <= limit:
            return CallPage(calls, None)
        last = calls[-1].call
        return CallPage(calls, Cursor(last.started_at, last.id))

    async def abandon_open(self, detail: str, now: datetime) -> int:
        """At start-up: ends what a process that died left open. Returns how many."""
        async with self._database.session("end abandoned calls") as session:
            abandoned = await session.execute(
                update(CallRow)
                .where(CallRow.ended_at.is_(None))
                .values(
                    ended_at=now,
                    end_reason=EndReason.AGENT_FAILED.value,
                    end_detail=detail,
                )
                .returning(CallRow.id)
            )
            return len(abandoned.all())


async def _next(
    session: AsyncSession,
    row: type[TurnRow] | type[ToolUseRow] | type[TroubleRow],
    call_id: str,
) -> int:
    """The number of what is written down next of its kind."""
    last = func.coalesce(func.max(row.number), 0)
    number = await session.scalar(select(last + 1).where(row.call_id == call_id))
    assert number is not None
    return number


async def _row(session: AsyncSession, call_id: str) -> CallRow:
    row = await session.get(CallRow, call_id)
    if row is None:
        raise StorageError(f"there is no call {call_id!r}")
    return row


def _storable(variables: Mapping[str, str]) -> dict[str, str]:
    return {storable(name): storable(value) for name, value in variables.items()}


def _call(row: CallRow) -> Call:
    return Call(
        id=row.id,
        caller=row.caller,
        called=row.called,
        direction=Direction(row.direction),
        ai=row.ai,
        started_at=row.started_at,
        channel_id=row.channel_id,
        codec=row.codec,
        dialect=row.dialect,
    )


def _end(row: CallRow) -> CallEnd | None:
    if row.ended_at is None or row.end_reason is None:
        return None
    return CallEnd(EndReason(row.end_reason), row.ended_at, row.end_detail)


def _turn(row: TurnRow) -> Turn:
    return Turn(
        speaker=Speaker(row.speaker),
        text=row.text,
        started_at=row.started_at,
        ended_at=row.ended_at,
        interrupted=row.interrupted,
        latency=row.latency,
    )


def _tool_use(row: ToolUseRow) -> ToolUse:
    return ToolUse(
        name=row.name,
        arguments=row.arguments,
        result=row.result,
        started_at=row.started_at,
        milliseconds=row.milliseconds,
        failed=row.failed,
        refused=row.refused,
    )


def _trouble(row: TroubleRow) -> Trouble:
    return Trouble(
        stage=row.stage,
        provider=row.provider,
        cause=row.cause,
        detail=row.detail,
        at=row.at,
        remedy=row.remedy,
    )
