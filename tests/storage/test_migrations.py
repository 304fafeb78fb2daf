import asyncio
import sqlite3

import alembic.op
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import JSON, text
from sqlalchemy.exc import OperationalError

from agent.storage.calls import Calls
from agent.storage.database import Database
from agent.storage.errors import StorageError
from agent.storage.tables import Table

NOON = "2026-11-21 12:00:00"


def differ(context, inspected, column, found, _, expected):
    """Alembic has PostgreSQL compare defaults, which cannot do that with JSON."""
    if context.dialect.name == "postgresql" and isinstance(column.type, JSON):
        return found != (None if expected is None else f"'{expected}'::json")
    return None


async def test_the_revisions_make_the_tables_that_the_code_has(database):
    async with database.session("compare") as session:
        connection = await session.connection()
        differences = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(
                    sync,
                    opts={
                        "compare_type": True,
                        "compare_server_default": differ,
                        # What each database keeps in its own way: words_index.py.
                        "include_name": lambda name, kind, _: (
                            not (name or "").startswith("knowledge_index")
                            and name not in ("lexemes", "ix_knowledge_passages_lexemes")
                        ),
                    },
                ),
                Table.metadata,
            )
        )
    assert differences == []


async def test_a_revision_that_fails_half_way_can_be_repeated(tmp_path, monkeypatch):
    """SQLite would commit each CREATE TABLE by itself if nobody began a transaction."""
    create_table = alembic.op.create_table

    def fail_at_the_third(name, *columns):
        if name == "tool_uses":
            raise OperationalError(f"CREATE TABLE {name}", {}, Exception("disk full"))
        return create_table(name, *columns)

    database = Database(f"sqlite:///{tmp_path}/offhook.db")
    with monkeypatch.context() as patch:
        patch.setattr(alembic.op, "create_table", fail_at_the_third)
        with pytest.raises(StorageError, match="offhook.db: disk full"):
            await database.open()
    tables = sqlite3.connect(tmp_path / "offhook.db").execute(
        "SELECT name FROM sqlite_master"
    )
    assert tables.fetchall() == []
    await database.open()
    await database.check()
    await database.close()


async def test_a_call_kept_by_the_first_version_is_read(
    empty_database_url, monkeypatch
):
    """With what it did not know: no variables, no refusals."""
    upgrade = command.upgrade
    database = Database(empty_database_url)
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _: upgrade(config, "0001"))
        await database.open()
    noon = NOON + "+00:00" * (database.dialect == "postgresql")
    async with database.session("be the first version") as session:
        await session.execute(
            text(
                "INSERT INTO calls VALUES ('17.5', '', '', 'inbound', 'desk',"
                f" '{noon}', '', '', '', NULL, NULL, '')"
            )
        )
        await session.execute(
            text(
                "INSERT INTO tool_uses VALUES"
                f" ('17.5', 1, 'end_call', '{{}}', '', '{noon}', 1, false)"
            )
        )
    await database.close()
    await database.open()
    record = await Calls(database).get("17.5")
    await database.close()
    assert (record.variables, record.troubles) == ({}, ())
    assert [use.refused for use in record.tool_uses] == [False]
    assert (record.call.customer, record.call.ai_version) == ("default", 0)
    assert record.call.answered_at == record.call.started_at


async def test_several_agents_that_start_at_once(empty_database_url):
    databases = [Database(empty_database_url) for _ in range(4)]
    await asyncio.gather(*(database.open() for database in databases))
    async with databases[-1].session("count", read_only=True) as session:
        revisions = await session.scalars(
            text("SELECT version_num FROM alembic_version")
        )
        customers = await session.scalars(text("SELECT id FROM customers"))
        assert (len(revisions.all()), customers.all()) == (1, ["default"])
    for database in databases:
        await database.close()
