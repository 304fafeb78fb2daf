"""A PostgreSQL of this machine, started for tests, and a Database that speaks it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine


def programs() -> Path | None:
    """Debian does not put them on the PATH."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path))
    return found[0].parent if found else None


@contextmanager
def server(bin: Path) -> Iterator[str]:
    """Yields its URL. It listens on a socket in a folder of its own, and refuses to
    run as root."""
    user = {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    if user:
        shutil.chown(folder, **user)

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [bin / program, *arguments],
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            timeout=60,
            **user,
        )

    cluster = str(folder / "data")
    try:
        run(
            "initdb", "-D", cluster, "-A", "trust", "-U", "postgres", "-E", "UTF8", "-N"
        )
        options = f"-k {folder} -h '' -F"
        log = str(folder / "log")
        run("pg_ctl", "start", "-w", "-D", cluster, "-o", options, "-l", log)
        try:
            yield f"postgresql+asyncpg://postgres@/postgres?host={folder}"
        finally:
            run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", cluster)
    finally:
        shutil.rmtree(folder)


class PostgresDatabase:
    """What agent.storage.database.Database is for SQLite; emptied when opened."""

    def __init__(self, url: str) -> None:
        self._engine = create_async_engine(url)

    async def open(self) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(text("DROP SCHEMA public CASCADE"))
            await connection.execute(text("CREATE SCHEMA public"))
            await connection.run_sync(self._migrate)

    def _migrate(self, connection):
        config = Config()
        config.set_main_option("script_location", "agent.storage:migrations")
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    async def close(self) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def session(self, purpose: str, *, read_only: bool = False):
        async with AsyncSession(self._engine, expire_on_commit=False) as session:
            async with session.begin():
                yield session
