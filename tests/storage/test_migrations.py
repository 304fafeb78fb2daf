import sqlite3

import alembic.op
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import OperationalError

from agent.storage.database import Database
from agent.storage.errors import StorageError
from agent.storage.tables import Table


async def test_the_revisions_make_the_tables_that_the_code_has(database):
    async with database.session("compare") as session:
        connection = await session.connection()
        differences = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(
                    sync, opts={"compare_type": True, "compare_server_default": True}
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
