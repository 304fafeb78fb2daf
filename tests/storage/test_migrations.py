import sqlite3

import alembic.op
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import OperationalError

from agent.storage.calls import Calls
from agent.storage.database import Database
from agent.storage.errors import StorageError
from agent.storage.tables import Table


async def test_the_revisions_make_the_tables_that_the_code_has(database):
    async with database.session("compare") as session:
        connection = await session.connection()
        differences = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(
                    sync,
                    opts={
                        "compare_type": True,
                        "compare_server_default": True,
                        # SQLite's own tables of the full-text index.
                        "include_name": lambda name, kind, _: (
                            kind != "table" or not name.startswith("knowledge_index")
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


async def test_a_call_kept_by_the_first_version_is_read(tmp_path, monkeypatch):
    """With what it did not know: no variables, no refusals."""
    path = tmp_path / "offhook.db"
    upgrade = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _: upgrade(config, "0001"))
        old = Database(f"sqlite:///{path}")
        await old.open()
        await old.close()
    with sqlite3.connect(path) as connection:
        noon = "2026-11-21 12:00:00"
        connection.execute(
            "INSERT INTO calls VALUES ('17.5', '', '', 'inbound', 'desk', ?,"
            " '', '', '', NULL, NULL, '')",
            (noon,),
        )
        connection.execute(
            "INSERT INTO tool_uses VALUES ('17.5', 1, 'end_call', '{}', '', ?, 1, 0)",
            (noon,),
        )
    connection.close()
    database = Database(f"sqlite:///{path}")
    await database.open()
    record = await Calls(database).get("17.5")
    await database.close()
    assert (record.variables, record.troubles) == ({}, ())
    assert [use.refused for use in record.tool_uses] == [False]
