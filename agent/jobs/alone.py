"""One worker at a time: whoever has the database's lock. The others stand by.

On SQLite it is a lock of a file beside the database, which the kernel gives back when
its process ends. On PostgreSQL it is an advisory lock, which belongs to a connection.
"""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

_KEY = 0x0FF400E
"""Of the advisory lock; any number that nobody else uses."""
_ASK_EVERY = 1.0
_ANSWER_WITHIN = 10.0


Held = Callable[[], Coroutine[None, None, None]]


class Lost(Exception):
    """The lock is gone with its connection: another worker may have it by now."""


@asynccontextmanager
async def alone(database_url: str, stand_by: Callable[[], None]) -> AsyncIterator[Held]:
    """Waits for the lock. Yields what is to be awaited as long as it is used: it
    raises Lost. `stand_by` is called if another one has it."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        async with _file_locked(Path(url.database or ""), stand_by):
            yield _for_ever
    else:
        async with _database_locked(url, stand_by) as held:
            yield held


@asynccontextmanager
async def _file_locked(
    database: Path, stand_by: Callable[[], None]
) -> AsyncIterator[None]:
    lock = database.with_name(f"{database.name}.worker")
    with open(lock, "w") as file:  # noqa: ASYNC230 - an empty one
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                stand_by()
                await asyncio.sleep(_ASK_EVERY)
        yield


@asynccontextmanager
async def _database_locked(
    url: URL, stand_by: Callable[[], None]
) -> AsyncIterator[Held]:
    engine = create_async_engine(
        url.set(drivername="postgresql+psycopg"),
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
    )
    async with engine.connect() as connection:
        take = text(f"SELECT pg_try_advisory_lock({_KEY})")
        while not await connection.scalar(take):
            stand_by()
            await asyncio.sleep(_ASK_EVERY)

        async def held() -> None:
            while True:
                await asyncio.sleep(_ASK_EVERY)
                try:
                    async with asyncio.timeout(_ANSWER_WITHIN):
                        await connection.execute(text("SELECT 1"))
                except (SQLAlchemyError, TimeoutError) as error:
                    raise Lost("the connection to the database is gone") from error

        yield held


async def _for_ever() -> None:
    await asyncio.Event().wait()
