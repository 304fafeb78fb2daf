import asyncio
import json
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from agent.calls.customer import DEFAULT
from agent.calls.event import Event, EventType
from agent.calls.record import RecordingState, Track
from agent.storage.audit import Act, deeds
from agent.storage.calls import Calls
from agent.storage.config import RecordingsConfig
from agent.storage.errors import StorageError
from agent.storage.events import emit
from agent.storage.ledger import DatabaseLedger
from agent.storage.leftovers import Leftovers
from agent.storage.recordings import Recordings
from agent.storage.rejected import Rejected
from agent.storage.retention import CallIsUp, Retention, UnknownCall, is_erased
from agent.storage.shelves import Shelves
from agent.storage.stores import StoreError
from agent.storage.tables import (
    CallRow,
    EventRow,
    Table,
    TurnRow,
)
from tests import virtual_time

from .kept import CANARY, NOON, days, keep_call, keep_recording
from .postgres import ONLY_SQLITE
from .sound import wav

LATER = NOON + timedelta(minutes=5)


class Site:
    """A database, a folder, and a store that may be away."""

    def __init__(self, database, folder):
        self.database, self.folder = database, folder
        self.away, self.discarded = False, []

    def holding(self, store):
        if self.away:
            raise StoreError("the store is away")
        return Shelves(self.folder, None).holding(store)

    def retention(self, days=0.0):
        return Retention(self.database, self, days, self.discarded.append)

    async def erase(self, call_id="17.5", now=NOON):
        retention = self.retention()
        await retention.condemn(call_id, who="me", why="he asked", now=now)
        return await retention.finish(call_id, now)

    async def sweep(self, now=LATER, days=0.0):
        await self.retention(days).sweep(now)

    async def states(self, call_id="17.5"):
        record = await Calls(self.database).get(call_id)
        return {each.track: each.state for each in record.recordings}

    async def events(self, call_id="17.5"):
        """Their data, by type."""
        async with self.database.session("look", read_only=True) as session:
            rows = await session.scalars(
                select(EventRow)
                .where(EventRow.call_id == call_id)
                .order_by(EventRow.number)
            )
            return {EventType(row.type): row.data for row in rows}

    async def said(self):
        """All that is in the database."""
        async with self.database.session("look", read_only=True) as session:
            tables = [
                (await session.execute(select(table))).all()
                for table in Table.metadata.sorted_tables
            ]
            return str(tables)

    def files(self):
        return [path for path in self.folder.rglob("*") if path.is_file()]


@pytest.fixture
def site(tmp_path, database):
    folder = tmp_path / "recordings"
    folder.mkdir()
    return Site(database, folder)


WEBHOOK = dict(
    id="wh_1",
    customer=DEFAULT,
    url="https://example.org",
    events=[],
    label="",
    secret="",
    old_secret="",
    enabled=True,
    disabled_because="",
    revision=1,
    created_at=NOON,
    updated_at=NOON,
)
ALL_ERASED = dict.fromkeys(Track, RecordingState.ERASED)
ALL_EXPIRED = dict.fromkeys(Track, RecordingState.EXPIRED)
ALL_STORED = dict.fromkeys(Track, RecordingState.STORED)


async def test_sound_and_words_are_erased_together(site, tmp_path):
    await keep_call(site.database)
    await keep_recording(site.database, site.folder, peaks=b"wave")
    erased = await site.erase()
    assert (erased.state, erased.who, erased.why) == ("erased", "me", "he asked")
    assert erased.at == erased.finished_at == NOON
    assert site.files() == []
    assert await site.states() == ALL_ERASED
    assert site.discarded == ["17.5"]
    record = await Calls(site.database).get("17.5")
    assert record.turns == () and record.variables == {}
    assert [(use.name, use.arguments, use.result) for use in record.tool_uses] == [
        ("pay", "", "")
    ]
    assert record.troubles[0].detail == ""
    # That there was a call, and what it came to, stays.
    assert record.call.caller == "+15551230000" and record.end is not None
    async with site.database.session("look") as session:
        assert await is_erased(session, "17.5")
        assert not await is_erased(session, "17.6")
    said = await site.said()
    assert CANARY not in said and "he asked" in said
    for file in tmp_path.glob("offhook.db*"):
        assert CANARY.encode() not in file.read_bytes()


async def test_what_is_left_of_its_events(site):
    await keep_call(site.database)
    await keep_call(site.database, "17.6")
    before = await site.events()
    assert CANARY in str(before[EventType.CALL_TRANSCRIBING])
    await site.erase()
    after = await site.events()
    call = before[EventType.CALL_TRANSCRIBING]["call"]
    assert call["id"] == "17.5"
    assert after[EventType.CALL_TRANSCRIBING] == dict(erased=True, call=call, turn=1)
    assert after[EventType.TOOL_CALLED] == dict(erased=True, call=call, tool_use=1)
    assert after[EventType.CALL_TROUBLED] == dict(erased=True, call=call, trouble=1)
    for type in (EventType.CALL_CREATED, EventType.CALL_RINGING, EventType.CALL_HUNGUP):
        assert after[type] == before[type]
    assert after.keys() == before.keys()
    assert CANARY in str(await site.events("17.6"))


async def test_variables_in_events_go_too(site):
    await keep_call(site.database)
    said = {"call": {"id": "17.5", "variables": {"card": CANARY}}, "variables": CANARY}
    event = Event(EventType.CALL_HUNGUP, DEFAULT, NOON, said, "17.5")
    async with site.database.session("tell") as session:
        await emit(session, [event], NOON)
    await site.erase()
    assert (await site.events())[EventType.CALL_HUNGUP] == {"call": {"id": "17.5"}}


async def test_what_was_used_stays(site):
    await keep_call(site.database)
    await site.erase()
    assert (await Calls(site.database).get("17.5")).uses != ()


async def test_two_who_ask_at_once_are_told_the_same(site):
    await keep_call(site.database)
    await keep_recording(site.database, site.folder)
    stones = await asyncio.gather(
        *(
            site.retention().condemn("17.5", who=who, why="", now=NOON)
            for who in ("me", "you", "they")
        )
    )
    assert len(set(stones)) == 1
    assert len(await deeds(site.database, "17.5")) == 1


async def test_the_audit_says_whose_call_it_was(site):
    await keep_call(site.database)
    async with site.database.session("give it away") as session:
        await session.execute(update(CallRow).values(customer="acme"))
    await site.erase()
    done = await deeds(site.database, "17.5")
    assert [deed.customer for deed in done] == ["acme", "acme"]


class BusyLog:
    """The database, whose log somebody reads."""

    def __init__(self, database):
        self.database, self.busy, self.asked = database, True, 0

    def __getattr__(self, name):
        return getattr(self.database, name)

    async def empty_log(self):
        self.asked += 1
        return not self.busy and await self.database.empty_log()


async def test_a_log_that_is_read_is_emptied_with_the_next_sweep(site):
    await keep_call(site.database)
    log = BusyLog(site.database)
    retention = Retention(log, site, 0)
    await retention.condemn("17.5", who="me", why="", now=NOON)
    await retention.sweep(LATER)
    log.busy = False
    await retention.sweep(LATER)
    assert log.asked == 3
    await retention.sweep(LATER)
    assert log.asked == 3


@ONLY_SQLITE
async def test_a_log_that_a_killed_agent_left_is_emptied(site, tmp_path):
    await keep_call(site.database)
    async with site.database.session("delete, and die") as session:
        await session.execute(delete(TurnRow))
    assert CANARY.encode() in (tmp_path / "offhook.db-wal").read_bytes()
    await site.sweep()
    assert (tmp_path / "offhook.db-wal").read_bytes() == b""


@pytest.mark.parametrize(
    ("event_days", "age", "kept"),
    [(30, 29.99, True), (30, 30.01, False), (0, 10_000, True), (0.5, 0.6, False)],
)
async def test_old_events_go(site, event_days, age, kept):
    """But for the last, by which a reader sees that he has missed something."""
    await keep_call(site.database)
    assert len(await site.events()) == 6
    retention = Retention(site.database, site, 0, event_days=event_days)
    await retention.sweep(NOON + days(age))
    assert len(await site.events()) == (6 if kept else 1)
    assert (await Calls(site.database).get("17.5")).turns != ()


async def test_it_is_audited_when_asked_for_and_when_done(site):
    await keep_call(site.database)
    await keep_recording(site.database, site.folder)
    site.away = True
    assert (await site.erase()).finished_at is None
    site.away = False
    await site.sweep()
    done = await deeds(site.database, "17.5")
    assert [(each.at, each.act, each.who, each.why) for each in done] == [
        (NOON, Act.ERASE, "me", "he asked"),
        (LATER, Act.ERASED, "me", "he asked"),
    ]


async def test_a_store_that_is_away_is_asked_again(site):
    await keep_call(site.database)
    await keep_recording(site.database, site.folder)
    site.away = True
    erased = await site.erase()
    assert erased.finished_at is None
    assert erased.last_error == "the store is away"
    # The words are gone at once; the sound is not said to be.
    assert (await Calls(site.database).get("17.5")).turns == ()
    assert await site.states() == ALL_STORED and len(site.files()) == 3
    await site.sweep()
    assert len(site.files()) == 3
    site.away = False
    await site.sweep()
    assert site.files() == [] and await site.states() == ALL_ERASED
    tombstone = await site.retention().tombstone("17.5")
    assert (tombstone.finished_at, tombstone.last_error) == (LATER, "")


async def test_killed_between_two_tracks_it_goes_on(site, monkeypatch):
    await keep_call(site.database)
    await keep_recording(site.database, site.folder)
    retention = site.retention()
    mark, times = retention._mark, []

    async def killed(*arguments):
        times.append(arguments)
        if len(times) == 2:
            raise KeyboardInterrupt
        await mark(*arguments)

    monkeypatch.setattr(retention, "_mark", killed)
    await retention.condemn("17.5", who="me", why="", now=NOON)
    with pytest.raises(KeyboardInterrupt):
        await retention.finish("17.5", NOON)
    await site.sweep()
    assert site.files() == [] and await site.states() == ALL_ERASED


async def test_what_comes_back_is_deleted_again(site):
    """An upload that was under way: its row is written behind the tombstone."""
    await keep_call(site.database)
    await site.erase()
    await keep_recording(site.database, site.folder)
    await site.sweep()
    assert site.files() == [] and await site.states() == ALL_ERASED
    assert len(await deeds(site.database, "17.5")) == 2


@pytest.mark.parametrize("state", ["waiting", "failing", "rejected"])
async def test_what_never_came_to_the_store(site, state):
    await keep_call(site.database)
    await keep_recording(site.database, site.folder, state=state)
    site.away = True
    assert (await site.erase()).finished_at == NOON
    assert await site.states() == ALL_ERASED
    assert site.discarded == ["17.5"]


async def test_files_on_the_way_that_cannot_be_deleted(site):
    await keep_call(site.database)

    def fail(call_id):
        raise PermissionError(13, "Permission denied", "/spool")

    retention = Retention(site.database, site, 0, fail)
    await retention.condemn("17.5", who="me", why="", now=NOON)
    erased = await retention.finish("17.5", NOON)
    assert erased.finished_at is None and "Permission denied" in erased.last_error


async def test_erasing_twice_is_erasing_once(site):
    await keep_call(site.database)
    await site.erase()
    again = await site.erase(now=LATER)
    assert again.at == again.finished_at == NOON
    assert len(await deeds(site.database, "17.5")) == 2


async def test_a_recording_of_a_call_that_nobody_here_heard_of(site):
    await keep_recording(site.database, site.folder)
    assert (await site.erase()).finished_at == NOON
    assert site.files() == []


async def test_what_cannot_be_erased(site):
    with pytest.raises(UnknownCall, match=r"there is no call '17\.5'"):
        await site.erase()
    await keep_call(site.database, ended_at=None)
    with pytest.raises(CallIsUp, match=r"call '17\.5' is not over"):
        await site.erase()
    assert (await Calls(site.database).get("17.5")).turns != ()
    assert await site.retention().tombstone("17.5") is None


@pytest.mark.parametrize(
    ("retention_days", "age", "kept"),
    [(30, 29.99, True), (30, 30.01, False), (0, 10_000, True), (0.5, 0.6, False)],
)
async def test_what_is_too_old_goes(site, retention_days, age, kept):
    await keep_call(site.database)
    await keep_recording(site.database, site.folder)
    await site.sweep(NOON + days(age), retention_days)
    assert await site.states() == (ALL_STORED if kept else ALL_EXPIRED)
    assert len(site.files()) == (3 if kept else 0)
    assert bool((await Calls(site.database).get("17.5")).turns) is kept
    if not kept:
        tombstone = await site.retention().tombstone("17.5")
        assert tombstone.state is RecordingState.EXPIRED
        assert tombstone.why == f"older than {retention_days:g} days"
        assert tombstone.finished_at == NOON + days(age)


async def test_age_counts_from_the_end_of_the_call(site):
    await keep_call(site.database, ended_at=NOON + days(2))
    await keep_recording(site.database, site.folder)
    await site.sweep(NOON + days(31), 30)
    assert await site.states() == ALL_STORED


def put_aside(folder, call_id, at):
    """What of a second call of that id was rejected."""
    folder.mkdir(exist_ok=True)
    fact = {"call_id": call_id, "turn": {"text": CANARY}}
    line = {"at": at.isoformat(), "kind": "TurnTaken", "reason": "x", "fact": fact}
    rejected = Rejected(folder)
    rejected.add([line])
    return rejected, folder / "rejected.jsonl"


@pytest.mark.parametrize(
    ("retention_days", "age", "kept"), [(30, 31, False), (30, 29, True), (0, 99, True)]
)
async def test_rejected_facts_get_as_old_as_words(
    site, tmp_path, retention_days, age, kept
):
    """Even those of an id that came again, whose first call is older."""
    await keep_call(site.database, "17.5", ended_at=NOON - days(90))
    rejected, path = put_aside(tmp_path / "j", "17.5", NOON - days(age))
    await Retention(site.database, site, retention_days, rejected=rejected).sweep(NOON)
    assert (path.exists() and CANARY in path.read_text()) == kept


async def test_rejected_facts_of_a_call_are_erased_with_it(site, tmp_path):
    await keep_call(site.database, "17.5")
    rejected, path = put_aside(tmp_path / "j", "17.5", NOON)
    rejected, _ = put_aside(tmp_path / "j", "17.6", NOON)
    retention = Retention(site.database, site, 0, rejected=rejected)
    await retention.condemn("17.5", who="me", why="he asked", now=NOON)
    assert (await retention.finish("17.5", NOON)).finished_at == NOON
    ours, others = path.read_text().splitlines()
    assert CANARY not in ours and CANARY in others


async def test_rejected_facts_that_cannot_be_erased(site, tmp_path):
    await keep_call(site.database, "17.5")
    rejected, path = put_aside(tmp_path / "j", "17.5", NOON)
    (tmp_path / "j" / "rejected.lock").unlink()
    (tmp_path / "j" / "rejected.lock").mkdir()
    retention = Retention(site.database, site, 30, rejected=rejected)
    await retention.condemn("17.5", who="me", why="he asked", now=NOON)
    told = await retention.finish("17.5", NOON)
    assert told.finished_at is None and "rejected.lock" in told.last_error
    await retention.sweep(NOON + days(31))  # and tells, and goes on
    (tmp_path / "j" / "rejected.lock").rmdir()
    await retention.sweep(NOON + days(31))
    assert not path.exists()
    assert (await retention.tombstone("17.5")).finished_at == NOON + days(31)


async def test_calls_that_are_up_are_never_too_old(site):
    await keep_call(site.database, ended_at=None)
    await keep_recording(site.database, site.folder)
    await site.sweep(NOON + days(1000), 30)
    assert await site.states() == ALL_STORED


async def test_old_recordings_without_a_call_go_too(site):
    await keep_recording(site.database, site.folder)
    await site.sweep(NOON + days(29), 30)
    assert len(site.files()) == 3
    await site.sweep(NOON + days(31), 30)
    assert site.files() == []


async def test_more_than_are_looked_at_in_one_go(site, monkeypatch):
    monkeypatch.setattr("agent.storage.retention._AT_ONCE", 2)
    for number in range(5):
        await keep_call(site.database, f"call-{number}")
    site.away = True
    await site.sweep(NOON + days(31), 30)
    stones = [await site.retention().tombstone(f"call-{n}") for n in range(5)]
    assert all(stone is not None for stone in stones)


async def test_a_store_that_is_away_does_not_hold_up_retention(site):
    for number in range(3):
        await keep_call(site.database, f"call-{number}")
        await keep_recording(site.database, site.folder, f"call-{number}")
    site.away = True
    await site.sweep(NOON + days(31), 30)
    assert len(site.files()) == 9
    site.away = False
    await site.sweep(NOON + days(32), 30)
    assert site.files() == []


def test_it_sweeps_on_and_on_also_after_a_failure():
    class Swept(Exception):
        """Enough."""

    class Sweeping(Retention):
        def __init__(self):
            super().__init__(None, None, 30)
            self.times = []

        async def sweep(self, now):
            self.times.append((now, asyncio.get_running_loop().time()))
            if len(self.times) == 2:
                raise StorageError("the database is locked")
            if len(self.times) == 3:
                raise Swept

    retention = Sweeping()
    with pytest.raises(Swept):
        virtual_time.run(retention.run(lambda: NOON))
    assert retention.times == [(NOON, 0), (NOON, 300), (NOON, 600)]


@pytest.mark.parametrize(
    ("retention_days", "state"), [(0, None), (0, "waiting"), (0, "failing"), (30, None)]
)
async def test_a_late_upload_brings_nothing_back(site, tmp_path, state, retention_days):
    """The job, and its files, turn up when everything was deleted."""
    config = RecordingsConfig(
        monitor=tmp_path / "monitor",
        spool=tmp_path / "spool",
        folder=site.folder,
    )
    for folder in (config.monitor, config.spool):
        folder.mkdir()
    leftovers = Leftovers(config.monitor, config.spool)
    await keep_call(site.database)
    if state is not None:
        await keep_recording(site.database, site.folder, state=state)
    retention = Retention(site.database, site, retention_days, leftovers.discard)
    now = NOON + days(31)
    if not retention_days:
        await retention.condemn("17.5", who="me", why="", now=now)
    await retention.sweep(now)
    for suffix in (".wav", "-user.wav", "-assistant.wav"):
        (config.monitor / f"17.5{suffix}").write_bytes(wav(2))
    job = {"recording": "17.5", "call": "17.5", "closed_at": NOON.isoformat()}
    (config.spool / "17.5.job").write_text(json.dumps(job))
    await Recordings(config, DatabaseLedger(site.database)).collect(now)
    await retention.sweep(now)
    await Recordings(config, DatabaseLedger(site.database)).collect(now)
    left = [path for path in tmp_path.rglob("*.wav*") if path.is_file()]
    assert left == []
    gone = {RecordingState.ERASED, RecordingState.EXPIRED}
    assert set((await site.states()).values()) <= gone
