import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import standardwebhooks
from sqlalchemy import select, update

from agent.calls.customer import Customer
from agent.calls.event import Event, EventType
from agent.storage.customers import Customers
from agent.storage.events import Events, emit
from agent.storage.outbox import DeliveryState
from agent.storage.tables import AuditRow, DeliveryRow, WebhookRow
from agent.storage.webhooks import (
    MOST,
    Changes,
    Draft,
    NoDelivery,
    NoWebhook,
    TooManyWebhooks,
    WebhookDisabled,
    Webhooks,
    WrongState,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
DRAFT = Draft("https://example.com/hook", ("call_hungup",), "mine")
ANY = Draft("https://example.com/all")


@pytest.fixture
def webhooks(database):
    return Webhooks(database)


async def create(webhooks, draft=ANY, customer="default"):
    webhook, _ = await webhooks.create(customer, draft, who="me", now=NOON)
    return webhook.id


async def happen(database, count, at=NOON):
    events = [Event(EventType.CALL_HUNGUP, "default", at, {})] * count
    async with database.session("emit") as session:
        return await emit(session, events, at)


async def set_state(database, state, *ids):
    async with database.session("send") as session:
        await session.execute(
            update(DeliveryRow)
            .where(DeliveryRow.id.in_(ids))
            .values(state=state, attempts=3, last_error="500", finished_at=NOON)
        )


async def listed(webhooks, webhook, **options):
    page = await webhooks.deliveries("default", webhook, 200, **options)
    return page.deliveries


async def audit(database):
    async with database.session("look", read_only=True) as session:
        rows = await session.scalars(select(AuditRow).order_by(AuditRow.id))
        return [(row.deed, row.subject, row.why) for row in rows]


async def test_one_is_made_read_and_deleted(webhooks, database):
    made, secret = await webhooks.create("default", DRAFT, who="me", now=NOON)
    assert standardwebhooks.Webhook(secret).sign("msg_1", NOON, "{}").startswith("v1,")
    assert await webhooks.get("default", made.id) == made
    assert (made.draft, made.revision, made.disabled_because) == (DRAFT, 1, "")
    assert await webhooks.all("default") == (made,)
    await webhooks.delete("default", made.id, who="me", now=LATER)
    assert await webhooks.all("default") == ()
    subject = f"webhook/{made.id}"
    assert await audit(database) == [
        ("webhook_changed", subject, "created"),
        ("webhook_deleted", subject, "deleted"),
    ]


async def test_what_is_edited_and_what_stays(webhooks, database):
    webhook = await create(webhooks, DRAFT)
    edited = await webhooks.change(
        "default", webhook, Changes(label="yours"), who="me", now=LATER
    )
    assert edited.draft == Draft(DRAFT.url, DRAFT.events, "yours")
    assert (edited.revision, edited.updated_at) == (2, LATER)
    changes = Changes("http://example.com/", (), "", False)
    edited = await webhooks.change("default", webhook, changes, who="me", now=LATER)
    assert edited.draft == Draft("http://example.com/", (), "", False)


async def test_enabled_again_it_is_forgotten_why_it_was_not(webhooks, database):
    webhook = await create(webhooks)
    async with database.session("disable") as session:
        row = await session.get_one(WebhookRow, webhook)
        row.enabled, row.disabled_because = False, "410 Gone"
    assert (await webhooks.get("default", webhook)).disabled_because == "410 Gone"
    label = Changes(label="x")
    kept = await webhooks.change("default", webhook, label, who="me", now=LATER)
    assert kept.disabled_because == "410 Gone"
    enable = Changes(enabled=True)
    kept = await webhooks.change("default", webhook, enable, who="me", now=LATER)
    assert (kept.draft.enabled, kept.disabled_because) == (True, "")


@pytest.mark.parametrize(
    ("changes", "next_try"),
    [
        (Changes(url="https://example.com/mended"), None),
        (Changes(enabled=True), None),
        (Changes(enabled=False), LATER),
        (Changes(label="x"), LATER),
    ],
)
async def test_what_is_mended_is_tried_at_once(webhooks, database, changes, next_try):
    webhook = await create(webhooks)
    await webhooks.test("default", webhook, who="me", now=NOON)
    async with database.session("fail") as session:
        await session.execute(update(DeliveryRow).values(next_try=LATER))
    await webhooks.change("default", webhook, changes, who="me", now=NOON)
    (delivery,) = await listed(webhooks, webhook)
    assert delivery.next_try == next_try


async def test_who_has_not_seen_it_changes_nothing(webhooks):
    class Changed(Exception):
        pass

    def seen(revision):
        if revision != 7:
            raise Changed

    webhook = await create(webhooks)
    options = {"seen": seen, "who": "me", "now": LATER}
    with pytest.raises(Changed):
        await webhooks.change("default", webhook, Changes(label="x"), **options)
    with pytest.raises(Changed):
        await webhooks.delete("default", webhook, **options)
    assert (await webhooks.get("default", webhook)).draft == ANY


async def test_a_new_secret_and_the_one_before_it(webhooks, database):
    made, first = await webhooks.create("default", ANY, who="me", now=NOON)
    rotated, second = await webhooks.rotate("default", made.id, who="me", now=LATER)
    assert rotated.old_secret_until == LATER + timedelta(hours=24)
    async with database.session("look", read_only=True) as session:
        row = await session.get_one(WebhookRow, made.id)
    assert (row.secret, row.old_secret) == (second, first)
    assert first != second
    assert (await audit(database))[-1][2] == "secret rotated"


async def test_so_many_and_no_more(webhooks, database):
    await Customers(database).add(Customer("acme", "Acme", NOON), "me")
    done = await asyncio.gather(
        *(create(webhooks) for _ in range(MOST + 5)), return_exceptions=True
    )
    refused = [each for each in done if isinstance(each, TooManyWebhooks)]
    assert len(refused) == 5
    assert len(await webhooks.all("default")) == MOST
    await create(webhooks, customer="acme")


@pytest.mark.parametrize("customer", ["default", "acme"])
async def test_what_belongs_to_another_customer_is_not_there(
    webhooks, database, customer
):
    await Customers(database).add(Customer("acme", "Acme", NOON), "me")
    webhook = await create(webhooks)
    await happen(database, 1)
    (delivery,) = await listed(webhooks, webhook)
    other = await create(webhooks)
    if customer == "default":
        webhook = "whk_unknown"
    asked = {"who": "me", "now": LATER}
    for ask in (
        webhooks.get(customer, webhook),
        webhooks.change(customer, webhook, Changes(), **asked),
        webhooks.delete(customer, webhook, **asked),
        webhooks.rotate(customer, webhook, **asked),
        webhooks.test(customer, webhook, **asked),
        webhooks.deliveries(customer, webhook, 10),
        webhooks.redeliver(customer, webhook, delivery.id, LATER),
        webhooks.redeliver_dead(customer, webhook, NOON, LATER),
        webhooks.give_up(customer, webhook, delivery.id, **asked),
    ):
        with pytest.raises(NoWebhook):
            await ask
    assert await webhooks.all("acme") == ()
    for number in (delivery.id, 999):
        with pytest.raises(NoDelivery):
            await webhooks.redeliver("default", other, number, LATER)
        with pytest.raises(NoDelivery):
            await webhooks.give_up("default", other, number, **asked)


async def test_a_test_goes_to_one_webhook_alone(webhooks, database):
    one, other = await create(webhooks, DRAFT), await create(webhooks)
    delivery = await webhooks.test("default", one, who="me", now=LATER)
    assert (delivery.event_type, delivery.state) == ("webhook_test", "waiting")
    assert await listed(webhooks, one) == (delivery,)
    assert await listed(webhooks, other) == ()
    (event,) = await Events(database).after(0, 10)
    assert (event.id, event.event.data["webhook"]) == (delivery.event_id, one)
    off = Changes(enabled=False)
    await webhooks.change("default", one, off, who="me", now=LATER)
    with pytest.raises(WebhookDisabled):
        await webhooks.test("default", one, who="me", now=LATER)


async def test_deliveries_page_by_page_the_newest_first(webhooks, database):
    webhook = await create(webhooks)
    numbers = await happen(database, 5)
    everything = await listed(webhooks, webhook)
    assert [each.event_number for each in everything] == list(reversed(numbers))
    first = await webhooks.deliveries("default", webhook, 3)
    rest = await webhooks.deliveries("default", webhook, 3, before=first.next)
    assert first.deliveries + rest.deliveries == everything
    assert rest.next is None
    await set_state(database, "dead", everything[1].id)
    dead = await listed(webhooks, webhook, state=DeliveryState.DEAD)
    assert [(each.id, each.last_error) for each in dead] == [(everything[1].id, "500")]


@pytest.mark.parametrize("state", ["delivered", "dead"])
async def test_one_event_once_more(webhooks, database, state):
    webhook = await create(webhooks)
    await happen(database, 2)
    last, first = await listed(webhooks, webhook)
    with pytest.raises(WrongState):
        await webhooks.redeliver("default", webhook, first.id, LATER)
    await set_state(database, state, first.id)
    again = await webhooks.redeliver("default", webhook, first.id, LATER)
    assert again.id > last.id
    assert (again.event_id, again.state, again.attempts) == (
        first.event_id,
        "waiting",
        0,
    )
    with pytest.raises(WrongState):
        await webhooks.redeliver("default", webhook, first.id, LATER)


async def test_all_dead_ones_once_more_in_their_order(webhooks, database):
    webhook, other = await create(webhooks), await create(webhooks)
    early = await happen(database, 2, NOON - timedelta(hours=1))
    numbers = await happen(database, 5)
    ids = {each.event_number: each.id for each in await listed(webhooks, webhook)}
    dead = [early[0], numbers[0], numbers[2], numbers[3]]
    await set_state(database, "dead", *(ids[number] for number in dead))
    await set_state(database, "delivered", ids[numbers[1]])
    assert await webhooks.redeliver_dead("default", webhook, NOON, LATER) == 3
    made = [each for each in await listed(webhooks, webhook) if each.created_at > NOON]
    assert [each.event_number for each in reversed(made)] == [
        numbers[0],
        numbers[2],
        numbers[3],
    ]
    assert {each.state for each in made} == {DeliveryState.WAITING}
    # They wait, and one is delivered: nothing more. One is dead again: it, once.
    assert await webhooks.redeliver_dead("default", webhook, NOON, LATER) == 0
    await set_state(database, "delivered", made[0].id)
    await set_state(database, "dead", made[1].id)
    assert await webhooks.redeliver_dead("default", webhook, NOON, LATER) == 1
    assert len(await listed(webhooks, other)) == 7


async def test_a_poison_event_is_given_up(webhooks, database):
    webhook = await create(webhooks)
    await happen(database, 1)
    (waiting,) = await listed(webhooks, webhook)
    async with database.session("send") as session:
        row = await session.get_one(DeliveryRow, waiting.id)
        row.attempts, row.last_error, row.next_try = 4, "500", LATER
    given_up = await webhooks.give_up(
        "default", webhook, waiting.id, who="key 3", now=LATER
    )
    assert (given_up.state, given_up.next_try, given_up.finished_at) == (
        "dead",
        None,
        LATER,
    )
    assert given_up.last_error == "given up by key 3; before that: 500"
    with pytest.raises(WrongState):
        await webhooks.give_up("default", webhook, waiting.id, who="me", now=LATER)
    assert (await audit(database))[-1][2] == f"delivery {waiting.id} given up"


async def test_with_a_webhook_go_its_deliveries(webhooks, database):
    one, other = await create(webhooks), await create(webhooks)
    await happen(database, 3)
    await webhooks.delete("default", one, who="me", now=LATER)
    async with database.session("look", read_only=True) as session:
        left = await session.scalars(select(DeliveryRow.webhook))
        assert set(left) == {other}
    assert len(await Events(database).after(0, 10)) == 3


async def test_webhooks_come_and_go_while_events_happen(webhooks, database):
    """No event fails because its webhook has just been deleted."""

    async def come_and_go():
        for _ in range(10):
            webhook = await create(webhooks)
            await asyncio.sleep(0)
            await webhooks.delete("default", webhook, who="me", now=LATER)

    async def go_on():
        for _ in range(30):
            await happen(database, 3)

    await asyncio.gather(come_and_go(), come_and_go(), go_on())
    assert len(await Events(database).after(0, 1000)) == 90
