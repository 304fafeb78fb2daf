import asyncio
import traceback
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvloop
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, make_url, text

from agent.storage.database import Database, work_url
from agent.storage.errors import StorageError

from .postgres import ONLY_POSTGRESQL, ONLY_SQLITE

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("offhook.db", "not a URL such as sqlite:///"),
        ("", "not a URL such as sqlite:///"),
        ("postgresql//u:geheim@db/offhook", "the database given is not a URL"),
        ("postgresql://u:geheim@db:geheim/offhook", "the database given is not a URL"),
        ("mysql://u:geheim@db/offhook", "kind 'mysql'"),
        ("postgresql://u:geheim@db", "ends without a name"),
        ("sqlite://", "lost with the process"),
        ("sqlite:///:memory:", "lost with the process"),
        ("sqlite:////var/work.db", "choose another one"),
    ],
)
def test_a_url_that_makes_no_sense(url, says):
    with pytest.raises(StorageError) as error:
        Database(url)
    assert says in str(error.value)
    assert "geheim" not in "".join(traceback.format_exception(error.value))


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


async def test_opening_again_changes_nothing(empty_database_url):
    for _ in range(2):
        database = Database(empty_database_url)
        await database.open()
        async with database.session("look", read_only=True) as session:
            revisions = await session.scalars(text("SELECT * FROM alembic_version"))
            assert revisions.all() == [head()]
        await database.close()


@ONLY_SQLITE
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


async def test_a_newer_schema_is_left_alone(database_url):
    database = Database(database_url)
    await database.open()
    async with database.session("be newer") as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()
    with pytest.raises(StorageError, match="schema '9999', which this version"):
        await database.open()


async def test_a_closed_database_says_so(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/offhook.db")
    with pytest.raises(StorageError, match="could not ask the database: .* not open"):
        await database.check()


async def test_an_error_names_the_purpose_and_the_cause_without_values(database):
    says = {
        "sqlite": "could not count sheep: no such table: sheep",
        "postgresql": 'could not count sheep: relation "sheep" does not exist',
    }
    with pytest.raises(StorageError) as error:
        async with database.session("count sheep") as session:
            await session.execute(text("SELECT * FROM sheep WHERE id = :i"), {"i": "x"})
    assert str(error.value) == says[database.dialect]
    assert error.value.__cause__ is not None


async def test_what_fails_half_way_leaves_nothing(database):
    with pytest.raises(StorageError):
        async with database.session("write") as session:
            await session.execute(text("CREATE TABLE sheep (id INTEGER)"))
            await session.execute(text("INSERT INTO wolves VALUES (1)"))
    async with database.session("look", read_only=True) as session:
        connection = await session.connection()
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert "calls" in tables and "sheep" not in tables


@ONLY_SQLITE
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


async def test_a_reader_sees_one_moment(database):
    async with database.session("prepare") as session:
        await session.execute(text("CREATE TABLE counter (n INTEGER)"))
        await session.execute(text("INSERT INTO counter VALUES (0)"))
    async with database.session("look", read_only=True) as reader:
        before = await reader.scalar(text("SELECT n FROM counter"))
        async with database.session("count up") as session:
            await session.execute(text("UPDATE counter SET n = 1"))
        assert await reader.scalar(text("SELECT n FROM counter")) == before == 0
    async with database.session("look", read_only=True) as reader:
        assert await reader.scalar(text("SELECT n FROM counter")) == 1


@ONLY_POSTGRESQL
async def test_a_reader_of_postgresql_cannot_write(database):
    with pytest.raises(StorageError, match="in a read-only transaction"):
        async with database.session("look", read_only=True) as session:
            await session.execute(text("CREATE TABLE sheep (id INTEGER)"))


async def test_a_transaction_that_takes_too_long_leaves_nothing(database):
    with pytest.raises(StorageError, match=r"could not dream: .* in 0\.01 seconds"):
        async with database.session("dream", seconds=0.01) as session:
            await session.execute(text("CREATE TABLE sheep (id INTEGER)"))
            await asyncio.Event().wait()
    async with database.session("look") as session:
        connection = await session.connection()
        tables = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert "sheep" not in tables


async def test_a_timeout_of_somebody_else_is_not_ours(database):
    with pytest.raises(TimeoutError):
        async with database.session("wait for another"):
            raise TimeoutError


@ONLY_POSTGRESQL
async def test_more_time_is_more_time_for_the_server_too(database):
    async def allowed(seconds):
        async with database.session("ask", seconds=seconds) as session:
            return await session.scalar(text("SHOW statement_timeout"))

    assert [await allowed(each) for each in (5, 10, 60, 10)] == [
        *("10s", "10s", "1min", "10s")
    ]


@ONLY_POSTGRESQL
async def test_options_of_the_url_count(database_url):
    database = Database(database_url + "&options=-c%20statement_timeout%3D7s")
    await database.open()
    async with database.session("ask") as session:
        assert await session.scalar(text("SHOW statement_timeout")) == "7s"
    await database.close()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_on_either_event_loop(database_url, loop):
    async def use():
        database = Database(database_url)
        await database.open()
        await asyncio.gather(*(database.check() for _ in range(30)))
        with pytest.raises(StorageError):
            async with database.session("dream", seconds=0.01):
                await asyncio.Event().wait()
        await database.check()
        await database.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(use())


@pytest.mark.parametrize(
    "given",
    [
        "postgresql://u:geheim@db:5433/offhook",
        "postgres://u:geheim@db:5433/offhook",
        "postgresql+psycopg://u:geheim@db:5433/offhook",
        "postgresql://u@db:5433/offhook?password=geheim",
    ],
)
async def test_postgresql_has_several_names(given):
    database = Database(given)
    assert database.dialect == "postgresql"
    url = make_url(work_url(given))
    assert url.drivername == "postgresql+psycopg"
    assert (url.username, url.password, url.host) == ("u", "geheim", "db")
    assert (url.port, url.database) == (5433, "offhook")
    assert "geheim" not in repr(url)


@pytest.mark.parametrize(
    ("given", "work"),
    [
        ("sqlite:///offhook.db", "sqlite:///work.db"),
        ("sqlite:////var/lib/offhook.db", "sqlite:////var/lib/work.db"),
        ("sqlite+aiosqlite:///a/b.db", "sqlite:///a/work.db"),
    ],
)
def test_work_is_kept_beside_the_file(given, work):
    assert work_url(given) == work


def test_what_the_url_says_of_patience_counts():
    url = make_url(work_url("postgresql://u@db/offhook?connect_timeout=60&host=other"))
    assert url.query["connect_timeout"] == "60"
    assert url.query["host"] == "other"
    assert url.query["tcp_user_timeout"] == "10000"


async def test_a_server_that_is_not_there(tmp_path):
    url = f"postgresql://u:geheim@/offhook?host={tmp_path}"
    with pytest.raises(StorageError) as error:
        await Database(url).open()
    assert f"cannot open the database offhook at {tmp_path}: " in str(error.value)
    assert "No such file or directory" in str(error.value)
    assert "geheim" not in "".join(traceback.format_exception(error.value))
    assert "\n" not in str(error.value)


async def test_what_was_deleted_leaves_the_log(database, database_url):
    async def rows(number):
        async with database.session("write") as session:
            await session.execute(text("DELETE FROM customers WHERE id <> 'default'"))
            for each in range(number):
                await session.execute(
                    text("INSERT INTO customers VALUES (:id, '4711 4711', :now)"),
                    {"id": f"c{each}", "now": NOON},
                )

    await rows(30)
    await rows(0)
    assert await database.empty_log()
    if database.dialect == "sqlite":
        path = make_url(database_url).database
        for suffix in ("", "-wal"):
            assert b"4711 4711" not in Path(path + suffix).read_bytes()


@ONLY_SQLITE
async def test_the_log_is_not_emptied_under_a_reader(database):
    async with database.session("look", read_only=True) as reader:
        await reader.execute(text("SELECT * FROM calls"))
        async with database.session("write") as session:
            await session.execute(text("UPDATE customers SET name = 'x'"))
        assert not await database.empty_log()
    assert await database.empty_log()
    async with database.session("look", read_only=True) as session:
        assert await session.scalar(text("PRAGMA busy_timeout")) == 5000
