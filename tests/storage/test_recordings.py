import hashlib
import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from agent.calls.call import Call, Direction
from agent.calls.record import Recording, Track
from agent.observe import metrics
from agent.storage import recordings as recordings_module
from agent.storage.calls import Calls
from agent.storage.errors import StorageError
from agent.storage.recordings import Recordings, RecordingsConfig

from .sound import unfinished, wav

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=13)
NAMES = {
    Track.MIX: "17.5.wav",
    Track.USER: "17.5-user.wav",
    Track.ASSISTANT: "17.5-assistant.wav",
}
SOUND = {track: wav(2, sample) for sample, track in enumerate(Track)}


class Site:
    """The folders that Asterisk, its script and the agent share."""

    def __init__(self, root, database):
        self.database = database
        self.config = RecordingsConfig(
            root / "monitor", root / "spool", root / "recordings"
        )
        for folder in (self.config.monitor, self.config.spool):
            folder.mkdir()

    def record(self, sound=SOUND):
        for track, content in sound.items():
            (self.config.monitor / NAMES[track]).write_bytes(content)

    def leave_job(self, **changes):
        job = {"recording": "17.5", "call": "abc", "closed_at": NOON.isoformat()}
        path = self.config.spool / "17.5.job"
        path.write_text(json.dumps(job | changes))

    async def collect(self, now=NOON):
        await Recordings(self.config, self.database).collect(now)

    async def rows(self):
        await Calls(self.database).begin(
            Call("abc", "", "", Direction.INBOUND, "desk", NOON)
        )
        record = await Calls(self.database).get("abc")
        return {recording.track: recording for recording in record.recordings}

    def job(self):
        path = self.config.spool / "17.5.job"
        return json.loads(path.read_text()) if path.exists() else None

    def reason(self):
        return (self.config.spool / "rejected/17.5.reason").read_text()

    def monitored(self):
        return sorted(path.name for path in self.config.monitor.iterdir())

    def kept(self):
        files = (path for path in self.config.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.config.folder)): path for path in files}


@pytest.fixture
def site(tmp_path, database) -> Site:
    return Site(tmp_path, database)


def counted(track, result):
    return metrics.recordings.labels(track.value, result)._value.get()


async def everything_is_kept_once(site):
    assert site.job() is None
    assert site.monitored() == []
    kept = site.kept()
    assert {key: path.read_bytes() for key, path in kept.items()} == {
        f"2026-11-21/abc/{track.value}.wav": SOUND[track] for track in Track
    }
    rows = await site.rows()
    assert {track: row.sha256 for track, row in rows.items()} == {
        track: hashlib.sha256(SOUND[track]).hexdigest() for track in Track
    }


async def test_three_tracks_of_a_call(site):
    stored = counted(Track.MIX, "stored")
    site.record()
    site.leave_job()
    await site.collect(LATER)
    rows = await site.rows()
    assert rows[Track.USER] == Recording(
        call_id="abc",
        track=Track.USER,
        store="folder",
        key="2026-11-21/abc/user.wav",
        bytes=32044,
        seconds=2.0,
        sha256=hashlib.sha256(SOUND[Track.USER]).hexdigest(),
        created_at=LATER,
    )
    assert counted(Track.MIX, "stored") == stored + 1


async def test_an_empty_spool_is_no_work(site):
    await site.collect()
    assert site.kept() == {}


async def test_a_call_that_the_agent_never_heard_of_is_kept_too(site):
    site.record()
    site.leave_job()
    await site.collect()
    await everything_is_kept_once(site)


class Killed(BaseException):
    """kill -9: nobody catches it."""


STEPS = [
    "_kept",
    "_copy",
    "_add",
    "unlink",
    "done",
]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("step", STEPS)
async def test_killed_anywhere_nothing_is_lost_or_doubled(
    site, monkeypatch, step, nth, before
):
    site.record()
    site.leave_job()
    times = 0

    def interrupt(now_before):
        nonlocal times
        times += now_before
        if times == nth and now_before is before:
            raise Killed

    def dying(works):
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

        return waiting if step in ("_kept", "_add") else blocking

    owner = {"unlink": recordings_module.Path, "done": recordings_module.Spool}.get(
        step, Recordings
    )
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, dying(getattr(owner, step)))
        if step == "done" and nth > 1:
            await site.collect()
        else:
            with pytest.raises(Killed):
                await site.collect()
    await site.collect(LATER)
    await everything_is_kept_once(site)


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
        await site.collect()
    job = site.job()
    assert job["attempts"] == 1
    assert "mix: [Errno 28] No space left on device" in job["last_error"]
    assert site.monitored() == sorted(NAMES.values())
    assert counted(Track.MIX, "failed") == failed + 1
    await site.collect(NOON + timedelta(seconds=0.9))
    assert site.job()["attempts"] == 1
    await site.collect(NOON + timedelta(seconds=1))
    await everything_is_kept_once(site)


async def test_a_database_that_is_away_leaves_everything_for_later(site):
    site.record()
    site.leave_job()
    await site.database.close()
    await site.collect()
    assert "the database is not open" in site.job()["last_error"]
    await site.database.open()
    await site.collect(LATER)
    await everything_is_kept_once(site)


async def test_originals_that_cannot_be_deleted_are_not_stored_again(site, monkeypatch):
    site.record()
    site.leave_job()

    def refuse(path, **options):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(recordings_module.Path, "unlink", refuse)
        await site.collect()
    assert "Permission denied" in site.job()["last_error"]
    stored = counted(Track.MIX, "stored")
    await site.collect(LATER)
    assert counted(Track.MIX, "stored") == stored
    await everything_is_kept_once(site)


async def test_a_track_that_is_still_written_gets_its_time(site):
    site.record(SOUND | {Track.USER: unfinished(2)})
    site.leave_job()
    await site.collect()
    assert "17.5-user.wav: its header tells of" in site.job()["last_error"]
    site.record({Track.USER: SOUND[Track.USER]})
    await site.collect(NOON + timedelta(seconds=2))
    await everything_is_kept_once(site)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.unlink(), "17.5-user.wav is not there"),
        (lambda path: path.write_bytes(b"noise"), "its header tells of"),
        (lambda path: path.write_bytes(b""), "its header tells of"),
        (lambda path: link_away(path), "is a symbolic link"),
        (lambda path: (path.unlink(), path.mkdir()), "is not a regular file"),
    ],
    ids=["missing", "noise", "empty", "link", "folder"],
)
async def test_a_track_that_stays_broken_is_given_up_and_the_others_kept(
    site, spoil, says
):
    rejected = counted(Track.USER, "rejected")
    site.record()
    spoil(site.config.monitor / NAMES[Track.USER])
    site.leave_job()
    await site.collect(NOON + timedelta(seconds=59))
    assert site.job()["attempts"] == 1
    await site.collect(NOON + timedelta(seconds=61))
    assert site.job() is None
    assert says in site.reason() and "user: " in site.reason()
    assert "mix" not in site.reason()
    assert set(await site.rows()) == {Track.MIX, Track.ASSISTANT}
    assert counted(Track.USER, "rejected") == rejected + 1


def link_away(path):
    secret = path.parent.parent / "secret.wav"
    path.rename(secret)
    path.symlink_to(secret)


async def test_a_rejected_job_can_be_moved_back(site):
    site.leave_job()
    await site.collect(LATER)
    rejected = site.config.spool / "rejected/17.5.job"
    site.record()
    rejected.rename(site.config.spool / "17.5.job")
    await site.collect(LATER)
    await everything_is_kept_once(site)


async def test_another_recording_of_the_same_call_replaces_nothing(site):
    site.record()
    site.leave_job()
    await site.collect()
    site.record({track: wav(3, 9) for track in Track})
    site.leave_job()
    await site.collect()
    assert "is not the recording that is kept of this call" in site.reason()
    assert site.monitored() == sorted(NAMES.values())
    assert site.kept()["2026-11-21/abc/mix.wav"].read_bytes() == SOUND[Track.MIX]


@pytest.mark.parametrize(
    "changes",
    [{"call": "../../abc"}, {"recording": "../17.5"}, {"closed_at": "yesterday"}],
)
async def test_a_job_that_nobody_can_do_is_rejected_at_once(site, changes):
    site.record()
    site.leave_job(**changes)
    await site.collect()
    assert "not a job" in site.reason()
    assert site.kept() == {} and site.monitored() == sorted(NAMES.values())


async def test_one_broken_job_does_not_stop_the_others(site):
    (site.config.spool / "0.job").write_text("noise")
    site.record()
    site.leave_job()
    await site.collect()
    await everything_is_kept_once(site)


async def test_a_job_that_cannot_be_changed_does_not_stop_the_others(site, monkeypatch):
    (site.config.spool / "0.job").write_text("noise")
    site.record()
    site.leave_job()

    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(recordings_module.Spool, "reject", refuse)
    await site.collect()
    await everything_is_kept_once(site)


async def test_a_spool_that_cannot_be_used_says_so(site):
    os.rmdir(site.config.spool)
    site.config.spool.write_text("")
    with pytest.raises(StorageError, match="cannot use the spool"):
        await site.collect()


async def test_two_agents_do_not_get_into_each_others_way(site):
    site.record()
    site.leave_job()
    other = recordings_module.Spool(site.config.spool).lock()
    await site.collect()
    assert site.job() is not None and site.kept() == {}
    os.close(other)
    await site.collect()
    await everything_is_kept_once(site)


async def test_there_is_one_row_a_track(site):
    for _ in range(2):
        site.record()
        site.leave_job()
        await site.collect()
    async with site.database.session("count", read_only=True) as session:
        assert await session.scalar(text("SELECT count(*) FROM recordings")) == 3
