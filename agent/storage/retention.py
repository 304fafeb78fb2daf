"""Deletes what was said in a call, for good: when it is old, or when somebody asks.

A tombstone comes first, then words, audio, and the tombstone's end. It stays for ever:
an upload of the call that comes later is deleted again. A store that does not answer is
asked again with every sweep. Old events go as well: who was away for that long has
missed them; and what the database did not take of old calls.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from loguru import logger
from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from agent.calls.customer import DEFAULT
from agent.calls.event import EventType
from agent.calls.record import RecordingState

from .audit import Act, Deed, note
from .database import Database
from .errors import StorageError
from .events import Events
from .rejected import Rejected
from .shelves import Shelves
from .stores import StoreError
from .tables import (
    CallRow,
    EventRow,
    RecordingRow,
    TombstoneRow,
    ToolUseRow,
    TroubleRow,
    TurnRow,
)

GONE = (RecordingState.ERASED, RecordingState.EXPIRED)
_AT_ONCE = 100
"""Calls in one look into the database."""
_WITH_WORDS = (
    EventType.CALL_TRANSCRIBING,
    EventType.TOOL_CALLED,
    EventType.CALL_TROUBLED,
)
_WITHOUT_WORDS = ("call", "call_id", "turn", "tool_use", "trouble")
"""What their data says of the call, and which one of its kind they tell of."""
_SWEEP_EVERY = 300.0
"""Seconds."""


class UnknownCall(Exception):
    """There is nothing of this call to erase."""


class CallIsUp(Exception):
    """What is being said cannot be erased while it is written down."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    call_id: str
    state: RecordingState
    """ERASED or EXPIRED."""
    at: datetime
    who: str
    why: str
    finished_at: datetime | None
    """None: something is left in the store; `last_error` says why."""
    last_error: str = ""


async def is_erased(session: AsyncSession, call_id: str) -> bool:
    """Erased or expired: nothing of this call may be kept any more.

    To be asked in the transaction in which something would be kept."""
    return await session.get(TombstoneRow, call_id) is not None


def _nothing(call_id: str) -> None:
    pass


class Retention:
    def __init__(
        self,
        database: Database,
        shelves: Shelves,
        days: float,
        discard: Callable[[str], None] = _nothing,
        event_days: float = 30,
        rejected: Rejected | None = None,
    ) -> None:
        """`days` 0: for ever. `discard` deletes what is on its way to the store: that
        of Leftovers. It blocks, and may be called again. `rejected`: the journal's."""
        self._database = database
        self._shelves = shelves
        self._days = days
        self._discard = discard
        self._event_days = event_days
        self._rejected = rejected
        # An agent that died may have left something there.
        self._in_log = True

    async def run(self, clock: Callable[[], datetime]) -> None:
        """Sweeps until it is cancelled."""
        while True:
            try:
                await self.sweep(clock())
            except StorageError as error:
                logger.error("[REC] {}", error)
            await asyncio.sleep(_SWEEP_EVERY)

    async def tombstone(self, call_id: str) -> Tombstone | None:
        async with self._database.session(
            f"look for the tombstone of {call_id!r}", read_only=True
        ) as session:
            row = await session.get(TombstoneRow, call_id)
            return None if row is None else _tombstone(row)

    async def condemn(
        self, call_id: str, *, who: str, why: str, now: datetime
    ) -> Tombstone:
        """Deletes the words of a call and bars the rest; `finish` deletes that.

        Raises UnknownCall or CallIsUp. Again: nothing changes."""
        tombstone = await self._bury(call_id, RecordingState.ERASED, who, why, now)
        await self._empty_log()
        return tombstone

    async def finish(self, call_id: str, now: datetime) -> Tombstone:
        """Deletes the audio of a condemned call. A store's failure is kept in what is
        returned, and is not raised."""
        try:
            for row in await self._left(call_id):
                if row.key:
                    await asyncio.to_thread(self._delete, row.store, row.key)
                await self._mark(call_id, row.track, now)
            await asyncio.to_thread(self._discard, call_id)
            await self._forget_rejected(call_id)
        except (StoreError, OSError) as error:
            logger.bind(call=call_id).error("[REC] cannot delete all of it: {}", error)
            return await self._failed(call_id, str(error))
        return await self._finished(call_id, now)

    async def _forget_rejected(self, call_id: str) -> None:
        if self._rejected is None:
            return
        tombstone = await self.tombstone(call_id)
        # Of one that expired they may be younger: an id that came again is one of the
        # reasons why facts are rejected.
        if tombstone is not None and tombstone.state is RecordingState.ERASED:
            await asyncio.to_thread(self._rejected.forget, call_id)

    def _delete(self, store: str, key: str) -> None:
        self._shelves.holding(store).delete(key)

    async def sweep(self, now: datetime) -> None:
        """Finishes what was begun, then deletes what is too old."""
        for call_id in await self._unfinished():
            await self.finish(call_id, now)
        if self._days:
            await self._expire(now)
        if self._event_days:
            await self._forget_events(now - timedelta(days=self._event_days))
        await self._empty_log()

    async def _expire(self, now: datetime) -> None:
        before = now - timedelta(days=self._days)
        why = f"older than {self._days:g} days"
        while old := await self._old(before):
            for call_id in old:
                await self._bury(call_id, RecordingState.EXPIRED, "retention", why, now)
                await self.finish(call_id, now)
        if self._rejected is not None:
            try:
                await asyncio.to_thread(self._rejected.forget_before, before)
            except OSError as error:
                logger.warning("[FACTS] rejected ones stay for now: {}", error)

    async def _forget_events(self, before: datetime) -> None:
        while await Events(self._database).forget(before):
            self._in_log = True

    async def _empty_log(self) -> None:
        """What was deleted is not in the database's log either; as far as possible."""
        try:
            if self._in_log:
                self._in_log = not await self._database.empty_log()
        except StorageError as error:
            logger.warning("[REC] trying again later: {}", error)

    async def _bury(
        self, call_id: str, state: RecordingState, who: str, why: str, now: datetime
    ) -> Tombstone:
        async with self._database.session(f"erase call {call_id!r}") as session:
            # Locked, so that of two who ask at once one is told what the other did.
            call = await session.get(CallRow, call_id, with_for_update=True)
            recordings = await session.scalars(
                select(RecordingRow.track)
                .where(RecordingRow.call_id == call_id)
                .with_for_update()
            )
            known = call is not None or recordings.first() is not None
            there = await session.get(TombstoneRow, call_id)
            if there is not None:
                return _tombstone(there)
            if not known:
                raise UnknownCall(f"there is no call {call_id!r}")
            if call is not None and call.ended_at is None:
                raise CallIsUp(f"call {call_id!r} is not over")
            row = TombstoneRow(
                call_id=call_id,
                state=state.value,
                at=now,
                who=who,
                why=why,
                finished_at=None,
                last_error="",
            )
            session.add(row)
            act = Act.ERASE if state is RecordingState.ERASED else Act.EXPIRE
            customer = DEFAULT if call is None else call.customer
            note(session, Deed(now, who, act, call_id, why, customer))
            await _forget_words(session, call_id)
            self._in_log = True
            return _tombstone(row)

    async def _left(self, call_id: str) -> Sequence[RecordingRow]:
        async with self._database.session(
            f"look for recordings of {call_id!r}", read_only=True
        ) as session:
            rows = await session.scalars(
                select(RecordingRow).where(
                    RecordingRow.call_id == call_id, RecordingRow.state.not_in(GONE)
                )
            )
            return rows.all()

    async def _mark(self, call_id: str, track: str, now: datetime) -> None:
        async with self._database.session(
            f"note that a recording of {call_id!r} is deleted"
        ) as session:
            tombstone = await session.get_one(TombstoneRow, call_id)
            await session.execute(
                update(RecordingRow)
                .where(RecordingRow.call_id == call_id, RecordingRow.track == track)
                .values(
                    state=tombstone.state, removed_at=now, peaks=None, next_try=None
                )
            )

    async def _failed(self, call_id: str, error: str) -> Tombstone:
        async with self._database.session(
            f"note that {call_id!r} could not be erased"
        ) as session:
            row = await session.get_one(TombstoneRow, call_id)
            row.last_error = error
            return _tombstone(row)

    async def _finished(self, call_id: str, now: datetime) -> Tombstone:
        async with self._database.session(
            f"note that {call_id!r} is erased"
        ) as session:
            row = await session.get_one(TombstoneRow, call_id)
            if row.finished_at is None:
                row.finished_at, row.last_error = now, ""
                state = RecordingState(row.state)
                act = Act.ERASED if state is RecordingState.ERASED else Act.EXPIRED
                call = await session.get(CallRow, call_id)
                customer = DEFAULT if call is None else call.customer
                note(session, Deed(now, row.who, act, call_id, row.why, customer))
                logger.bind(call=call_id).info(
                    "[REC] {}, by {}: {}", row.state, row.who, row.why
                )
            return _tombstone(row)

    async def _unfinished(self) -> Sequence[str]:
        """And what came back after all: an upload that was under way meanwhile."""
        back = exists().where(
            RecordingRow.call_id == TombstoneRow.call_id,
            RecordingRow.state.not_in(GONE),
        )
        async with self._database.session(
            "look for what is to be erased", read_only=True
        ) as session:
            found = await session.scalars(
                select(TombstoneRow.call_id)
                .where(TombstoneRow.finished_at.is_(None) | back)
                .order_by(TombstoneRow.at)
            )
            return found.all()

    async def _old(self, before: datetime) -> Sequence[str]:
        """Of calls that nobody here ever heard of, the recordings count."""
        buried = select(TombstoneRow.call_id)
        calls = (
            select(CallRow.id)
            .where(CallRow.ended_at < before, CallRow.id.not_in(buried))
            .limit(_AT_ONCE)
        )
        made = func.coalesce(
            RecordingRow.closed_at, RecordingRow.stored_at, RecordingRow.created_at
        )
        strays = (
            select(RecordingRow.call_id)
            .where(
                made < before,
                RecordingRow.call_id.not_in(buried),
                RecordingRow.call_id.not_in(select(CallRow.id)),
            )
            .distinct()
            .limit(_AT_ONCE)
        )
        async with self._database.session(
            "look for what is too old", read_only=True
        ) as session:
            found = [*await session.scalars(calls), *await session.scalars(strays)]
        return found


async def _forget_words(session: AsyncSession, call_id: str) -> None:
    """What is left says that there was a call, when, between whom, and what was done
    in it, but not a word of what was said."""
    await session.execute(delete(TurnRow).where(TurnRow.call_id == call_id))
    await session.execute(
        update(ToolUseRow)
        .where(ToolUseRow.call_id == call_id)
        .values(arguments="", result="")
    )
    await session.execute(
        update(TroubleRow).where(TroubleRow.call_id == call_id).values(detail="")
    )
    await session.execute(
        update(CallRow).where(CallRow.id == call_id).values(variables={})
    )
    for event in await session.scalars(
        select(EventRow).where(EventRow.call_id == call_id)
    ):
        if event.type in _WITH_WORDS:
            left = {name: event.data.get(name) for name in _WITHOUT_WORDS}
            event.data = {"erased": True} | {
                name: value for name, value in left.items() if value is not None
            }
        else:
            event.data = _without_variables(event.data)


def _without_variables(data: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _without_variables(value) if isinstance(value, dict) else value
        for name, value in data.items()
        if name != "variables"
    }


def _tombstone(row: TombstoneRow) -> Tombstone:
    return Tombstone(
        row.call_id,
        RecordingState(row.state),
        row.at,
        row.who,
        row.why,
        row.finished_at,
        row.last_error,
    )
