"""What a sender is handed; how it sends is tests/jobs/test_deliveries.py."""

from dataclasses import replace
from datetime import timedelta

import pytest

from agent.calls.event import EventType
from agent.storage.outbox import DeliveryState, Head, Outbox, Tried, untold
from tests.jobs.webhooks import (
    NOON,
    OLD_SECRET,
    SECRET,
    add_webhook,
    change_webhook,
    rows,
    tell,
)

TAKEN = Tried(DeliveryState.DELIVERED, 1, NOON, 200)


async def test_each_enabled_webhook_has_one_that_is_next(database):
    outbox = Outbox(database)
    for id in ("wh_1", "wh_2", "wh_3"):
        await add_webhook(database, "https://shop.example", id)
    await tell(database, 1, 2)
    await change_webhook(database, "wh_2", enabled=False)
    first, _ = await rows(database)
    await outbox.note("wh_1", first.id, TAKEN)
    next_one = (await rows(database, "wh_3"))[0]
    heads = await outbox.heads()
    assert {head.webhook for head in heads} == {"wh_1", "wh_3"}
    assert Head("wh_3", next_one.id, None) in heads
    assert await outbox.waiting() == 5


async def test_what_webhooks_were_not_told_of_a_call(database):
    outbox = Outbox(database)
    for id in ("wh_1", "wh_2"):
        await add_webhook(database, "https://shop.example", id)
    await tell(database, 1, 2)
    first, second = await rows(database)
    due = NOON + timedelta(minutes=5)
    failed = Tried(DeliveryState.WAITING, 1, NOON, 500, "500 Oh", due)
    await outbox.note("wh_1", first.id, failed)
    await change_webhook(database, "wh_2", enabled=False)
    told = [each for each in await told_of(database) if each.webhook == "wh_1"]
    # The second one waits for the first.
    assert [(each.error, each.next_try) for each in told] == 2 * [("500 Oh", due)]
    await outbox.note("wh_1", first.id, replace(failed, state=DeliveryState.DEAD))
    await outbox.note("wh_1", second.id, TAKEN)
    dead, *others = await told_of(database)
    assert (dead.webhook, dead.given_up, dead.next_try) == ("wh_1", True, None)
    assert {each.error for each in others} == {"the webhook is disabled"}


async def told_of(database):
    async with database.session("look", read_only=True) as session:
        return await untold(session, "")


async def test_they_are_handed_out_in_the_order_of_events(database):
    outbox = Outbox(database)
    await add_webhook(database, "https://shop.example")
    await tell(database, 3, 1, 2)
    endpoint, waiting = await outbox.next("wh_1", 2, NOON)
    assert endpoint.url == "https://shop.example"
    assert [each.event.event.data["number"] for each in waiting] == [3, 1]
    for delivery in waiting:
        assert (delivery.attempts, delivery.next_try) == (0, None)
        await outbox.note("wh_1", delivery.id, TAKEN)
    _, (last,) = await outbox.next("wh_1", 2, NOON)
    assert last.event.event.data["number"] == 2


@pytest.mark.parametrize("minutes", [-1, 1])
async def test_an_old_secret_is_handed_out_until_it_is_over(database, minutes):
    over = NOON + timedelta(minutes=minutes)
    await add_webhook(
        *(database, "https://shop.example"),
        old_secret=OLD_SECRET,
        old_secret_until=over,
    )
    endpoint, _ = await Outbox(database).next("wh_1", 1, NOON)
    assert endpoint.secrets == ((SECRET, OLD_SECRET) if minutes > 0 else (SECRET,))


async def test_what_came_of_a_try_is_noted_once(database):
    """An operator gave it up while it was on its way."""
    outbox = Outbox(database)
    await add_webhook(database, "https://shop.example")
    await tell(database, 1)
    (row,) = await rows(database)
    later = NOON + timedelta(hours=1)
    failed = Tried(DeliveryState.WAITING, 1, NOON, 500, "500", next_try=later)
    assert await outbox.note("wh_1", row.id, failed) is not None
    assert await outbox.heads() == [Head("wh_1", row.id, later)]
    await outbox.note("wh_1", row.id, replace(TAKEN, state=DeliveryState.DEAD))
    await outbox.note("wh_1", row.id, TAKEN)
    (row,) = await rows(database)
    assert (row.state, row.finished_at, row.next_try) == ("dead", NOON, None)


@pytest.mark.parametrize("enabled", [True, False])
async def test_disabled_by_its_receiver_it_is_told_to_others_once(database, enabled):
    outbox = Outbox(database)
    wanted = [EventType.WEBHOOK_DISABLED.value]
    await add_webhook(database, "https://shop.example")
    await add_webhook(database, "https://other.example", "wh_2", events=wanted)
    await tell(database, 1)
    await change_webhook(database, enabled=enabled)
    (row,) = await rows(database)
    gone = Tried(DeliveryState.WAITING, 1, NOON, 410, "410", disable="it said so")
    for _ in range(2):
        assert await outbox.note("wh_1", row.id, gone) is None
    assert len(await rows(database, "wh_2")) == enabled
    assert await outbox.next("wh_1", 1, NOON) == (None, ())


async def test_there_is_no_such_webhook(database):
    assert await Outbox(database).next("wh_9", 1, NOON) == (None, ())
    assert await Outbox(database).note("wh_9", 1, TAKEN) is None


@pytest.mark.parametrize(
    ("ends", "enabled"),
    [
        ([DeliveryState.DEAD], True),
        ([DeliveryState.DEAD, DeliveryState.DELIVERED, DeliveryState.DEAD], True),
        ([DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.DEAD], False),
    ],
)
async def test_where_nobody_is_we_stop_to_call(database, ends, enabled):
    """One event may be more than its receiver can take."""
    outbox = Outbox(database)
    await add_webhook(database, "https://shop.example")
    await tell(database, *range(len(ends)))
    for row, end in zip(await rows(database), ends, strict=True):
        there = await outbox.note("wh_1", row.id, replace(TAKEN, state=end))
    assert (there is not None) is enabled
