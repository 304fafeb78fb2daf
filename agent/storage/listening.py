"""Finds what there is of a recording, and opens it or links to it."""

from typing import IO

from agent.calls.record import Recording, Track

from .database import Database
from .encoding import Format
from .ledger import recording
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
            return None if row is None else recording(row)

    def fetch(self, of: Recording) -> IO[bytes]:
        """Blocks. Raises StoreError, NotThere if the store has it not."""
        return self._shelves.holding(of.store).fetch(of.key)

    def link(self, of: Recording, seconds: int) -> str | None:
        """The store's own; None if it has none, and we must serve it.

        Blocks. Raises StoreError, and NotThere rather than link to nothing."""
        shelf = self._shelves.holding(of.store)
        if isinstance(shelf, FolderShelf):
            shelf.fetch(of.key).close()
            return None
        return shelf.link(of.key, seconds, media_type(of), file_name(of))


def media_type(of: Recording) -> str:
    return Format(of.format).content_type


def file_name(of: Recording) -> str:
    """For whoever saves it; nothing in it ends a header."""
    name = "".join(
        each if each.isascii() and each.isalnum() else "-" for each in of.call_id
    )
    return f"{name}-{of.track.value}.{of.format}"
