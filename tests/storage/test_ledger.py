from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agent.calls.record import Recording, RecordingState, Track
from agent.storage.ledger import DatabaseLedger
from agent.storage.tables import RecordingRow

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
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
    return DatabaseLedger(database)


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
