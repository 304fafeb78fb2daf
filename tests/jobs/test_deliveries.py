"""What receivers see, and what the rows say; by a real engine and real sockets."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, select, update
from standardwebhooks import Webhook

from agent.calls.event import EventType
from agent.storage.database import Database
from agent.storage.errors import StorageError
from agent.storage.tables import DeliveryRow, EventRow, WebhookRow
from tests.fakes.receiver import Receiver, Reply, Rude

from .webhooks import (
    HURRIED,
    OLD_SECRET,
    SECRET,
    add_webhook,
    at_it,
    change_webhook,
    in_states,
    rows,
    sender,
    sending,
    tell,
    until,
)

FAR = replace(HURRIED, schedule=(0, *[3600.0] * 5))
"""The second try is none of this test's."""


async def test_events_come_in_their_order_and_are_signed(database, database_url):
    async with Receiver() as receiver:
        await add_webhook(database, receiver.url())
        await tell(database, *range(5))
        async with sending(database, database_url):
            await in_states(database, *["delivered"] * 5)
            await tell(database, 5, 6)
            await in_states(database, *["delivered"] * 7)
    said = [
        Webhook(SECRET).verify(each.body, dict(each.headers))
        for each in receiver.arrivals
    ]
    assert [each["data"]["number"] for each in said] == [*range(7)]
    async with database.session("look", read_only=True) as session:
        ids = await session.scalars(select(EventRow.id).order_by(EventRow.number))
        assert [each.id for each in receiver.arrivals] == ids.all()
    first = receiver.arrivals[0]
    assert first.path == "/hook"
    assert first.headers["content-type"] == "application/json"
    assert first.headers["user-agent"].startswith("Offhook/")
    for row in await rows(database):
        assert (row.attempts, row.status, row.last_error) == (1, 200, "")
        assert row.finished_at == row.last_try and row.next_try is None


@pytest.mark.parametrize(
    ("failure", "status", "error"),
    [
        (Reply(500, b"out of\norder"), 500, "500 Whatever: out of order"),
        (Reply(404), 404, "404 Whatever:"),
        (
            Reply(302, headers={"location": "http://10.0.0.1/x"}),
            *(302, "302 Whatever to http://10.0.0.1/x:"),
        ),
        (Reply(500, b"x" * 20000), 500, None),
        (Rude.GARBLED, None, None),
        (Rude.RESET, None, None),
        (Rude.FORGETFUL, None, None),
        (Rude.SILENT, None, "no answer within 0.2 s"),
    ],
    ids=str,
)
async def test_what_failed_is_sent_again_the_very_same(small, failure, status, error):
    async with Receiver(lambda arrival: failure) as receiver, sender(small, FAR) as it:
        await add_webhook(small, receiver.url())
        await tell(small, 1, 2)
        assert 2880 < await it.send("wh_1") < 4320
        head, other = await rows(small)
        assert (head.state, head.status) == ("waiting", status)
        assert (head.attempts, other.attempts) == (1, 0)
        assert error is None or head.last_error == error
        assert 0 < len(head.last_error) <= 500
        assert abs((head.next_try - head.last_try).total_seconds() - 3600) <= 720
        receiver.behave = lambda arrival: Reply()
        await _hurry(small)
        assert await it.send("wh_1") == 0
    first, again, other = receiver.arrivals
    assert (first.id, first.body) == (again.id, again.body)
    assert other.id != first.id
    assert {arrival.path for arrival in receiver.arrivals} == {"/hook"}
    Webhook(SECRET).verify(again.body, dict(again.headers))


async def _hurry(database):
    """What an operator's hand does: the next try is due."""
    async with database.session("hurry") as session:
        await session.execute(update(DeliveryRow).values(next_try=None))


async def test_what_is_never_taken_is_dead_and_the_next_one_goes(small):
    def behave(arrival):
        return Reply(500) if b'"number":1}' in arrival.body else Reply()

    async with Receiver(behave) as receiver, sender(small) as it:
        await add_webhook(small, receiver.url())
        await tell(small, 1, 2)
        assert await it.send("wh_1") == 0
        assert await it.send("wh_1") is None
    dead, taken = await rows(small)
    assert (dead.state, taken.state) == ("dead", "delivered")
    assert (dead.attempts, dead.status) == (6, 500)
    assert dead.finished_at is not None and dead.next_try is None
    assert len(receiver.arrivals) == 7


async def test_410_disables_the_webhook_and_says_so(database, database_url):
    async with Receiver(lambda arrival: Reply(410)) as gone, Receiver() as other:
        await add_webhook(database, gone.url())
        await tell(database, 1)
        await add_webhook(
            *(database, other.url(), "wh_2"), events=[EventType.WEBHOOK_DISABLED.value]
        )
        async with sending(database, database_url):
            await in_states(database, "delivered", webhook="wh_2")
            await tell(database, 2)  # nobody wants it now
            async with database.session("look", read_only=True) as session:
                row = await session.get_one(WebhookRow, "wh_1")
                assert not row.enabled and "410" in row.disabled_because
                assert row.revision == 2
            gone.behave = lambda arrival: Reply()
            await change_webhook(database, enabled=True)
            await in_states(database, "delivered")
    (told,) = other.arrivals
    said = Webhook(SECRET).verify(told.body, dict(told.headers))
    assert said["data"]["webhook"] == "wh_1"
    first, again = gone.arrivals
    assert first.id == again.id


async def test_disabled_meanwhile_nothing_more_is_sent(small, small_url):
    disabled = asyncio.Event()

    async def disable():
        await change_webhook(small, enabled=False)
        disabled.set()

    tasks = []

    def behave(arrival):
        tasks.append(asyncio.create_task(disable()))
        return Reply(after=0.1)

    async with Receiver(behave) as receiver, Receiver() as later:
        await add_webhook(small, receiver.url())
        await tell(small, 1, 2, 3)
        async with sending(small, small_url):
            await in_states(small, "delivered", "waiting", "waiting")
            assert disabled.is_set()
            # Enabled again, with another address, it goes on where it was.
            await change_webhook(small, enabled=True, url=later.url())
            await in_states(small, *["delivered"] * 3)
        assert (len(receiver.arrivals), len(later.arrivals)) == (1, 2)


async def test_a_webhook_that_is_deleted_meanwhile(small, small_url):
    async with Receiver(lambda arrival: Reply(500)) as receiver, Receiver() as other:
        await add_webhook(small, receiver.url())
        await tell(small, 1)
        async with sending(small, small_url, FAR):
            await receiver.until(lambda: bool(receiver.arrivals))
            async with small.session("delete") as session:
                await session.execute(delete(WebhookRow))
            await add_webhook(small, other.url(), "wh_2")
            await tell(small, 2)
            await in_states(small, "delivered", webhook="wh_2")
        assert await rows(small) == []


async def test_one_that_is_away_keeps_none_of_the_others_waiting(small, small_url):
    async with Receiver() as receiver:
        for number in range(5):
            url = receiver.url() if number == 4 else "http://127.0.0.1:9"
            await add_webhook(small, url, f"wh_{number}")
        await tell(small, *range(20))
        async with sending(small, small_url, FAR):
            await in_states(small, *["delivered"] * 20, webhook="wh_4")
            assert {row.state for row in await rows(small, "wh_0")} == {"waiting"}


async def test_all_that_waits_goes_out_once_the_first_is_taken(small, small_url):
    """On the schedule of production only the first is tried in the second try."""
    down = True
    async with Receiver(lambda arrival: Reply(500) if down else Reply()) as receiver:
        await add_webhook(small, receiver.url())
        await tell(small, *range(60))
        config = replace(HURRIED, schedule=(0, 0.3, *[3600.0] * 3), nap=0.01, lap=7)
        async with sending(small, small_url, config):
            await receiver.until(lambda: bool(receiver.arrivals))
            down = False
            await in_states(small, *["delivered"] * 60)


@pytest.mark.parametrize(
    ("headers", "minutes"),
    [
        ({}, (3, 7)),
        ({"retry-after": "1"}, (3, 7)),
        ({"retry-after": "1800"}, (30, 30)),
        ({"retry-after": "9" * 9}, (60, 60)),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_a_receiver_may_put_us_off_but_not_for_ever(
    small, status, headers, minutes
):
    least, most = minutes
    config = replace(HURRIED, schedule=(0, 300.0, 300.0))
    putting_off = Receiver(lambda arrival: Reply(status, headers=headers))
    async with putting_off as receiver, sender(small, config) as it:
        await add_webhook(small, receiver.url())
        await tell(small, 1)
        await it.send("wh_1")
    (row,) = await rows(small)
    pause = row.next_try - row.last_try
    assert timedelta(minutes=least) <= pause <= timedelta(minutes=most)


@pytest.mark.parametrize(("hours", "signatures"), [(1, 2), (-1, 1)])
async def test_an_old_secret_signs_as_well_until_it_is_over(small, hours, signatures):
    old = datetime.now(UTC) + timedelta(hours=hours)
    async with Receiver() as receiver, sender(small) as it:
        await add_webhook(
            *(small, receiver.url()), old_secret=OLD_SECRET, old_secret_until=old
        )
        await tell(small, 1)
        await it.send("wh_1")
    (arrival,) = receiver.arrivals
    assert len(arrival.headers["webhook-signature"].split(" ")) == signatures
    Webhook(SECRET).verify(arrival.body, dict(arrival.headers))


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:{port}/", "127.0.0.1 is 127.0.0.1, which is not a public"),
        ("http://shop.example:{port}/", "shop.example is 127.0.0.1, which is not"),
        ("http://[::1:{port}/", "Invalid port"),
        ("ftp://shop.example/", "Request URL has an unsupported protocol 'ftp"),
    ],
)
async def test_an_address_inside_is_never_called(small, url, error):
    async def resolve(host, port):
        return ["127.0.0.1"]

    strict = replace(HURRIED, allow=())
    async with Receiver() as receiver, sender(small, strict, resolve=resolve) as it:
        port = receiver.url().split(":")[2].split("/")[0]
        await add_webhook(small, url.replace("{port}", port))
        await tell(small, 1)
        await it.send("wh_1")
        assert receiver.connections == 0
    (row,) = await rows(small)
    assert (row.state, row.status) == ("dead", None)
    assert row.last_error.startswith(error)


@pytest.mark.parametrize(
    "answer",
    [
        Reply(204),
        Reply(200, b"x" * 100_000),
        Reply(202, headers={"content-length": "10"}),
    ],
    ids=["empty", "long", "cut"],
)
async def test_taken_is_taken_whatever_the_answer_looks_like(small, answer):
    async with Receiver(lambda arrival: answer) as receiver, sender(small) as it:
        await add_webhook(small, receiver.url())
        await tell(small, 1)
        await it.send("wh_1")
    assert [row.state for row in await rows(small)] == ["delivered"]


async def test_one_connection_does_for_many(small):
    async with Receiver() as receiver, sender(small) as it:
        await add_webhook(small, receiver.url())
        await tell(small, *range(9))
        await it.send("wh_1")
        assert (len(receiver.taken), receiver.connections) == (9, 1)


async def test_a_lap_has_an_end(small):
    config = replace(HURRIED, lap=3)
    async with Receiver() as receiver, sender(small, config) as it:
        await add_webhook(small, receiver.url())
        await tell(small, *range(4))
        assert await it.send("wh_1") == 0
        assert len(receiver.taken) == 3
        assert await it.send("wh_1") == 0
        assert await it.send("wh_1") is None


async def test_a_pause_outlives_the_engine(database, database_url):
    """What one process began is carried on by the next: by the same workflow."""
    down = True
    config = replace(HURRIED, schedule=(0, 2.0, 3600.0), nap=0.01)
    async with Receiver(lambda arrival: Reply(500) if down else Reply()) as receiver:
        await add_webhook(database, receiver.url())
        await tell(database, 1, 2)
        async with sender(database, config) as deliveries:
            async with at_it(deliveries, database_url):

                async def tried() -> bool:
                    return (await rows(database))[0].attempts == 1

                await until(tried)
            down = False
            async with at_it(deliveries, database_url):
                await in_states(database, "delivered", "delivered")
        assert [each.id for each in receiver.taken] == [
            each.id for each in receiver.arrivals[1:]
        ]


class Troubled(Database):
    """One that may be away."""

    away = False
    refused = 0

    @asynccontextmanager
    async def session(self, purpose, *, read_only=False):
        if self.away:
            self.refused += "note" in purpose
            raise StorageError(f"could not {purpose}: it is away")
        async with super().session(purpose, read_only=read_only) as session:
            yield session


async def test_a_database_that_is_away_is_waited_for(small, small_url):
    troubled = Troubled(small_url)
    await troubled.open()
    async with Receiver() as receiver:
        await add_webhook(small, receiver.url())

        def behave(arrival):
            troubled.away = len(receiver.arrivals) == 1
            return Reply()

        receiver.behave = behave
        async with sending(troubled, small_url):
            await tell(small, 1, 2)
            await until(lambda: troubled.refused)
            troubled.away = False
            await in_states(small, "delivered", "delivered")
        # What could not be noted was sent again.
        first, again, other = receiver.arrivals
        assert (first.id, first.body) == (again.id, again.body)
    await troubled.close()


async def test_what_is_waiting_is_told_to_prometheus(small, small_url):
    from prometheus_client import REGISTRY

    def waiting():
        return REGISTRY.get_sample_value("offhook_webhook_deliveries_waiting")

    await add_webhook(small, "http://127.0.0.1:9")
    await tell(small, *range(3))
    async with sending(small, small_url, FAR):
        await until(lambda: waiting() == 3)
        await change_webhook(small, enabled=False)
        async with small.session("delete") as session:
            await session.execute(delete(WebhookRow))
        await until(lambda: waiting() == 0)
