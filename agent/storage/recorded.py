"""Which recordings there are, and whose.

A recording belongs to the customer of its call. Asterisk records calls that the agent
never heard of, too: they belong to the customer that is always there.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, tuple_

from agent.calls.customer import DEFAULT
from agent.calls.record import Recording, RecordingState

from .database import Database
from .ledger import recording
from .tables import CallRow, RecordingRow


@dataclass(frozen=True, slots=True)
class RecordingCursor:
    """A place in the list of recordings, newest first."""

    created_at: datetime
    call_id: str
    track: str


@dataclass(frozen=True, slots=True)
class RecordingPage:
    recordings: tuple[Recording, ...]
    next: RecordingCursor | None
    """Where the following page begins; None: this was the last one."""


class Recorded:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def owner(self, call_id: str) -> str:
        """The customer to whom recordings of this call belong, if there are any."""
        async with self._database.session(
            f"look whose call {call_id!r} is", read_only=True
        ) as session:
            found = await session.scalar(
                select(CallRow.customer).where(CallRow.id == call_id)
            )
            return DEFAULT if found is None else found

    async def newest(
        self,
        limit: int,
        before: RecordingCursor | None = None,
        *,
        customer: str,
        call_id: str | None = None,
        state: RecordingState | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> RecordingPage:
        """Those first heard of at `since` or later, and before `until`."""
        place = (RecordingRow.created_at, RecordingRow.call_id, RecordingRow.track)
        query = (
            select(RecordingRow)
            .outerjoin(CallRow, CallRow.id == RecordingRow.call_id)
            .where(func.coalesce(CallRow.customer, DEFAULT) == customer)
            .order_by(*(column.desc() for column in place))
        )
        if before is not None:
            query = query.where(
                tuple_(*place) < (before.created_at, before.call_id, before.track)
            )
        if call_id is not None:
            query = query.where(RecordingRow.call_id == call_id)
        if state is not None:
            query = query.where(RecordingRow.state == state.value)
        if since is not None:
            query = query.where(RecordingRow.created_at >= since)
        if until is not None:
            query = query.where(RecordingRow.created_at < until)
        async with self._database.session("list recordings", read_only=True) as session:
            rows = (await session.scalars(query.limit(limit + 1))).all()
            found = tuple(recording(row) for row in rows[:limit])
        if len(rows) <= limit:
            return RecordingPage(found, None)
        last = found[-1]
        return RecordingPage(
            found, RecordingCursor(last.created_at, last.call_id, last.track.value)
        )
