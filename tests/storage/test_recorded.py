from dataclasses import replace
from datetime import timedelta

import pytest

from agent.calls.facts import CallBegan
from agent.calls.record import RecordingState, Track
from agent.storage.calls import apply
from agent.storage.recorded import Recorded

from .kept import CALL, NOON, keep_recording

LATER = NOON + timedelta(hours=1)


@pytest.fixture
async def recorded(database):
    """Two of ours, one of a call that nobody knows, one of another customer."""
    async with database.session("have calls") as session:
        for call in (CALL, replace(CALL, id="theirs", customer="acme")):
            await apply(session, CallBegan(call), "agent-1", NOON)
    await keep_recording(database, None, tracks=(Track.MIX, Track.USER))
    mix = (Track.MIX,)
    await keep_recording(
        database, None, "unheard-of", mix, created_at=LATER, state="waiting"
    )
    await keep_recording(database, None, "theirs", mix)
    return Recorded(database)


async def found(recorded, **filters):
    page = await recorded.newest(50, **{"customer": "default"} | filters)
    assert page.next is None
    return [(each.call_id, each.track.value) for each in page.recordings]


async def test_each_customer_sees_its_own(recorded):
    assert await found(recorded) == [
        ("unheard-of", "mix"),
        ("17.5", "user"),
        ("17.5", "mix"),
    ]
    assert await found(recorded, customer="acme") == [("theirs", "mix")]
    assert await found(recorded, customer="nobody") == []


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"call_id": "17.5"}, 2),
        ({"call_id": "theirs"}, 0),
        ({"state": RecordingState.STORED}, 2),
        ({"state": RecordingState.WAITING}, 1),
        ({"since": LATER}, 1),
        ({"until": LATER}, 2),
        ({"since": NOON, "until": NOON}, 0),
    ],
)
async def test_those_that_were_asked_for(recorded, filters, count):
    assert len(await found(recorded, **filters)) == count


async def test_page_by_page(recorded):
    seen, before = [], None
    for more in (True, True, False):
        page = await recorded.newest(1, before, customer="default")
        seen += page.recordings
        before = page.next
        assert (before is not None) is more
    assert len({(each.call_id, each.track) for each in seen}) == 3


@pytest.mark.parametrize(
    ("call_id", "owner"),
    [("17.5", "default"), ("theirs", "acme"), ("unheard-of", "default")],
)
async def test_whose_they_are(recorded, call_id, owner):
    assert await recorded.owner(call_id) == owner
