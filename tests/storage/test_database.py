import asyncio
import sqlite3

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from agent.storage.database import Database
from agent.storage.errors import StorageError


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("offhook.db", "not a URL such as sqlite:///"),
        ("", "not a URL such as sqlite:///"),
        ("mysql://u:geheim@db/offhook", "kind 'mysql'"),
        ("sqlite://", "lost with the process"),
        ("sqlite:///:memory:", "lost with the process"),
    ],
)
def test_a_url_that_makes_no_sense(url, says):
    with pytest.raises(StorageError) as error:
        Database(url)
    assert says in str(error.value)
    assert "geheim" not in str(error.value)


async def test_opening_makes_the_folder_and_the_tables(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/a/b/offhook.db")
    await database.open()
    await database.check()
    async with database.session("count", read_only=True) as session:
        assert await session.scalar(text("SELECT count(*) FROM calls")) == 0
    await database.close()
    assert (tmp_path / "a/b/offhook.db").exists()


def head() -> str:
    """The newest revision; raises if there are two."""
    config = Config()
    config.set_main_option("script_location", "agent.storage:migrations")
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config).get_current_head()


async def test_opening_again_changes_nothing(tmp_path):
    for _ in range(2):
        database = Database(f"sqlite:///{tmp_path}/offhook.db")
        await database.open()
        await database.close()
    revisions = sqlite3.connect(tmp_path / "offhook.db").execute(
        "SELECT version_num FROM alembic_version"
    )
    assert revisions.fetchall() == [(head(),)]


async def test_every_connection_has_the_pragmas(database):
    async with database.session("look", read_only=True) as session:
        found = [
            await session.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert found == ["wal", 2, 1, 5000]


async def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot make the folder .*file"):
        await Database(f"sqlite:///{tmp_path}/file/offhook.db").open()


async def test_a_folder_where_the_file_should_be(tmp_path):
    with pytest.raises(StorageError, match="unable to open database file"):
        await Database(f"sqlite:///{tmp_path}").open()


async def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "offhook.db"
    path.write_text("an old shopping list, longer than a header" * 10)
    with pytest.raises(StorageError, match=f"{path}: file is not a database"):
        await Database(f"sqlite:///{path}").open()
    assert path.read_text().startswith("an old shopping list")


async def test_a_newer_schema_is_left_alone(tmp_path):
    path = tmp_path / "offhook.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    connection.close()
    with pytest.raises(StorageError, match="schema '9999', which this version"):
        await Database(f"sqlite:///{path}").open()
    tables = sqlite3.connect(path).execute("SELECT name FROM sqlite_master")
    assert tables.fetchall() == [("alembic_version",)]


async def test_a_closed_database_says_so(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/offhook.db")
    with pytest.raises(StorageError, match="could not ask the database: .* not open"):
        await database.check()


async def test_an_error_names_the_purpose_and_the_cause_without_values(database):
    with pytest.raises(StorageError) as error:
        async with database.session("count sheep") as session:
            await session.execute(text("SELECT * FROM sheep WHERE id = :i"), {"i": "x"})
    assert str(error.value) == "could not count sheep: no such table: sheep"
    assert error.value.__cause__ is not None


async def test_what_fails_half_way_leaves_nothing(database):
    with pytest.raises(StorageError):
        async with database.session("write") as session:
            await session.execute(text("CREATE TABLE sheep (id INTEGER)"))
            await session.execute(text("INSERT INTO wolves VALUES (1)"))
    async with database.session("look", read_only=True) as session:
        found = await session.scalar(
            text("SELECT count(*) FROM sqlite_master WHERE name = 'sheep'")
        )
    assert found == 0


async def test_a_writer_waits_for_another_and_a_reader_does_not(database):
    """Both writers read first: begun without the lock, the second one would fail."""

    async def add_one() -> None:
        async with database.session("count up") as session:
            count = await session.scalar(text("SELECT max(n) FROM counter"))
            await session.execute(text("UPDATE counter SET n = :n"), {"n": count + 1})

    async with database.session("prepare") as session:
        await session.execute(text("CREATE TABLE counter (n INTEGER)"))
        await session.execute(text("INSERT INTO counter VALUES (0)"))
    async with database.session("hold the lock") as session:
        await session.execute(text("UPDATE counter SET n = 100"))
        writers = [asyncio.create_task(add_one()) for _ in range(4)]
        async with database.session("look", read_only=True) as reader:
            assert await reader.scalar(text("SELECT n FROM counter")) == 0
    await asyncio.gather(*writers)
    async with database.session("look", read_only=True) as session:
        assert await session.scalar(text("SELECT n FROM counter")) == 104
