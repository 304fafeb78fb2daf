"""Where it is written what became of each track: rows of our own database.

The spool is what work is done by. This is what everybody else reads, so it may be
behind, and never ahead: STORED is written once the store has it.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from agent.calls.alignment import gaps
from agent.calls.customer import DEFAULT
from agent.calls.record import Gap, Recording, RecordingState, Track

from . import telling
from .database import Database
from .events import emit
from .retention import GONE, is_erased
from .tables import CallRow, RecordingRow

_TOLD = (RecordingState.STORED, RecordingState.REJECTED)


class Ledger(Protocol):
    """Both raise StorageError."""

    async def look_up(self, call_id: str, track: Track) -> Recording | None: ...

    async def note(self, recording: Recording) -> bool:
        """False: it was erased, or has expired, and must not come back."""
        ...


class DatabaseLedger:
    """Tells of each track once, when it is stored or never will be."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._clock = clock

    async def look_up(self, call_id: str, track: Track) -> Recording | None:
        async with self._database.session(
            f"look up recordings of {call_id!r}", read_only=True
        ) as session:
            row = await session.get(RecordingRow, (call_id, track.value))
            return None if row is None else recording(row)

    async def note(self, recording: Recording) -> bool:
        async with self._database.session(
            f"note a recording of {recording.call_id!r}"
        ) as session:
            if await is_erased(session, recording.call_id):
                return False
            key = (recording.call_id, recording.track.value)
            row = await session.get(RecordingRow, key)
            if row is None:
                row = RecordingRow(
                    call_id=recording.call_id,
                    track=recording.track.value,
                    created_at=recording.created_at,
                    gaps=[],
                )
                session.add(row)
            elif row.state in GONE:
                return False
            elif row.state == RecordingState.STORED:
                return True
            news = recording.state in _TOLD and row.state != recording.state
            row.state = recording.state.value
            row.store = recording.store
            row.key = recording.key
            row.bytes = recording.bytes
            row.seconds = recording.seconds
            row.sha256 = recording.sha256
            row.format = recording.format
            row.rate = recording.rate
            row.samples = recording.samples
            row.source_sha256 = recording.source_sha256
            row.closed_at = recording.closed_at
            row.stored_at = recording.stored_at
            row.attempts = recording.attempts
            row.last_error = recording.last_error
            row.next_try = recording.next_try
            call = await session.get(CallRow, recording.call_id)
            stored = recording.state is RecordingState.STORED
            if stored and call is not None and recording.closed_at is not None:
                row.gaps = _gaps(recording.seconds, recording.closed_at, call)
            if news:
                customer = DEFAULT if call is None else call.customer
                now = self._clock()
                told = telling.call_recording(recording, call, customer, now)
                await emit(session, [told], now)
            return True


def _gaps(seconds: float, closed_at: datetime, call: CallRow) -> list[list[float]]:
    lasted = (closed_at - call.started_at).total_seconds()
    ended_at = call.ended_at or closed_at
    ai_until = (ended_at - call.started_at).total_seconds()
    return [[gap.at, gap.seconds] for gap in gaps(seconds, lasted, ai_until)]


def recording(row: RecordingRow) -> Recording:
    return Recording(
        call_id=row.call_id,
        track=Track(row.track),
        store=row.store,
        key=row.key,
        bytes=row.bytes,
        seconds=row.seconds,
        sha256=row.sha256,
        created_at=row.created_at,
        state=RecordingState(row.state),
        format=row.format,
        rate=row.rate,
        samples=row.samples,
        source_sha256=row.source_sha256,
        closed_at=row.closed_at,
        stored_at=row.stored_at,
        attempts=row.attempts,
        last_error=row.last_error,
        next_try=row.next_try,
        gaps=tuple(Gap(*gap) for gap in row.gaps),
        removed_at=row.removed_at,
    )
