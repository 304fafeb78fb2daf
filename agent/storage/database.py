"""Opens the database, brings it up to this version's schema, hands out transactions.

SQLite and PostgreSQL are spoken, by one URL. What only one of them needs stands in
`_sqlite` and `_postgresql`; everything else in this room is portable SQLAlchemy.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from loguru import logger
from psycopg import AsyncConnection, waiting
from psycopg.abc import PQGen
from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from .errors import StorageError

_ANSWER_S = 10.0
"""In which a transaction is over, or has failed."""
_UPGRADE_S = 600.0
"""The same, for bringing an old database up to this version."""
_BUSY_TIMEOUT_MS = 5000
_CHECKPOINT_TIMEOUT_MS = 500
"""Others wait meanwhile."""
_CONNECTIONS = 8
_UPGRADING = 0x0FF400D
"""Number of the advisory lock: of several agents that start at once, one upgrades."""
_PATIENCE = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""Seconds, but for the last one, milliseconds: with a server that has vanished, nobody
waits for what it was sent."""
_EXPECTED = "expected sqlite:///<path> or postgresql://<user>:<password>@<host>/<name>"

T = TypeVar("T")


class Database:
    """`url` is `sqlite:///relative/path`, `sqlite:////absolute/path`, or
    `postgresql://user:password@host/name`."""

    def __init__(self, url: str) -> None:
        self._url = _parsed(url)
        self._name = _name(self._url)
        self._engine: AsyncEngine | None = None
        self._reader: AsyncEngine | None = None

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._url.get_backend_name()

    async def open(self) -> None:
        if self.dialect == "sqlite":
            await asyncio.to_thread(_make_folder, Path(self._url.database or ""))
        # A revision that copies a table drops the old one, and with foreign keys
        # on that would delete the rows that point to it.
        migrating = _engine(self._url, foreign_keys=False)
        try:
            await self._upgrade(migrating)
        except (SQLAlchemyError, TimeoutError) as error:
            raise StorageError(
                f"cannot open the database {self._name}: {_cause(error)}"
            ) from error
        finally:
            await migrating.dispose()
        self._engine = _engine(self._url, foreign_keys=True)
        reading: dict[str, Any] = {"reads_only": True}
        if self.dialect == "postgresql":
            # One moment of the database in all of a transaction, as SQLite has it.
            reading |= {
                "postgresql_readonly": True,
                "isolation_level": "REPEATABLE READ",
            }
        self._reader = self._engine.execution_options(**reading)

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = self._reader = None

    @asynccontextmanager
    async def session(
        self, purpose: str, *, read_only: bool = False, seconds: float = _ANSWER_S
    ) -> AsyncIterator[AsyncSession]:
        """One short transaction, committed at the end of the block, which is cancelled
        when it is not over in time.

        `purpose` completes the sentence "could not ..." if that fails.
        """
        engine = self._reader if read_only else self._engine
        if engine is None:
            raise StorageError(f"could not {purpose}: the database is not open")
        limit = asyncio.timeout(seconds)
        try:
            async with limit, AsyncSession(engine, expire_on_commit=False) as session:
                async with session.begin():
                    if self.dialect == "postgresql" and seconds > _ANSWER_S:
                        await session.execute(_statement_timeout(seconds))
                    yield session
        except SQLAlchemyError as error:
            raise StorageError(f"could not {purpose}: {_cause(error)}") from error
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise StorageError(
                f"could not {purpose}: it was not done in {seconds:g} seconds"
            ) from error

    async def check(self) -> None:
        """Raises StorageError unless the database answers."""
        async with self.session("ask the database", read_only=True) as session:
            await session.execute(text("SELECT 1"))

    async def empty_log(self) -> bool:
        """Leaves nothing of what was deleted in SQLite's write-ahead log, where it
        stays for a while. False: others were reading or writing; try again later."""
        if self.dialect != "sqlite":
            return True
        if self._engine is None:
            raise StorageError("could not empty the log: the database is not open")
        try:
            async with self._engine.connect() as connection:
                # Past SQLAlchemy, which would begin a transaction.
                raw = await connection.get_raw_connection()
                sqlite = raw.driver_connection
                assert sqlite is not None
                await sqlite.execute(f"PRAGMA busy_timeout = {_CHECKPOINT_TIMEOUT_MS}")
                try:
                    found = await sqlite.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                    busy, _, _ = await found.fetchone()
                finally:
                    await sqlite.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
                return not busy
        except SQLAlchemyError as error:
            raise StorageError(f"could not empty the log: {_cause(error)}") from error

    async def _upgrade(self, engine: AsyncEngine) -> None:
        limit = asyncio.timeout(_ANSWER_S)
        try:
            async with limit, engine.begin() as connection:
                if await connection.run_sync(self._is_up_to_date):
                    return
                limit.reschedule(asyncio.get_running_loop().time() + _UPGRADE_S)
                if self.dialect == "postgresql":
                    await connection.execute(_statement_timeout(_UPGRADE_S))
                    await connection.execute(
                        text(f"SELECT pg_advisory_xact_lock({_UPGRADING})")
                    )
                await connection.run_sync(self._migrate)
        except TimeoutError:
            raise TimeoutError("it did not answer in time") from None

    def _is_up_to_date(self, connection: Connection) -> bool:
        """Raises StorageError if this version cannot read it."""
        current = MigrationContext.configure(connection).get_current_heads()
        scripts = ScriptDirectory.from_config(_config())
        known = {revision.revision for revision in scripts.walk_revisions()}
        for revision in current:
            if revision not in known:
                raise StorageError(
                    f"the database {self._name} has schema {revision!r}, which"
                    " this version of Offhook does not know: a newer one wrote it."
                    " Run that version, or restore an older copy of the database"
                )
        return set(current) == set(scripts.get_heads())

    def _migrate(self, connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        schema = ScriptDirectory.from_config(config).get_current_head()
        logger.info("[DB] {} has schema {} now", self._name, schema)


def work_url(url: str) -> str:
    """Where the durable engine keeps what it does, for a driver that blocks: in the
    same PostgreSQL, or in `work.db` beside the SQLite file."""
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        path = Path(parsed.database or "").with_name("work.db")
        parsed = URL.create("sqlite", database=str(path))
    return parsed.render_as_string(hide_password=False)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "agent.storage:migrations")
    config.set_main_option("path_separator", "os")
    return config


def _parsed(given: str) -> URL:
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        # Their errors have all of it in them, and so may have a password.
        shown = "given" if "@" in given else repr(given)
        raise StorageError(
            f"the database {shown} is not a URL such as sqlite:///var/offhook.db:"
            f" {_EXPECTED}"
        ) from None
    match url.get_backend_name():
        case "sqlite":
            return _parsed_sqlite(url)
        case "postgresql" | "postgres":
            return _parsed_postgresql(url)
    raise StorageError(
        f"the database is of kind {url.get_backend_name()!r}; {_EXPECTED}"
    )


def _parsed_sqlite(url: URL) -> URL:
    if not url.database or url.database == ":memory:":
        raise StorageError(
            f"the database {url} is kept in memory and lost with the process;"
            " expected sqlite:///<path>"
        )
    if Path(url.database).name == "work.db":
        raise StorageError(
            f"the database {url} has the name that the durable engine gives to its own"
            " file beside it: choose another one"
        )
    return url.set(drivername="sqlite+aiosqlite")


def _parsed_postgresql(url: URL) -> URL:
    if not url.database:
        raise StorageError(f"the database's URL ends without a name; {_EXPECTED}")
    if "password" in url.query:
        # To where everybody knows not to show it.
        url = url.set(password=str(url.query["password"]))
        url = url.difference_update_query(["password"])
    return url.set(drivername="postgresql+psycopg", query={**_PATIENCE, **url.query})


def _name(url: URL) -> str:
    """For messages."""
    if url.get_backend_name() == "sqlite":
        return url.database or ""
    return f"{url.database} at {url.host or url.query.get('host', 'this machine')}"


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot make the folder {path.parent} of the database: {error.strerror}"
        ) from error


def _engine(url: URL, *, foreign_keys: bool) -> AsyncEngine:
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, foreign_keys=foreign_keys)
    return _postgresql(url)


def _sqlite(url: URL, *, foreign_keys: bool) -> AsyncEngine:
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


def _postgresql(url: URL) -> AsyncEngine:
    # The server gives up as well, and lets go of its locks; the URL's own options
    # come later, and count.
    options = f"-c statement_timeout={_ANSWER_S * 1000:.0f}"
    if "options" in url.query:
        options += f" {url.query['options']}"
    return create_async_engine(
        url,
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_pre_ping=True,
        connect_args={"async_creator_fn": _Connection.connect, "options": options},
    )


class _Connection(AsyncConnection[Any]):
    """One that can be left at once, whatever its server is at.

    psycopg's own asks the server to cancel the statement, and waits for its word."""

    async def wait(
        self,
        gen: PQGen[T],
        interval: float = 0.1,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> T:
        try:
            return await waiting.wait_async(
                gen, self.pgconn.socket, interval=interval, timeout=timeout
            )
        except asyncio.CancelledError:
            self.pgconn.finish()
            raise


def _statement_timeout(seconds: float) -> Any:
    return text(f"SET LOCAL statement_timeout = {seconds * 1000:.0f}")


def _cause(error: Exception) -> str:
    """The database's own words, without the statement and its values."""
    orig = getattr(error, "orig", None) or error
    words = getattr(getattr(orig, "diag", None), "message_primary", None) or str(orig)
    return " ".join(words.split())
