"""A look at the database. Apart, because SQLAlchemy takes its time to import."""

from datetime import datetime
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from agent.storage.database import Database, work_url
from agent.storage.errors import StorageError

from .clocks import offset
from .finding import Finding, error, ok


def tried(url: str) -> list[Finding]:
    """It answers, it is whole, and its schema is one that this version knows."""
    try:
        dialect = Database(url).dialect
    except StorageError as failure:
        return [error(str(failure), "DATABASE_URL", "Correct the address.")]
    if dialect == "sqlite":
        return _try_sqlite(Path(make_url(url).database or ""))
    return _try_database(work_url(url), {"connect_timeout": 3})


def _try_sqlite(path: Path) -> list[Finding]:
    if not path.exists():
        return [ok(f"the database {path} is not there yet and will be made")]
    return _try_database(f"sqlite:///{path}", {"timeout": 2})


def _try_database(url: str, patience: dict[str, Any]) -> list[Finding]:
    name = make_url(url).render_as_string(hide_password=True)
    engine = create_engine(url, connect_args=patience)
    try:
        with engine.connect() as connection:
            return _looked_at(connection, name) or [ok(f"{name} answers")]
    except SQLAlchemyError as failure:
        cause = " ".join(str(getattr(failure, "orig", failure)).split())
        fix = "Start the database, or correct its address, user or password."
        if "@" in (make_url(url).host or ""):
            cause = "the password has an @ in it"
            fix = "Write %40 for the @ of the password (%2F for /, %3A for :)."
        return [error(f"the database does not answer: {cause}", "DATABASE_URL", fix)]
    finally:
        engine.dispose()


def _looked_at(connection: Connection, name: str) -> list[Finding]:
    found: list[Finding] = []
    if connection.dialect.name == "sqlite":
        said = connection.execute(text("PRAGMA quick_check(1)")).scalar()
        if said != "ok":
            return [
                error(
                    f"{name} is damaged: {said}",
                    "DATABASE_URL",
                    "Restore a copy of the database.",
                )
            ]
    else:
        now = connection.execute(text("SELECT clock_timestamp()")).scalar()
        if isinstance(now, datetime):
            found += offset(now, "the database")
    config = Config()
    config.set_main_option("script_location", "agent.storage:migrations")
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    known = {revision.revision for revision in scripts.walk_revisions()}
    current = MigrationContext.configure(connection).get_current_heads()
    for revision in current:
        if revision not in known:
            found.append(
                error(
                    f"the database has the schema {revision}, which a newer Offhook"
                    " wrote",
                    "DATABASE_URL",
                    "Run that version of Offhook, or restore an older copy.",
                )
            )
    if current and set(current) <= known and set(current) != set(scripts.get_heads()):
        found.append(ok(f"{name} will be brought up to this version at the next start"))
    return found


def has_keys(url: str) -> bool:
    """Somebody may use the API who was given a key."""
    return bool(_first_column(url, "SELECT id FROM api_keys WHERE revoked_at IS NULL"))


def ais(url: str) -> list[str]:
    """Names of AIs, those of the API among them; none where nobody answers."""
    return _first_column(url, "SELECT name FROM ais WHERE deleted_at IS NULL")


def _first_column(url: str, query: str) -> list[Any]:
    """Nothing, where the database is not there, or has no such table yet."""
    try:
        if Database(url).dialect == "sqlite":
            path = Path(make_url(url).database or "")
            if not path.exists():
                return []
            url, patience = f"sqlite:///{path}", {"timeout": 2}
        else:
            url, patience = work_url(url), {"connect_timeout": 3}
        engine = create_engine(url, connect_args=patience)
        try:
            with engine.connect() as connection:
                return list(connection.execute(text(query)).scalars())
        finally:
            engine.dispose()
    except (SQLAlchemyError, StorageError):
        return []
