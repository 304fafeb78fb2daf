from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from agent.calls.call import Call, Direction
from agent.calls.facts import CallBegan
from agent.calls.record import Recording, RecordingState, Track
from agent.storage.errors import StorageError
from agent.storage.events import Events
from agent.storage.ledger import DatabaseLedger
from agent.storage.tables import RecordingRow, TombstoneRow
from tests.storage.facts import keep

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=1)
FAILING = Recording(
    call_id="17.5",
    track=Track.USER,
    store="s3://b",
    key="",
    bytes=0,
    seconds=0,
    sha256="",
    created_at=NOON,
    state=RecordingState.FAILING,
    format="opus",
    closed_at=NOON,
    attempts=3,
    last_error="SlowDown",
    next_try=NOON + timedelta(seconds=8),
)
STORED = replace(
    FAILING,
    key="recordings/2026-11-21/17.5/user.opus",
    bytes=9_000_000_000,
    seconds=2.5,
    sha256="a",
    source_sha256="b",
    state=RecordingState.STORED,
    rate=16000,
    samples=40_000,
    stored_at=NOON + timedelta(seconds=9),
    last_error="",
    next_try=None,
)


@pytest.fixture
def ledger(database) -> DatabaseLedger:
    return DatabaseLedger(database, clock=lambda: LATER)


async def test_of_what_nobody_noted_nothing_is_known(ledger):
    assert await ledger.look_up("17.5", Track.USER) is None


async def test_what_was_noted_is_known(ledger):
    for recording in (FAILING, STORED):
        assert await ledger.note(recording)
        assert await ledger.look_up("17.5", Track.USER) == recording
    assert await ledger.look_up("17.5", Track.MIX) is None


async def test_it_stays_known_when_it_was_first_heard_of(ledger):
    await ledger.note(FAILING)
    await ledger.note(replace(STORED, created_at=NOON + timedelta(days=1)))
    found = await ledger.look_up("17.5", Track.USER)
    assert found.created_at == NOON


@pytest.mark.parametrize(
    ("states", "stays"),
    [
        (("waiting", "failing"), "failing"),
        (("failing", "rejected"), "rejected"),
        (("rejected", "stored"), "stored"),
        (("stored", "failing"), "stored"),
        (("stored", "rejected"), "stored"),
    ],
)
async def test_what_is_stored_stays_stored(ledger, states, stays):
    for state in states:
        assert await ledger.note(replace(STORED, state=RecordingState(state)))
    found = await ledger.look_up("17.5", Track.USER)
    assert found.state.value == stays


@pytest.mark.parametrize("state", ["expired", "erased"])
async def test_what_is_gone_does_not_come_back(database, ledger, state):
    await ledger.note(STORED)
    async with database.session("erase") as session:
        row = await session.get(RecordingRow, ("17.5", "user"))
        row.state = state
    assert not await ledger.note(STORED)
    assert not await ledger.note(FAILING)
    assert (await ledger.look_up("17.5", Track.USER)).state.value == state


async def told(database):
    """What is told of recordings."""
    kept = await Events(database).after(0, 99)
    return [each.event for each in kept if each.event.type == "call_recording"]


@pytest.mark.parametrize(
    ("states", "news"),
    [
        ("waiting failing", []),
        ("failing stored stored", ["stored"]),
        ("failing rejected rejected", ["rejected"]),
        ("rejected stored", ["rejected", "stored"]),
        ("stored rejected failing", ["stored"]),
    ],
)
async def test_each_track_is_told_of_once(database, ledger, states, news):
    for state in states.split():
        await ledger.note(replace(STORED, state=RecordingState(state)))
    assert [event.data["state"] for event in await told(database)] == news


async def test_what_is_told_of_a_recording(database, ledger):
    call = Call("17.5", "1", "2", Direction.INBOUND, "desk", NOON, customer="acme")
    await keep(database, CallBegan(call))
    await ledger.note(STORED)
    (event,) = await told(database)
    assert (event.customer, event.call_id, event.at) == ("acme", "17.5", LATER)
    summary = event.data["call"]
    assert (summary["id"], summary["caller"], summary["customer"]) == (
        *("17.5", "1", "acme"),
    )
    assert {name: told for name, told in event.data.items() if name != "call"} == {
        "call_id": "17.5",
        "track": "user",
        "state": "stored",
        "store": "s3://b",
        "key": "recordings/2026-11-21/17.5/user.opus",
        "format": "opus",
        "bytes": 9_000_000_000,
        "seconds": 2.5,
        "sha256": "a",
        "error": "",
    }


async def test_a_call_that_nobody_knows_is_the_default_customers(database, ledger):
    await ledger.note(STORED)
    (event,) = await told(database)
    assert (event.customer, event.data["call"]) == ("default", None)
    assert event.data["call_id"] == "17.5"


async def test_of_an_erased_call_nothing_is_told(database, ledger):
    async with database.session("erase") as session:
        session.add(
            TombstoneRow(
                call_id="17.5",
                state="erased",
                at=NOON,
                who="me",
                why="",
                finished_at=None,
                last_error="",
            )
        )
    assert not await ledger.note(STORED)
    assert await told(database) == []


async def test_what_cannot_be_told_is_not_kept(database, ledger):
    async with database.session("break the events") as session:
        await session.execute(text("ALTER TABLE events RENAME TO elsewhere"))
    with pytest.raises(StorageError):
        await ledger.note(STORED)
    assert await ledger.look_up("17.5", Track.USER) is None
