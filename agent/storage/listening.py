"""Finds what there is of a recording, and opens it or links to it."""

from typing import IO

from agent.calls.record import Gap, Recording, RecordingState, Track

from .database import Database
from .encoding import Format
from .shelves import FolderShelf, Shelves
from .tables import RecordingRow


class Listening:
    def __init__(self, database: Database, shelves: Shelves) -> None:
        self._database = database
        self._shelves = shelves

    async def find(self, call_id: str, track: Track) -> Recording | None:
        """In whatever state it is."""
        async with self._database.session(
            f"look for a recording of {call_id!r}", read_only=True
        ) as session:
            row = await session.get(RecordingRow, (call_id, track.value))
            return None if row is None else _recording(row)

    def fetch(self, recording: Recording) -> IO[bytes]:
        """Blocks. Raises StoreError, NotThere if the store has it not."""
        return self._shelves.holding(recording.store).fetch(recording.key)

    def link(self, recording: Recording, seconds: int) -> str | None:
        """The store's own; None if it has none, and we must serve it.

        Blocks. Raises StoreError, and NotThere rather than link to nothing."""
        shelf = self._shelves.holding(recording.store)
        if isinstance(shelf, FolderShelf):
            shelf.fetch(recording.key).close()
            return None
        return shelf.link(
            recording.key, seconds, media_type(recording), file_name(recording)
        )


def media_type(recording: Recording) -> str:
    return Format(recording.format).content_type


def file_name(recording: Recording) -> str:
    """For whoever saves it; nothing in it ends a header."""
    name = "".join(
        each if each.isascii() and each.isalnum() else "-" for each in recording.call_id
    )
    return f"{name}-{recording.track.value}.{recording.format}"


def _recording(row: RecordingRow) -> Recording:
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
