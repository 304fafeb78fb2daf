import argparse
import json
from datetime import UTC, datetime

import pytest

from agent import __main__ as command_line
from agent.storage import recording_command
from agent.storage.audit import deeds
from agent.storage.database import Database
from agent.storage.errors import StorageError
from agent.storage.retention import Retention
from agent.storage.shelves import Shelves

from .kept import NOON, keep_call, keep_recording, key


@pytest.fixture
async def site(tmp_path, monkeypatch):
    """A data folder with a call in it; the command opens the database itself."""
    monkeypatch.setenv("OFFHOOK_DATA", str(tmp_path))
    for name in ("DATABASE_URL", "S3_BUCKET", "OFFHOOK_RECORDINGS", "OFFHOOK_SPOOL"):
        monkeypatch.delenv(name, raising=False)
    database = Database(f"sqlite:///{tmp_path}/offhook.db")
    await database.open()
    await keep_call(database)
    await keep_recording(database, tmp_path / "recordings")
    yield database
    await database.close()


async def offhook(*arguments):
    parsed = command_line._parser().parse_args(["recording", *arguments])
    return await command_line._recording(parsed)


async def test_where_it_is(site, capsys):
    assert await offhook("why", "17.5") == 0
    assert capsys.readouterr().out.startswith("17.5: it is there: folder/2026-11-21/")


async def test_for_programs(site, tmp_path, capsys):
    (tmp_path / "recordings" / key("17.5", "mix")).unlink()
    assert await offhook("why", "17.5", "--json") == 1
    assert json.loads(capsys.readouterr().out)["cause"] == "gone_from_store"


async def test_of_nobody_knows_what(site, capsys):
    assert await offhook("why", "nobody") == 2
    assert "never heard of this call" in capsys.readouterr().out


async def test_with_a_log(site, tmp_path, capsys):
    line = (
        "2026-11-21T12:00:00.000+00:00 INFO call=x a.b: [REC] mix is kept as y/z, 1 s"
    )
    (tmp_path / "log").write_text(line)
    assert await offhook("why", "x", "--log", str(tmp_path / "log")) == 0
    assert await offhook("why", "x", "--log", str(tmp_path / "nowhere")) == 2
    assert "No such file" in capsys.readouterr().err


async def test_it_is_erased(site, tmp_path, capsys):
    assert await offhook("erase", "17.5", "--reason", "he asked") == 0
    assert "17.5: erased at " in capsys.readouterr().out
    assert not (tmp_path / "recordings" / key("17.5", "mix")).exists()
    asked, _ = await deeds(site, "17.5")
    assert asked.why == "he asked" and "by the command line" in asked.who
    assert await offhook("why", "17.5") == 1
    assert await offhook("erase", "nobody") == 2
    assert "there is no call 'nobody'" in capsys.readouterr().err


async def test_a_store_that_is_away():
    class Away:
        async def condemn(self, call_id, **deed):
            pass

        async def finish(self, call_id, now):
            return argparse.Namespace(finished_at=None, last_error="away")

    asked = argparse.Namespace(call="17.5", reason="")
    said, status = await recording_command.erase(asked, Away(), datetime.now(UTC))
    assert status == 1 and "the sound is not yet" in said and "away" in said


async def test_a_call_that_is_up(site, tmp_path):
    await keep_call(site, "17.6", ended_at=None)
    retention = Retention(site, Shelves(tmp_path, None), 0)
    asked = argparse.Namespace(call="17.6", reason="")
    with pytest.raises(StorageError, match="is not over"):
        await recording_command.erase(asked, retention, NOON)
