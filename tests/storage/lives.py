"""Lives of a journal, one after the other in the same folder."""

import asyncio
from contextlib import asynccontextmanager

from agent.storage.errors import StorageError
from agent.storage.journal import Journal, JournalConfig

from .facts import NOON

QUICK = JournalConfig(first_pause=0.001, longest_pause=0.002, quiet=0.01)
PATIENT = 60.0


@asynccontextmanager
async def life(database, folder, config=QUICK, now=NOON, **options):
    """One that runs; it ends as a killed process does, without a word."""
    journal = Journal(database, folder, "agent-1", config, **options)
    await journal.open(now)
    running = asyncio.create_task(journal.run(lambda: NOON))
    try:
        yield journal
    finally:
        running.cancel()
        await asyncio.wait([running])
        journal.close()
        if not running.cancelled():
            running.result()


async def noted(database, folder, *facts):
    """By a life that never reached the database."""
    journal = Journal(database, folder, "agent-1")
    await journal.open(NOON)
    for fact in facts:
        journal.note(fact)
    journal.close()


class Flaky:
    """A database that fails as it is told: one word for each transaction.

    `before` it begins, `inside` it, or `after` it was committed, when the answer is
    lost; and `away` for as long as that is true."""

    def __init__(self, database, *failures, cause=None):
        self._database = database
        self._failures = list(failures)
        self._cause = cause
        self.away = False
        self.tried = 0

    @asynccontextmanager
    async def session(self, purpose, **options):
        self.tried += 1
        failure = self._failures.pop(0) if self._failures else "never"
        if self.away or failure == "before":
            self._fail()
        async with self._database.session(purpose, **options) as session:
            yield session
            if failure == "inside":
                self._fail()
        if failure == "after":
            self._fail()

    def _fail(self):
        raise StorageError("it is away") from self._cause
