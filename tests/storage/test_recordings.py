import asyncio
import hashlib
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from agent.calls.record import Recording, RecordingState, Track
from agent.observe import metrics
from agent.storage import recordings as recordings_module
from agent.storage.encoding import Format
from agent.storage.errors import StorageError
from agent.storage.ledger import DatabaseLedger
from agent.storage.recordings import Outcome, Recordings, pause_after
from agent.storage.spool import Spool
from agent.storage.stores import FolderStore, StoreError
from agent.storage.tables import RecordingRow, TombstoneRow
from tests.fakes.log import written

from .site import LATER, LONG_AFTER, NAMES, NOON, SOUND, Site
from .sound import unfinished, wav


@pytest.fixture
def site(tmp_path, database) -> Site:
    return Site(tmp_path, database)


def counted(track, result):
    return metrics.recordings.labels(track.value, result)._value.get()


async def everything_is_kept_once(site, call="abc"):
    assert site.job() is None
    assert site.monitored() == []
    kept = site.kept()
    assert {key: path.read_bytes() for key, path in kept.items()} == {
        f"2026-11-21/{call}/{track.value}.wav": SOUND[track] for track in Track
    }
    rows = await site.rows(call)
    assert {track: row.sha256 for track, row in rows.items()} == {
        track: hashlib.sha256(SOUND[track]).hexdigest() for track in Track
    }
    assert set((await site.states(call)).values()) == {RecordingState.STORED}
    assert set(site.told) == set(Track)


async def test_three_tracks_of_a_call(site):
    stored = counted(Track.MIX, "stored")
    site.record()
    site.leave_job()
    await site.collect(LATER)
    rows = await site.rows()
    sha256 = hashlib.sha256(SOUND[Track.USER]).hexdigest()
    assert rows[Track.USER] == Recording(
        call_id="abc",
        track=Track.USER,
        store="folder",
        key="2026-11-21/abc/user.wav",
        bytes=32044,
        seconds=2.0,
        sha256=sha256,
        created_at=LATER,
        rate=8000,
        samples=16000,
        source_sha256=sha256,
        closed_at=NOON,
        stored_at=LATER,
    )
    assert counted(Track.MIX, "stored") == stored + 1
    assert site.told == list(Track)


async def test_a_disk_without_room_is_told_of(site, monkeypatch):
    monkeypatch.setattr(recordings_module, "_FULL", 2**62)
    site.record()
    site.leave_job()
    with written() as log:
        await site.collect(LATER)
    assert "mix may lack its end: the disk of" in log.getvalue()
    await everything_is_kept_once(site)


async def test_an_empty_spool_is_no_work(site):
    await site.collect()
    assert site.kept() == {}


async def test_a_call_that_the_agent_never_heard_of_is_kept_too(site):
    site.record()
    site.leave_job()
    await site.collect()
    await everything_is_kept_once(site)


@pytest.mark.parametrize("format", [Format.FLAC, Format.OPUS, Format.MP3])
async def test_in_another_format(site, format):
    site.config = replace(site.config, format=format)
    site.record()
    site.leave_job()
    await site.collect()
    assert site.job() is None and site.monitored() == []
    row = (await site.rows())[Track.ASSISTANT]
    path = site.kept()[f"2026-11-21/abc/assistant.{format.value}"]
    assert row.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert row.source_sha256 == hashlib.sha256(SOUND[Track.ASSISTANT]).hexdigest()
    assert (row.format, row.samples, row.bytes) == (
        format.value,
        16000,
        path.stat().st_size,
    )


async def test_what_cannot_be_encoded_is_kept_as_it_is(site, monkeypatch):
    def refuse(*arguments):
        raise recordings_module.EncodingError("no such encoder")

    monkeypatch.setattr(recordings_module, "encode", refuse)
    site.config = replace(site.config, format=Format.OPUS)
    site.record()
    site.leave_job()
    await site.collect()
    await everything_is_kept_once(site)
    assert {row.format for row in (await site.rows()).values()} == {"wav"}


class Killed(BaseException):
    """kill -9: nobody catches it."""


# Whose method it is, and which. Between two of them nothing happens on disk.
STEPS = [
    (DatabaseLedger, "look_up"),
    (Recordings, "_take"),
    (FolderStore, "put"),
    (DatabaseLedger, "note"),
    (recordings_module.Path, "unlink"),
    (Spool, "done"),
]


@pytest.mark.parametrize("format", [Format.WAV, Format.OPUS])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize(("owner", "step"), STEPS, ids=[step for _, step in STEPS])
async def test_killed_anywhere_nothing_is_lost_or_doubled(
    site, monkeypatch, owner, step, nth, before, format
):
    site.config = replace(site.config, format=format)
    site.record()
    site.leave_job()
    times = 0

    def interrupt(now_before):
        nonlocal times
        times += now_before
        if times == nth and now_before is before:
            raise Killed

    works = getattr(owner, step)

    def blocking(*arguments, **options):
        interrupt(True)
        result = works(*arguments, **options)
        interrupt(False)
        return result

    async def waiting(*arguments, **options):
        interrupt(True)
        result = await works(*arguments, **options)
        interrupt(False)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, waiting if owner is DatabaseLedger else blocking)
        if step == "done" and nth > 1:
            await site.collect()
        else:
            with pytest.raises(Killed):
                await site.collect()
    await site.collect(LATER)
    if format is Format.WAV:
        await everything_is_kept_once(site)
        return
    assert site.job() is None and site.monitored() == []
    rows = await site.rows()
    assert {
        key: hashlib.sha256(path.read_bytes()).hexdigest()
        for key, path in site.kept().items()
    } == {row.key: row.sha256 for row in rows.values()}
    assert set(rows) == set(site.told) == set(Track)


async def test_killed_while_the_copy_is_written(site, monkeypatch):
    site.record()
    site.leave_job()

    def half(source, target):
        target.write(source.read(1000))
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfileobj", half)
        with pytest.raises(Killed):
            await site.collect()
    assert list(site.config.folder.rglob("mix.wav")) == []
    await site.collect()
    await everything_is_kept_once(site)


async def test_a_full_disk_leaves_everything_for_later(site, monkeypatch):
    failed = counted(Track.MIX, "failed")
    site.record()
    site.leave_job()

    def no_room(source, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfileobj", no_room)
        outcome = await site.tend(attempt=2)
    assert site.monitored() == sorted(NAMES.values())
    assert counted(Track.MIX, "failed") == failed + 1
    row = (await site.rows())[Track.MIX]
    assert (row.state, row.attempts) == (RecordingState.FAILING, 3)
    assert row.next_try == outcome.next_try
    assert outcome.error == f"mix: {row.last_error}"
    assert "[Errno 28] No space left on device" in row.last_error
    await site.collect(NOON + timedelta(seconds=1))
    await everything_is_kept_once(site)
    assert (await site.rows())[Track.MIX].last_error == ""


async def test_a_store_that_is_away_is_asked_once_a_job(site, monkeypatch):
    asked = []

    def away(store, file, key, sound):
        asked.append(key)
        raise StoreError("the store is away")

    monkeypatch.setattr(FolderStore, "put", away)
    site.record()
    site.leave_job()
    await site.collect()
    assert asked == ["2026-11-21/abc/mix.wav"]


async def test_a_database_that_is_away_leaves_everything_for_later(site):
    site.record()
    site.leave_job()
    await site.database.close()
    assert "the database is not open" in (await site.tend()).error
    assert site.job() is not None
    await site.database.open()
    await site.collect(LATER)
    await everything_is_kept_once(site)


async def test_somebody_who_could_not_be_told_is_told_again(site):
    site.record()
    site.leave_job()
    told = []

    async def busy(recording):
        raise RuntimeError("the queue is full")

    async def listens(recording):
        told.append(recording)

    ledger = DatabaseLedger(site.database)
    outcome = await Recordings(site.config, ledger, on_stored=busy).tend(
        "17.5", 0, NOON
    )
    assert "the queue is full" in outcome.error
    assert site.monitored() == sorted(NAMES.values())
    await Recordings(site.config, ledger, on_stored=listens).collect(LATER)
    assert [each.state for each in told] == [RecordingState.STORED] * 3
    assert site.job() is None and site.monitored() == []


async def test_originals_that_cannot_be_deleted_are_not_stored_again(site, monkeypatch):
    site.record()
    site.leave_job()

    def refuse(path, **options):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(recordings_module.Path, "unlink", refuse)
        outcome = await site.tend()
    assert "Permission denied" in outcome.error
    assert set((await site.states()).values()) == {RecordingState.STORED}
    stored = counted(Track.MIX, "stored")
    await site.collect(LATER)
    assert counted(Track.MIX, "stored") == stored
    await everything_is_kept_once(site)


async def test_a_track_that_is_still_written_gets_its_time(site):
    site.record()
    site.leave_job()
    path = site.config.monitor / NAMES[Track.USER]
    path.write_bytes(unfinished(1))
    with open(path, "ab") as asterisk:
        outcome = await site.tend(LATER)
        assert outcome.next_try is not None and outcome.error == ""
        assert await site.errors() == f"user: {path} is still open in Asterisk"
        assert await site.states() == {
            Track.MIX: RecordingState.STORED,
            Track.USER: RecordingState.WAITING,
            Track.ASSISTANT: RecordingState.STORED,
        }
        asterisk.truncate(0)
        asterisk.write(SOUND[Track.USER])
    await site.collect(LATER + timedelta(seconds=2))
    await everything_is_kept_once(site)


async def test_the_header_of_an_asterisk_that_was_killed_is_repaired(site):
    site.record({track: _cut_off(sound) for track, sound in SOUND.items()})
    site.leave_job()
    await site.collect(NOON + timedelta(seconds=59))
    assert "its header tells of" in await site.errors()
    with written() as log:
        await site.collect(NOON + timedelta(seconds=61))
    await everything_is_kept_once(site)
    lines = log.getvalue().splitlines()
    assert sum(": [REC] repaired the header of " in line for line in lines) == 3
    assert sum(" is kept as folder/2026-11-21/abc/" in line for line in lines) == 3
    assert all(" call=abc " in line for line in lines)


@pytest.mark.parametrize(
    ("quiet", "left"), [(timedelta(hours=5), 3), (timedelta(hours=7), 0)]
)
async def test_where_nobody_knows_who_writes_the_unfinished_wait_for_hours(
    site, monkeypatch, quiet, left
):
    monkeypatch.setattr(recordings_module, "still_written", lambda file: None)
    site.record({track: _cut_off(sound) for track, sound in SOUND.items()})
    site.leave_job()
    await site.collect(NOON + quiet)
    assert len(site.monitored()) == left


def _cut_off(sound):
    return sound[:4] + bytes(4) + sound[8:40] + bytes(4) + sound[44:]


def _gone(path):
    path.unlink()


def _link_away(path):
    secret = path.parent.parent / "secret.wav"
    path.rename(secret)
    path.symlink_to(secret)


def _folder(path):
    path.unlink()
    path.mkdir()


# What is wrong, what it says, and whether the file itself is put aside.
BROKEN = [
    (_gone, "17.5-user.wav never came", False),
    (lambda path: path.write_bytes(b"noise"), "its header is broken", True),
    (lambda path: path.write_bytes(b""), "it is empty: 0 bytes", True),
    (lambda path: path.write_bytes(wav(0)), "there is a header, no sound", False),
    (
        lambda path: path.write_bytes(unfinished(0)),
        "there is a header, no sound",
        False,
    ),
    (lambda path: path.write_bytes(bytes(32044)), "its header is broken", True),
    (_link_away, "is a symbolic link", False),
    (_folder, "is not a regular file", True),
]


@pytest.mark.parametrize(
    ("spoil", "says", "aside"),
    BROKEN,
    ids=[
        *("missing", "noise", "empty", "header-only", "unfinished header-only"),
        *("zeros", "link", "folder"),
    ],
)
async def test_a_track_that_can_never_be_stored_is_put_aside(site, spoil, says, aside):
    rejected = counted(Track.USER, "rejected")
    site.record()
    spoil(site.config.monitor / NAMES[Track.USER])
    site.leave_job()
    await site.collect(LONG_AFTER)
    assert site.job() is None
    if "no sound" not in says:
        assert says in site.reason("17.5-user.wav")
    assert (NAMES[Track.USER] in site.rejected()) is aside
    row = (await site.rows())[Track.USER]
    assert row.state is RecordingState.REJECTED
    assert says in row.last_error
    assert await site.states() == {
        Track.MIX: RecordingState.STORED,
        Track.USER: RecordingState.REJECTED,
        Track.ASSISTANT: RecordingState.STORED,
    }
    assert counted(Track.USER, "rejected") == rejected + 1


async def test_of_a_call_without_sound_nothing_is_left_behind(site):
    """The agent refused it: Asterisk opened the files, and closed them."""
    site.record({track: wav(0) for track in Track})
    site.leave_job()
    await site.collect()
    assert (site.monitored(), site.rejected(), site.job()) == ([], [], None)
    assert await site.states() == dict.fromkeys(Track, RecordingState.REJECTED)


async def test_a_recording_that_was_put_aside_can_be_moved_back(site):
    site.record(SOUND | {Track.USER: b"noise"})
    site.leave_job()
    await site.collect(LATER)
    aside = site.config.spool / "rejected" / NAMES[Track.USER]
    assert aside.read_bytes() == b"noise"
    site.record({Track.USER: SOUND[Track.USER]})
    site.leave_job()
    await site.collect(LATER)
    await everything_is_kept_once(site)


async def test_a_file_that_has_not_come_yet_may_come(site):
    site.leave_job()
    await site.collect(NOON + timedelta(hours=20))
    assert await site.states() == dict.fromkeys(Track, RecordingState.WAITING)
    site.record()
    await site.collect(NOON + timedelta(hours=21))
    await everything_is_kept_once(site)


async def test_another_recording_of_the_same_call_replaces_nothing(site):
    site.record()
    site.leave_job()
    await site.collect()
    site.record({track: wav(3, 9) for track in Track})
    site.leave_job()
    await site.collect()
    assert "it is not the recording that is kept of this call" in site.reason(
        "17.5.wav"
    )
    assert (site.config.spool / "rejected/17.5.wav").read_bytes() == wav(3, 9)
    assert site.kept()["2026-11-21/abc/mix.wav"].read_bytes() == SOUND[Track.MIX]
    assert set((await site.states()).values()) == {RecordingState.STORED}


async def _mark(site, state):
    async with site.database.session("mark") as session:
        for track in Track:
            row = await session.get(RecordingRow, ("abc", track.value))
            row = row or RecordingRow(
                call_id="abc",
                track=track.value,
                store="",
                key="",
                bytes=0,
                seconds=0,
                sha256="",
                created_at=NOON,
            )
            row.state = state.value
            session.add(row)


async def test_what_was_erased_does_not_come_back(site):
    await _mark(site, RecordingState.ERASED)
    site.record()
    site.leave_job()
    await site.collect()
    assert site.monitored() == [] and site.kept() == {} and site.job() is None
    assert set((await site.states()).values()) == {RecordingState.ERASED}
    assert site.told == []


async def test_what_was_erased_with_its_files_is_not_waited_for(site):
    site.leave_job()
    async with site.database.session("erase") as session:
        session.add(
            TombstoneRow(
                call_id="abc",
                state="erased",
                at=NOON,
                who="me",
                why="he asked",
                finished_at=NOON,
                last_error="",
            )
        )
    await site.collect()
    assert site.job() is None
    assert await site.rows() == {}


async def test_what_is_erased_while_it_is_stored_does_not_stay(site, monkeypatch):
    put = FolderStore.put

    def slow(store, file, key, sound):
        kept = put(store, file, key, sound)
        asyncio.run_coroutine_threadsafe(
            _mark(site, RecordingState.ERASED), loop
        ).result(5)
        return kept

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(FolderStore, "put", slow)
    site.record()
    site.leave_job()
    await site.collect()
    assert site.monitored() == [] and site.kept() == {}
    assert set((await site.states()).values()) == {RecordingState.ERASED}


async def test_what_has_expired_is_not_stored_a_second_time(site):
    site.record()
    site.leave_job()
    await site.collect()
    await _mark(site, RecordingState.EXPIRED)
    for path in site.kept().values():
        path.unlink()
    site.record()
    site.leave_job()
    await site.collect()
    assert site.monitored() == [] and site.kept() == {} and site.rejected() == []


@pytest.mark.parametrize(
    "changes",
    [{"call": "../../abc"}, {"recording": "../17.5"}, {"closed_at": "yesterday"}],
)
async def test_a_job_that_nobody_can_do_is_rejected_and_its_sound_found(site, changes):
    site.record()
    site.leave_job(**changes)
    await site.collect()
    assert "not a job" in site.reason()
    assert site.kept() == {} and site.monitored() == sorted(NAMES.values())
    await site.sweep(LATER)
    await site.collect(LATER)
    await everything_is_kept_once(site, "17.5")


async def test_one_broken_job_does_not_stop_the_others(site):
    (site.config.spool / "0.job").write_text("noise")
    site.record()
    site.leave_job()
    await site.collect()
    await everything_is_kept_once(site)


async def test_a_job_that_cannot_be_moved_does_not_stop_the_others(site, monkeypatch):
    (site.config.spool / "0.job").write_text("noise")
    site.record()
    site.leave_job()

    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Spool, "reject", refuse)
    await site.collect()
    await everything_is_kept_once(site)


async def test_recordings_without_a_job_are_found(site):
    site.record()
    await site.sweep(NOON + timedelta(minutes=4))
    assert site.job() is None
    await site.sweep(NOON + timedelta(minutes=6))
    job = site.job()
    assert (job["call"], job["environment"]) == ("17.5", "orphan")
    assert datetime.fromisoformat(job["closed_at"]) == NOON
    await site.sweep(NOON + timedelta(minutes=9))
    assert site.job() == job
    await site.collect(LATER)
    await everything_is_kept_once(site, "17.5")


@pytest.mark.parametrize("name", ["ü.wav", ".5.wav", "a b.wav", "17.5.txt", "..wav"])
async def test_other_files_of_asterisks_folder_are_left_alone(site, name):
    (site.config.monitor / name).write_bytes(wav(1))
    (site.config.monitor / "folder.wav").mkdir()
    (site.config.monitor / "link.wav").symlink_to(name)
    await site.sweep(datetime.now(UTC) + timedelta(days=2))
    assert list(site.config.spool.iterdir()) == []


async def test_a_monitor_folder_that_is_not_there_says_so(site):
    os.rmdir(site.config.monitor)
    with pytest.raises(StorageError, match="cannot look for lost recordings"):
        await site.sweep()


async def test_a_job_that_cannot_be_deleted_is_tried_again(site, monkeypatch):
    def refuse(*arguments):
        raise OSError(30, "Read-only file system")

    site.record()
    site.leave_job()
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "done", refuse)
        outcome = await site.tend()
    assert "Read-only file system" in outcome.error and outcome.next_try is not None
    assert await site.tend(LATER) == Outcome()
    await everything_is_kept_once(site)


async def test_a_job_that_is_gone_is_done(site):
    assert await site.tend() == Outcome()


async def test_what_is_held_back_says_so(site):
    site.record()
    site.leave_job()
    (job,) = await site.recordings().inbox()
    until = NOON + timedelta(minutes=1)
    await site.recordings().hold_back(job, 3, "mix: s3://b: Slow down", NOON, until)
    (row,) = (await site.rows()).values()
    assert (row.track, row.state) == (Track.MIX, RecordingState.FAILING)
    assert (row.attempts, row.next_try) == (3, None)
    assert row.last_error == "not tried while others fail: mix: s3://b: Slow down"
    await site.collect()
    await everything_is_kept_once(site)


async def test_a_pass_ends_when_everything_fails(site, monkeypatch):
    asked = []

    def away(store, file, key, sound):
        asked.append(key)
        raise StoreError("the store is away")

    monkeypatch.setattr(FolderStore, "put", away)
    for name in "abcdefgh":
        site.record(name=name)
        site.leave_job(name, call=name)
    await site.collect()
    assert [key.split("/")[1] for key in asked] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("attempts", "share", "seconds"),
    [(0, 1, 1), (0, 0, 0.5), (1, 1, 2), (5, 0.5, 24), (9, 1, 300), (10_000, 0, 150)],
)
def test_pauses_grow_to_five_minutes(attempts, share, seconds):
    assert pause_after(attempts, share) == timedelta(seconds=seconds)


async def test_pauses_of_those_that_fail_together_differ(site):
    """There are no files to any of them."""
    site.leave_job()
    again = {(await site.tend()).next_try for _ in range(20)}
    assert len(again) > 1
    assert min(again) >= NOON + timedelta(seconds=0.5)
    assert max(again) <= NOON + timedelta(seconds=1)


async def test_a_spool_that_cannot_be_used_says_so(site):
    os.rmdir(site.config.spool)
    site.config.spool.write_text("")
    with pytest.raises(StorageError, match="cannot use the spool"):
        await site.collect()


async def test_there_is_one_row_a_track(site):
    for _ in range(2):
        site.record()
        site.leave_job()
        await site.collect()
    async with site.database.session("count", read_only=True) as session:
        assert await session.scalar(text("SELECT count(*) FROM recordings")) == 3
