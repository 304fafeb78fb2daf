"""Opens the database, brings it up to this version's schema, hands out transactions.

SQLite is spoken today. What only SQLite needs stands in `_engine`; everything
else in this room is portable SQLAlchemy.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from .errors import StorageError

_BUSY_TIMEOUT_MS = 5000


class Database:
    """`url` is `sqlite:///relative/path` or `sqlite:////absolute/path`."""

    def __init__(self, url: str) -> None:
        self._url = _async_url(url)
        self._engine: AsyncEngine | None = None
        self._reader: AsyncEngine | None = None

    async def open(self) -> None:
        await asyncio.to_thread(_make_folder, Path(self._url.database or ""))
        # A revision that copies a table drops the old one, and with foreign keys
        # on that would delete the rows that point to it.
        migrating = _engine(self._url, foreign_keys=False)
        try:
            async with migrating.begin() as connection:
                await connection.run_sync(self._migrate)
        except SQLAlchemyError as error:
            raise StorageError(
                f"cannot open the database {self._url.database}: {_cause(error)}"
            ) from error
        finally:
            await migrating.dispose()
        self._engine = _engine(self._url, foreign_keys=True)
        self._reader = self._engine.execution_options(reads_only=True)

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = self._reader = None

    @asynccontextmanager
    async def session(
        self, purpose: str, *, read_only: bool = False
    ) -> AsyncIterator[AsyncSession]:
        """One short transaction, committed at the end of the block.

        `purpose` completes the sentence "could not ..." if that fails.
        """
        engine = self._reader if read_only else self._engine
        if engine is None:
            raise StorageError(f"could not {purpose}: the database is not open")
        try:
            async with AsyncSession(engine, expire_on_commit=False) as session:
                async with session.begin():
                    yield session
        except SQLAlchemyError as error:
            raise StorageError(f"could not {purpose}: {_cause(error)}") from error

    async def check(self) -> None:
        """Raises StorageError unless the database answers."""
        async with self.session("ask the database", read_only=True) as session:
            await session.execute(text("SELECT 1"))

    def _migrate(self, connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", "agent.storage:migrations")
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        known = {
            revision.revision
            for revision in ScriptDirectory.from_config(config).walk_revisions()
        }
        for revision in MigrationContext.configure(connection).get_current_heads():
            if revision not in known:
                raise StorageError(
                    f"the database {self._url.database} has schema {revision!r}, which"
                    " this version of Offhook does not know: a newer one wrote it."
                    " Run that version, or restore an older copy of the file"
                )
        command.upgrade(config, "head")


def _async_url(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise StorageError(
            f"the database {text!r} is not a URL such as sqlite:///var/offhook.db"
        ) from error
    if url.get_backend_name() != "sqlite":
        raise StorageError(
            f"the database {url} is of kind {url.get_backend_name()!r};"
            " this version knows only sqlite:///<path>"
        )
    if not url.database or url.database == ":memory:":
        raise StorageError(
            f"the database {url} is kept in memory and lost with the process;"
            " expected sqlite:///<path>"
        )
    return url.set(drivername="sqlite+aiosqlite")


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot make the folder {path.parent} of the database: {error.strerror}"
        ) from error


def _engine(url: URL, *, foreign_keys: bool) -> AsyncEngine:
    engine = create_async_engine(url)

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        # A turn that is acknowledged survives a power cut.
        cursor.execute("PRAGMA synchronous = FULL")
        # What is erased is gone: Debian's SQLite does so by default, others do not.
        cursor.execute("PRAGMA secure_delete = ON")
        cursor.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Connection) -> None:
        # A transaction that reads first and writes later fails at once when
        # another one wrote in between, whatever the busy timeout. One that takes
        # the write lock at its beginning waits for its turn.
        if connection.get_execution_options().get("reads_only"):
            connection.exec_driver_sql("BEGIN")
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _cause(error: SQLAlchemyError) -> str:
    """The database's own words, without the statement and its values."""
    return str(getattr(error, "orig", None) or error)
