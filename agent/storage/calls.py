"""Calls, kept: what facts become in the database, and how it is read again.

`record` is part of a transaction that its caller began: see journal.py. Reading is a
short transaction each, and raises StorageError if it fails.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from sqlalchemy import func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from agent.calls.call import Call, CallEnd, Direction, EndReason, HangupCause
from agent.calls.event import Event, EventType
from agent.calls.facts import (
    CallAnswered,
    CallBegan,
    CallEnded,
    CauseTold,
    Fact,
    ToolUsed,
    TroubleMet,
    TurnTaken,
    Used,
    VariablesKept,
)
from agent.calls.record import CallRecord, ListedCall
from agent.calls.transcript import Speaker, ToolUse, Trouble, Turn
from agent.calls.usage import Meter, Use

from . import telling
from .database import Database
from .events import emit
from .ledger import recording
from .outbox import untold
from .retention import is_erased
from .tables import (
    CallRow,
    RecordingRow,
    ToolUseRow,
    TroubleRow,
    TurnRow,
    UsageRow,
    storable,
)

_Numbered = TurnRow | ToolUseRow | TroubleRow


class UnfitFact(Exception):
    """It is of no call that is known, or begins one that is there already."""


def call_of(fact: Fact) -> str:
    """Its id."""
    return fact.call.id if isinstance(fact, CallBegan) else fact.call_id


async def apply(session: AsyncSession, fact: Fact, agent: str, now: datetime) -> None:
    """Keeps a fact and tells of it. Raises as `record` does."""
    await emit(session, await record(session, fact, agent), now)


async def record(session: AsyncSession, fact: Fact, agent: str) -> Sequence[Event]:
    """Keeps a fact; returns what is to be emitted in the same transaction.

    Of a call that was erased nothing is kept. Raises UnfitFact before anything is
    written, so that the transaction can go on."""
    call_id = call_of(fact)
    known = await _known(session, call_id)
    if known.erased:
        return ()
    call = known.row
    if isinstance(fact, CallBegan):
        if call is not None:
            raise UnfitFact(f"there is a call {call_id!r} already")
        known.row = _row(fact.call, agent)
        session.add(known.row)
        await session.flush()
        return _began(known.row)
    if call is None:
        if isinstance(fact, CauseTold):
            return ()  # the agent never took it: it was full, or knew no such AI
        raise UnfitFact(f"there is no call {call_id!r}")
    match fact:
        case CallAnswered():
            return _answer(call, fact)
        case TurnTaken(_, turn):
            number = await _next(session, known, TurnRow)
            session.add(_turn_row(call_id, number, turn))
            return (telling.call_transcribing(call, number, turn),)
        case ToolUsed(_, use):
            number = await _next(session, known, ToolUseRow)
            session.add(_tool_use_row(call_id, number, use))
            return (telling.tool_called(call, number, use),)
        case TroubleMet(_, trouble):
            number = await _next(session, known, TroubleRow)
            session.add(_trouble_row(call_id, number, trouble))
            return (telling.call_troubled(call, number, trouble),)
        case VariablesKept(_, variables):
            call.variables = _storable(variables)
            return ()
        case Used(_, uses):
            await _sum_up(session, call, uses)
            return ()
        case CallEnded(_, end):
            return await end_call(session, call, end)
        case CauseTold(_, cause):
            call.q850, call.sip = cause.q850, cause.sip
            return ()
        case _:
            assert_never(fact)


async def end_call(
    session: AsyncSession, call: CallRow, end: CallEnd
) -> Sequence[Event]:
    """The first end stays, but for one that was only supposed."""
    corrected = call.end_reason == EndReason.AGENT_DIED
    if call.ended_at is not None and (
        not corrected or end.reason is EndReason.AGENT_DIED
    ):
        return ()
    call.ended_at = end.ended_at
    call.end_reason = end.reason.value
    call.end_detail = end.detail
    uses = await _uses(session, call.id)
    return (telling.call_hungup(call, end, uses, corrected=corrected),)


@dataclass(slots=True)
class _Known:
    """Of a call, within one transaction: asked once, and not for each fact."""

    call_id: str
    erased: bool
    row: CallRow | None
    last: dict[type[_Numbered], int]
    """The number of the last of each kind."""


async def _known(session: AsyncSession, call_id: str) -> _Known:
    known: _Known | None = session.info.get(call_id)
    if known is None:
        # Locked first: whoever erases it meanwhile waits for what is kept here.
        row = await session.get(CallRow, call_id, with_for_update=True)
        known = _Known(call_id, await is_erased(session, call_id), row, {})
        session.info[call_id] = known
    return known


async def _next(session: AsyncSession, known: _Known, kind: type[_Numbered]) -> int:
    """The number of what is written down next of its kind."""
    last = known.last.get(kind)
    if last is None:
        query = select(func.max(kind.number)).where(kind.call_id == known.call_id)
        last = await session.scalar(query) or 0
    known.last[kind] = last + 1
    return last + 1


def _row(call: Call, agent: str) -> CallRow:
    return CallRow(
        id=call.id,
        caller=call.caller,
        called=call.called,
        direction=call.direction.value,
        ai=call.ai,
        ai_version=call.ai_version,
        customer=call.customer,
        agent=agent,
        started_at=call.started_at,
        answered_at=call.answered_at,
        channel_id=call.channel_id,
        codec=call.codec,
        dialect=call.dialect,
        end_detail="",
        variables=_storable(call.variables),
        cost=0.0,
    )


def _began(call: CallRow) -> Sequence[Event]:
    types = [EventType.CALL_CREATED]
    if call.direction == Direction.INBOUND:
        types.append(EventType.CALL_RINGING)
    return [telling.call_began(call, type) for type in types]


def _answer(call: CallRow, fact: CallAnswered) -> Sequence[Event]:
    if call.answered_at is not None:
        return ()
    call.answered_at = fact.at
    call.channel_id = fact.channel_id
    call.codec = fact.codec
    call.dialect = fact.dialect
    return (telling.call_answered(call, fact.at),)


def _turn_row(call_id: str, number: int, turn: Turn) -> TurnRow:
    return TurnRow(
        call_id=call_id,
        number=number,
        speaker=turn.speaker.value,
        text=turn.text,
        spoken=turn.spoken,
        started_at=turn.started_at,
        ended_at=turn.ended_at,
        interrupted=turn.interrupted,
        latency={storable(part): seconds for part, seconds in turn.latency.items()},
    )


def _tool_use_row(call_id: str, number: int, use: ToolUse) -> ToolUseRow:
    return ToolUseRow(
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


def _trouble_row(call_id: str, number: int, trouble: Trouble) -> TroubleRow:
    return TroubleRow(
        call_id=call_id,
        number=number,
        stage=trouble.stage,
        provider=trouble.provider,
        cause=trouble.cause,
        detail=trouble.detail,
        at=trouble.at,
        remedy=trouble.remedy,
    )


async def _sum_up(session: AsyncSession, call: CallRow, uses: Iterable[Use]) -> None:
    for use in uses:
        key = (call.id, use.meter.value, storable(use.model))
        row = await session.get(UsageRow, key)
        if row is None:
            session.add(
                UsageRow(
                    call_id=call.id,
                    meter=use.meter.value,
                    model=key[2],
                    amount=use.amount,
                    cost=use.cost,
                    customer=call.customer,
                    ai=call.ai,
                    at=call.started_at,
                )
            )
        else:
            row.amount += use.amount
            row.cost = _sum(row.cost, use.cost)
        call.cost = _sum(call.cost, use.cost)
        await session.flush()


def _sum(cost: float | None, more: float | None) -> float | None:
    return None if cost is None or more is None else cost + more


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

    async def get(self, call_id: str, customer: str | None = None) -> CallRecord | None:
        """None: there is no such call, or it is another customer's."""
        async with self._database.session(
            f"read call {call_id!r}", read_only=True
        ) as session:
            row = await session.get(CallRow, call_id)
            if row is None or customer not in (None, row.customer):
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
                uses=await _uses(session, call_id),
                cause=_cause(row),
                cost=row.cost,
                variables=row.variables,
                untold=await untold(session, call_id),
            )

    async def newest(
        self,
        limit: int,
        before: Cursor | None = None,
        *,
        customer: str | None = None,
        ai: str | None = None,
        direction: Direction | None = None,
        number: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        end_reason: EndReason | None = None,
        ended: bool | None = None,
    ) -> CallPage:
        """At most `limit` calls, newest first; `before` is an earlier page's `next`.

        Of those that began at `since` or later, and before `until`; `number` is the
        caller's or the one that was called."""
        query = select(CallRow).order_by(CallRow.started_at.desc(), CallRow.id.desc())
        if before is not None:
            query = query.where(
                tuple_(CallRow.started_at, CallRow.id)
                < (before.started_at, before.call_id)
            )
        if customer is not None:
            query = query.where(CallRow.customer == customer)
        if ai is not None:
            query = query.where(CallRow.ai == ai)
        if direction is not None:
            query = query.where(CallRow.direction == direction.value)
        if number is not None:
            query = query.where(or_(CallRow.caller == number, CallRow.called == number))
        if since is not None:
            query = query.where(CallRow.started_at >= since)
        if until is not None:
            query = query.where(CallRow.started_at < until)
        if end_reason is not None:
            query = query.where(CallRow.end_reason == end_reason.value)
        if ended is not None:
            over = CallRow.ended_at.is_not(None)
            query = query.where(over if ended else ~over)
        async with self._database.session("list calls", read_only=True) as session:
            rows = (await session.scalars(query.limit(limit + 1))).all()
        calls = tuple(
            ListedCall(_call(row), _end(row), _cause(row), row.cost)
            for row in rows[:limit]
        )
        if len(rows) <= limit:
            return CallPage(calls, None)
        last = calls[-1].call
        return CallPage(calls, Cursor(last.started_at, last.id))


async def _uses(session: AsyncSession, call_id: str) -> tuple[Use, ...]:
    rows = await session.scalars(
        select(UsageRow)
        .where(UsageRow.call_id == call_id)
        .order_by(UsageRow.meter, UsageRow.model)
    )
    return tuple(Use(Meter(row.meter), row.model, row.amount, row.cost) for row in rows)


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
        customer=row.customer,
        ai_version=row.ai_version,
        answered_at=row.answered_at,
    )


def _end(row: CallRow) -> CallEnd | None:
    if row.ended_at is None or row.end_reason is None:
        return None
    return CallEnd(EndReason(row.end_reason), row.ended_at, row.end_detail)


def _cause(row: CallRow) -> HangupCause | None:
    return None if row.q850 is None else HangupCause(row.q850, row.sip or 0)


def _turn(row: TurnRow) -> Turn:
    return Turn(
        speaker=Speaker(row.speaker),
        text=row.text,
        started_at=row.started_at,
        ended_at=row.ended_at,
        interrupted=row.interrupted,
        latency=row.latency,
        spoken=row.spoken,
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
