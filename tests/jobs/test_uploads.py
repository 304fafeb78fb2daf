import asyncio
import os
import threading
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from dbos import DBOS
from loguru import logger
from sqlalchemy.exc import OperationalError

from agent.calls.record import RecordingState, Track
from agent.jobs import engine
from agent.jobs import uploads as uploads_module
from agent.jobs.uploads import Trouble, Uploads, upload_forever
from agent.storage import recordings as recordings_module
from agent.storage.database import Database
from agent.storage.spool import Spool
from agent.storage.stores import FolderStore, StoreError
from tests.storage.site import LATER, NOON, SOUND, Site
from tests.storage.sound import wav

_numbers = iter(range(1_000_000))


@pytest.fixture
async def site(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/offhook.db")
    await database.open()
    yield Site(tmp_path, database)
    await database.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(uploads_module, "LOOK_EVERY", 0.005)
    monkeypatch.setattr(recordings_module, "LOOK_EVERY", 0.005)
    monkeypatch.setattr(uploads_module, "_WITHOUT_ENGINE", 0.005)


@pytest.fixture
def no_pauses(monkeypatch):
    monkeypatch.setattr(recordings_module, "_LONGEST_PAUSE", timedelta(milliseconds=1))


def from_later_on() -> Callable[[], datetime]:
    began = time.monotonic()
    return lambda: LATER + timedelta(seconds=time.monotonic() - began)


def uploads(site, clock: Callable[[], datetime] | None = None) -> Uploads:
    name = f"uploads{next(_numbers)}"
    return Uploads(site.recordings(), clock or from_later_on(), name=name)


@asynccontextmanager
async def at_work(site, ours: Uploads | None = None):
    ours = ours or uploads(site)
    async with engine.running(f"sqlite:///{site.config.spool}/.work.db"):
        task = asyncio.create_task(ours.run())
        try:
            yield
            assert not task.done(), task.exception()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def soon(true):
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.005)


def leave(site, *names, sound=SOUND):
    for name in names:
        site.record(sound, name=name)
        site.leave_job(name, call=name)


def jobs(site):
    return sorted(path.stem for path in site.config.spool.glob("*.job"))


def stored(site):
    return {key.split("/")[1] for key in site.kept()}


class Store:
    """The folder, which fails, hangs and counts as it is told."""

    def __init__(self, monkeypatch):
        self.away = False
        self.asked: list[str] = []
        put = FolderStore.put

        def asked(store, file, key, sound):
            self.asked.append(key.split("/")[1])
            if self.away:
                raise StoreError("the store is away")
            return put(store, file, key, sound)

        monkeypatch.setattr(FolderStore, "put", asked)


async def test_it_goes_on_for_ever(site):
    site.record()
    async with at_work(site):
        await soon(lambda: len(site.kept()) == 3 and site.monitored() == [])
        site.told.clear()
        leave(site, "18.5", sound={track: wav(3, 7) for track in Track})
        await soon(lambda: len(site.told) == 3 and jobs(site) == [])


async def test_more_than_there_is_room_for(site):
    names = [f"{number:02}" for number in range(20)]
    leave(site, *names)
    async with at_work(site):
        await soon(lambda: jobs(site) == [])
    assert stored(site) == set(names)
    assert len(site.told) == 60, "each of them once"


async def test_a_store_that_hangs_for_one_keeps_no_other_waiting(site, monkeypatch):
    put, answered = FolderStore.put, threading.Event()

    def hangs(store, file, key, sound):
        if "/slow" in key:
            answered.wait(30)
        return put(store, file, key, sound)

    monkeypatch.setattr(FolderStore, "put", hangs)
    leave(site, "slow1", "slow2", "slow3", "zquick1", "zquick2")
    async with at_work(site):
        await soon(lambda: len(site.kept()) == 6)
        assert stored(site) == {"zquick1", "zquick2"}
        answered.set()
        await soon(lambda: len(site.told) == 15)


async def test_one_that_fails_is_tried_until_it_does_not(site, monkeypatch, no_pauses):
    store = Store(monkeypatch)
    store.away = True
    leave(site, "17.5")
    async with at_work(site):
        await soon(lambda: len(store.asked) > 3)
        row = (await site.rows("17.5"))[Track.MIX]
        assert row.state is RecordingState.FAILING and row.attempts >= 3
        store.away = False
        await soon(lambda: jobs(site) == [])
    assert stored(site) == {"17.5"}
    row = (await site.rows("17.5"))[Track.MIX]
    assert row.attempts >= 4 and row.last_error == ""


async def test_the_count_of_tries_outlives_a_workflow(site, monkeypatch, no_pauses):
    monkeypatch.setattr(uploads_module, "_LAPS", 3)
    store = Store(monkeypatch)
    store.away = True
    leave(site, "17.5")
    async with at_work(site):
        await soon(lambda: len(store.asked) > 10)
        store.away = False
        await soon(lambda: jobs(site) == [])
    # The first track alone is asked for while the store is away.
    tries = len(store.asked) - 2
    assert (await site.rows("17.5"))[Track.MIX].attempts == tries - 1


async def test_while_all_fail_the_rest_waits_and_is_told(site, monkeypatch):
    """For an instant that does not pass: whoever failed pauses, the rest stays."""
    store = Store(monkeypatch)
    store.away = True
    names = [f"{number:02}" for number in range(20)]
    leave(site, *names)
    now = LATER
    ours = uploads(site, lambda: now)
    async with at_work(site, ours):
        held = []

        async def all_told():
            held[:] = [name for name in names if await site.rows(name)]
            return len(held) == len(names)

        async with asyncio.timeout(30):
            while not await all_told():
                await asyncio.sleep(0.01)
        asked = set(store.asked)
        assert len(asked) <= uploads_module._AWAKE
        rest = next(name for name in names if name not in asked)
        row = (await site.rows(rest))[Track.MIX]
        assert (row.state, row.attempts) == (RecordingState.FAILING, 0)
        assert row.last_error.startswith("not tried while others fail: mix: ")
        store.away = False
        # One is tried at the end of the pause, and brings all the others out.
        now = LATER + timedelta(minutes=6)
        await soon(lambda: not set(jobs(site)) - asked)
    assert stored(site) >= set(names) - asked


async def test_what_a_killed_worker_left_is_carried_on_and_not_begun_again(
    site, monkeypatch
):
    store = Store(monkeypatch)
    store.away = True
    monkeypatch.setattr(recordings_module, "pause_after", lambda *_: timedelta(hours=1))
    leave(site, "17.5")
    ours = uploads(site)
    async with at_work(site, ours):
        await soon(lambda: store.asked == ["17.5"])
        async with asyncio.timeout(30):
            while not await site.rows("17.5"):
                await asyncio.sleep(0.005)
    store.away = False
    async with at_work(site, ours):
        # It pauses for an hour, though everything is well.
        leave(site, "18.5")
        await soon(lambda: jobs(site) == ["17.5"])
        async with asyncio.timeout(30):
            while len(ids := await engine.begun(f"{ours.config_name}/")) > 1:
                await asyncio.sleep(0.005)
    assert ids[0].startswith(f"{ours.config_name}/17.5/20261121T120000/")
    assert store.asked == ["17.5", *["18.5"] * 3]


async def test_a_workflow_that_never_begins_is_given_up(site, monkeypatch):
    """Of another version, say, which nobody carries on."""
    ours = uploads(site)
    leave(site, "17.5")

    async def begun(prefix):
        return [f"{prefix}17.5/20261121T120000/0123"]

    monkeypatch.setattr(engine, "begun", begun)
    now = LATER
    ours = uploads(site, lambda: now)
    async with at_work(site, ours):
        leave(site, "18.5")
        await soon(lambda: jobs(site) == ["17.5"])
        now = LATER + timedelta(minutes=2)
        await soon(lambda: jobs(site) == [])
    assert stored(site) == {"17.5", "18.5"}


async def test_two_workflows_of_a_recording_are_one(site, monkeypatch):
    put, go = FolderStore.put, threading.Event()
    asked = []

    def hangs(store, file, key, sound):
        asked.append(key)
        go.wait(30)
        return put(store, file, key, sound)

    monkeypatch.setattr(FolderStore, "put", hangs)
    leave(site, "17.5")
    ours = uploads(site)
    async with at_work(site, ours):
        await soon(lambda: asked)
        second = await DBOS.start_workflow_async(ours.upload, "17.5", 0)
        await second.get_result()
        assert len(asked) == 1
        go.set()
        await soon(lambda: jobs(site) == [])
    assert len(asked) == len(Track)


async def test_without_the_engines_database_the_spool_is_enough(site):
    ours = uploads(site)
    for suffix in ("", "-wal", "-shm"):
        (site.config.spool / f".work.db{suffix}").unlink(missing_ok=True)
    leave(site, "17.5")
    async with at_work(site, ours):
        await soon(lambda: jobs(site) == [])
    for path in site.config.spool.glob(".work.db*"):
        path.unlink()
    leave(site, "18.5")
    async with at_work(site, ours):
        await soon(lambda: jobs(site) == [])
    assert stored(site) == {"17.5", "18.5"}


async def test_an_engine_that_cannot_write_stops_no_upload(site, monkeypatch):
    """The disk is full, and uploading is what makes room on it."""

    async def full(*arguments):
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    said = []
    sink = logger.add(said.append, level="ERROR")
    monkeypatch.setattr(DBOS, "start_workflow_async", full)
    names = [f"{number:02}" for number in range(6)]
    leave(site, *names)
    async with at_work(site):
        await soon(lambda: jobs(site) == [])
        leave(site, "17.5")
        await soon(lambda: jobs(site) == [])
    logger.remove(sink)
    assert stored(site) == {*names, "17.5"}
    assert "nobody counts the tries" in said[0] and len(said) <= 2


async def test_a_step_that_cannot_be_noted_is_not_the_end(site, monkeypatch):
    """The job is still there, so another workflow is begun."""
    tend, times = Uploads.tend, iter(range(100))
    store = Store(monkeypatch)

    async def fails(self, recording, attempt):
        if next(times) < 2:
            raise OperationalError("INSERT", {}, Exception("database or disk is full"))
        return await tend(self, recording, attempt)

    monkeypatch.setattr(Uploads, "tend", fails)
    leave(site, "17.5")
    async with at_work(site):
        await soon(lambda: jobs(site) == [])
    assert store.asked == ["17.5"] * 3


async def test_a_fault_of_ours_is_tried_again(site, monkeypatch):
    tend, times = recordings_module.Recordings.tend, iter(range(100))

    async def fails(*arguments):
        if next(times) < 2:
            raise ZeroDivisionError("who wrote this?")
        return await tend(*arguments)

    monkeypatch.setattr(recordings_module.Recordings, "tend", fails)
    monkeypatch.setattr(
        uploads_module, "pause_after", lambda *_: timedelta(milliseconds=1)
    )
    leave(site, "17.5")
    async with at_work(site):
        await soon(lambda: jobs(site) == [])
    assert stored(site) == {"17.5"}


async def test_without_asterisks_folder_the_spool_is_looked_after(site):
    os.rmdir(site.config.monitor)
    site.leave_job()
    async with at_work(site, uploads(site, lambda: NOON)):
        async with asyncio.timeout(30):
            while "17.5.wav is not there" not in await site.errors():
                await asyncio.sleep(0.005)


async def test_one_that_waits_for_another_takes_over(site):
    other = Spool(site.config.spool).lock()
    site.record()
    site.leave_job()
    async with at_work(site):
        for _ in range(20):
            await asyncio.sleep(0.005)
        assert site.job() is not None and site.kept() == {}
        os.close(other)
        await soon(lambda: site.job() is None)
    assert site.monitored() == [] and len(site.kept()) == 3


async def test_a_spool_that_stays_bad_is_said_once(site, tmp_path):
    said = []
    sink = logger.add(said.append, level="ERROR")
    os.rmdir(site.config.spool)
    site.config.spool.write_text("")
    ours = uploads(site)
    async with engine.running(f"sqlite:///{tmp_path}/work.db"):
        task = asyncio.create_task(ours.run())
        await soon(lambda: said)
        for _ in range(20):
            await asyncio.sleep(0.005)
        assert len(said) == 1 and "cannot use the spool" in said[0]
        site.config.spool.unlink()
        site.record()
        await soon(lambda: len(site.told) == 3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    logger.remove(sink)


@pytest.fixture
def under_another_name(monkeypatch):
    """One of each name in a process, and here are many."""

    def named(recordings, clock):
        return Uploads(recordings, clock, name=f"uploads{next(_numbers)}")

    monkeypatch.setattr(uploads_module, "Uploads", named)


async def forever(site):
    await upload_forever(site.recordings(), lambda: datetime.now(UTC))


async def test_beside_asterisk(site, under_another_name):
    leave(site, "17.5")
    task = asyncio.create_task(forever(site))
    await soon(lambda: jobs(site) == [])
    assert Spool(site.config.spool).lock() is None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stored(site) == {"17.5"} and (site.config.spool / ".work.db").exists()


async def test_beside_asterisk_with_an_engine_that_does_not_start(
    site, under_another_name
):
    (site.config.spool / ".work.db").write_text("this is no database" * 1000)
    leave(site, "17.5")
    task = asyncio.create_task(forever(site))
    await soon(lambda: jobs(site) == [])
    (site.config.spool / ".work.db").unlink()
    leave(site, "18.5")
    await soon(lambda: jobs(site) == [])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert stored(site) == {"17.5", "18.5"}


ROOM = uploads_module._AWAKE


@pytest.mark.parametrize(
    ("failed", "after", "awake", "room"),
    [
        ([], 0, 0, ROOM),
        ([], 0, 3, ROOM - 3),
        (["a"], 0, 0, 0),
        (["a"], 1, 0, 1),
        (["a"], 1, 1, 0),
        (["a"] * 20, 1, 0, 1),
        (["a", "b", "c", "d"], 3, 0, 0),
        (["a", "b", "c", "d"], 8, 0, 1),
        ([str(number) for number in range(100)], 149, 0, 0),
        ([str(number) for number in range(100)], 300, 0, 1),
    ],
)
def test_the_more_fail_the_longer_the_rest_waits(failed, after, awake, room):
    trouble = Trouble()
    for name in failed:
        trouble.failed(name, "away", NOON)
    now = NOON + timedelta(seconds=after)
    assert trouble.room(awake, now) == room
    trouble.over()
    assert trouble.room(awake, now) == ROOM - awake


def test_many_that_never_succeed_hold_nobody_up_for_ever():
    trouble = Trouble()
    waited = 0
    for second in range(3600):
        now = NOON + timedelta(seconds=second)
        if second % 5 == 0:
            trouble.failed(str(second // 5 % 40), "Permission denied", now)
        waited = 0 if trouble.room(0, now) else waited + 1
        assert waited <= 300 + 40 * 5
