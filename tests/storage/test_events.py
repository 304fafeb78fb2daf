import asyncio
import json
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from random import Random

import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from agent.calls.customer import Customer
from agent.calls.event import Event, EventType, KeptEvent, body, numbered
from agent.storage.customers import Customers
from agent.storage.errors import StorageError
from agent.storage.event_stream import (
    EventStream,
    Gap,
    Line,
    Over,
    StreamConfig,
    TooManyListeners,
)
from agent.storage.events import Events, Span, Wanted, emit
from agent.storage.tables import DeliveryRow, EventRow
from agent.storage.webhooks import Draft, Webhooks
from tests import virtual_time

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ALL = Wanted("default")


def event(type=EventType.CALL_ANSWERED, customer="default", call_id="17.5", at=NOON):
    return Event(type, customer, at, {"call": call_id}, call_id)


async def tell(database, *events, now=NOON):
    async with database.session("emit") as session:
        return await emit(session, events, now)


async def webhook(database, *types, customer="default", enabled=True):
    draft = Draft("https://example.com/", types, enabled=enabled)
    kept, _ = await Webhooks(database).create(customer, draft, who="me", now=NOON)
    return kept.id


async def deliveries(database):
    """(webhook, number of the event), as they will be sent."""
    async with database.session("look", read_only=True) as session:
        rows = await session.scalars(select(DeliveryRow).order_by(DeliveryRow.id))
        return [(row.webhook, row.event) for row in rows]


async def other_customer(database):
    await Customers(database).add(Customer("acme", "Acme", NOON), "me")


@pytest.mark.parametrize(
    ("at", "timestamp"),
    [
        (NOON, "2026-11-21T12:00:00Z"),
        (NOON.replace(microsecond=5000), "2026-11-21T12:00:00.005000Z"),
        (
            NOON.astimezone(timezone(timedelta(hours=2))),
            "2026-11-21T12:00:00Z",
        ),
    ],
)
def test_what_is_told(at, timestamp):
    kept = KeptEvent(17, "evt_1", event(at=at))
    told = {
        "type": "call_answered",
        "timestamp": timestamp,
        "data": {"call": "17.5"},
    }
    assert body(kept) == told
    assert numbered(kept) == {"id": "evt_1", "number": 17, **told}


async def test_events_are_kept_and_told_in_their_order(database):
    first, second = await webhook(database), await webhook(database)
    calls = [f"17.{number}" for number in range(1200)]
    numbers = await tell(database, *(event(call_id=call) for call in calls))
    kept = await Events(database).after(0, 2000)
    assert [each.event.call_id for each in kept] == calls
    assert [each.number for each in kept] == sorted(numbers) == list(numbers)
    assert len({each.id for each in kept}) == len(calls)
    told = await deliveries(database)
    for each in (first, second):
        assert [number for to, number in told if to == each] == list(numbers)


async def test_a_hundred_events_are_a_few_statements(database):
    for _ in range(3):
        await webhook(database)
    statements = []
    async with database.session("emit") as session:
        engine = session.get_bind()
        sqlalchemy.event.listen(
            engine, "before_cursor_execute", lambda *it: statements.append(it[2])
        )
        await emit(session, [event() for _ in range(100)], NOON)
    assert len(await deliveries(database)) == 300
    inserts = [each for each in statements if "INSERT" in each]
    assert 2 <= len(inserts) <= 4


async def test_a_webhook_is_told_of_what_it_wants(database):
    await other_customer(database)
    everything = await webhook(database)
    hangups = await webhook(database, "call_hungup", "ai_changed")
    await webhook(database, enabled=False)
    theirs = await webhook(database, customer="acme")
    answered, hungup, foreign = await tell(
        database, event(), event(EventType.CALL_HUNGUP), event(customer="acme")
    )
    told = await deliveries(database)
    assert sorted(told) == sorted(
        [
            (everything, answered),
            (everything, hungup),
            (hangups, hungup),
            (theirs, foreign),
        ]
    )
    assert told.index((everything, answered)) < told.index((everything, hungup))


async def test_an_event_for_one_webhook_alone(database):
    await webhook(database)
    one = await webhook(database, "call_hungup")
    async with database.session("emit") as session:
        (number,) = await emit(session, [event(EventType.WEBHOOK_TEST)], NOON, only=one)
    assert await deliveries(database) == [(one, number)]


async def test_nothing_is_told_of_what_was_not_done(database):
    await webhook(database)
    with pytest.raises(StorageError):
        async with database.session("fail") as session:
            await emit(session, [event()], NOON)
            raise StorageError
    assert await Events(database).after(0, 10) == ()
    assert await deliveries(database) == []
    assert await Events(database).span() == Span(0, 0)


async def test_words_that_are_no_text_can_be_told(database):
    odd = Event(
        EventType.TOOL_CALLED, "default", NOON, {"a": ["x\0", {"b\ud800": "\udfff"}]}
    )
    await tell(database, odd)
    (kept,) = await Events(database).after(0, 10)
    assert kept.event.data == {"a": ["x\ufffd", {"b\ufffd": "\ufffd"}]}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted("default"), [0, 1, 2]),
        (Wanted("acme"), [3]),
        (Wanted("nobody"), []),
        (Wanted("default", frozenset({EventType.CALL_HUNGUP})), [1]),
        (Wanted("default", call_id="17.6"), [2]),
        (Wanted("default", frozenset({EventType.CALL_HUNGUP}), "17.6"), []),
        (None, [0, 1, 2, 3]),
    ],
)
async def test_a_page_of_what_is_wanted(database, wanted, found):
    told = [
        event(),
        event(EventType.CALL_HUNGUP),
        event(call_id="17.6"),
        event(customer="acme"),
    ]
    numbers = await tell(database, *told)
    read = await Events(database).after(0, 10, wanted)
    assert [each.number for each in read] == [numbers[index] for index in found]
    if wanted is not None:
        assert [each in wanted for each in told] == [
            index in found for index in range(4)
        ]


async def test_pages_from_a_number_on(database):
    numbers = await tell(database, *(event() for _ in range(5)))
    events = Events(database)
    page = await events.after(numbers[0], 2)
    assert [each.number for each in page] == list(numbers[1:3])
    page = await events.after(numbers[0], 9, until=numbers[2])
    assert [each.number for each in page] == list(numbers[1:3])
    assert await events.span() == Span(numbers[0], numbers[-1])


async def test_a_type_of_a_newer_version_is_passed_over(database):
    first, second = await tell(database, event(), event())
    async with database.session("a newer version") as session:
        await session.execute(
            update(EventRow).where(EventRow.number == first).values(type="call_dreamt")
        )
    (left,) = await Events(database).after(0, 10)
    assert left.number == second


async def test_old_events_go_from_the_oldest_on_and_never_the_newest(database):
    await webhook(database)
    ages = [40, 35, 20, 33, 31]
    numbers = await tell(
        database, *(event(at=NOON - timedelta(days=age)) for age in ages)
    )
    events = Events(database)
    assert await events.forget(NOON - timedelta(days=30)) == 2
    assert await events.forget(NOON - timedelta(days=30)) == 0
    assert await events.span() == Span(numbers[2], numbers[-1])
    assert [number for _, number in await deliveries(database)] == list(numbers[2:])
    assert await events.forget(NOON) == 2
    assert await events.span() == Span(numbers[-1], numbers[-1])


async def test_numbers_rise_in_the_order_of_commits(database):
    """Ten who write at once, and one who reads on from the last number that he saw."""
    seen, writing = [], 10

    async def write():
        nonlocal writing
        for _ in range(10):
            async with database.session("emit") as session:
                await emit(session, [event(), event()], NOON)
                await asyncio.sleep(0.001)
        writing -= 1

    async def read():
        while True:
            over = not writing
            number = seen[-1] if seen else 0
            page = await Events(database).after(number, 1000)
            seen.extend(each.number for each in page)
            if over and not page:
                return

    await asyncio.gather(read(), *(write() for _ in range(10)))
    assert len(seen) == 200


# The stream


class Kept:
    """Events, with a database whose answers take their time and sometimes fail."""

    def __init__(self, random=None, failing=0.0):
        self.kept, self.oldest, self.looks = [], 1, 0
        self.away = False
        self._random, self._failing = random, failing

    def add(self, count=1, **options):
        for _ in range(count):
            number = len(self.kept) + 1
            self.kept.append(KeptEvent(number, f"evt_{number}", event(**options)))

    async def after(self, number, limit, wanted=None, *, until=None):
        await self._wait()
        self.looks += 1
        found = [
            each
            for each in self.kept[number:]
            if each.number >= self.oldest
            and (wanted is None or each.event in wanted)
            and (until is None or each.number <= until)
        ]
        await self._wait()
        return tuple(found[:limit])

    async def span(self):
        await self._wait()
        span = Span(self.oldest if self.kept else 0, len(self.kept))
        await self._wait()
        return span

    async def _wait(self):
        if self.away:
            raise StorageError("away")
        if self._random is not None:
            if self._random.random() < self._failing:
                raise StorageError("away for a moment")
            await asyncio.sleep(self._random.choice([0, 0, 0.01, 0.3]))


def in_virtual_time(test):
    def run():
        virtual_time.run(test())

    run.__name__ = test.__name__
    return run


class Running:
    def __init__(self, kept, **config):
        self.stream = EventStream(kept, StreamConfig(**config))

    async def __aenter__(self):
        self._task = asyncio.create_task(self.stream.run())
        return self.stream

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def numbers_of(told):
    return [each.number for each in told]


@settings(max_examples=300)
@given(st.integers(0, 2**32))
def test_no_event_twice_and_none_never(seed):
    """Whatever is committed and asked for meanwhile, and however often the database is
    away: each listener gets all that it wants after its number, in order."""
    random = Random(seed)

    async def listen(stream, kept, over):
        await asyncio.sleep(random.random() * 4)
        customer = random.choice(["default", "acme"])
        wanted = Wanted(customer)
        after = random.choice([None, 0, random.randint(0, len(kept.kept))])
        while True:
            try:
                listener = await stream.listen(wanted, after)
                break
            except StorageError:
                await asyncio.sleep(0.1)
        start = listener.began_at if after is None else after
        got = []
        until = random.choice([None, 1.0])
        since = asyncio.get_running_loop().time()
        while not over.is_set() or len(got) < len(
            [e for e in kept.kept if e.number > start and e.event in wanted]
        ):
            got += await listener.next(random.choice([0.001, 0.2, 15]))
            await asyncio.sleep(random.choice([0, 0, 0.05, 0.7]))
            if until and asyncio.get_running_loop().time() - since > until:
                break
        listener.close()
        expected = [
            each.number
            for each in kept.kept
            if each.number > start and each.event in wanted
        ]
        if until:
            assert numbers_of(got) == expected[: len(got)]
        else:
            assert numbers_of(got) == expected

    async def write(stream, kept, over):
        for _ in range(random.randint(0, 40)):
            kept.add(random.randint(1, 4), customer=random.choice(["default", "acme"]))
            if random.random() < 0.7:
                stream.kick()
            await asyncio.sleep(random.choice([0, 0.001, 0.1, 0.5]))
        over.set()

    async def main():
        kept = Kept(random, failing=random.choice([0, 0.2]))
        kept.add(random.randint(0, 20))
        over = asyncio.Event()
        async with Running(kept, at_once=3) as stream:
            async with asyncio.timeout(3600):
                await asyncio.gather(
                    write(stream, kept, over),
                    *(listen(stream, kept, over) for _ in range(5)),
                )
            assert len(stream) == 0

    virtual_time.run(main())


@in_virtual_time
async def test_each_new_event_is_read_once_for_all():
    kept = Kept()
    async with Running(kept) as stream:
        listeners = [await stream.listen(ALL) for _ in range(10)]
        await asyncio.sleep(0.5)
        looks = kept.looks
        kept.add()
        stream.kick()
        told = [await listener.next(0.1) for listener in listeners]
        assert kept.looks == looks + 1
        assert all(each == told[0] and len(each) == 1 for each in told)
        assert json.loads(told[0][0].text) == numbered(kept.kept[0])


@in_virtual_time
async def test_nobody_listens_and_nothing_is_read():
    kept = Kept()
    async with Running(kept) as stream:
        kept.add(3)
        stream.kick()
        listener = await stream.listen(ALL)
        await listener.next(0)
        listener.close()
        listener.close()
        stream.kick()
        await asyncio.sleep(1.5)
        looks = kept.looks
        await asyncio.sleep(60)
        assert kept.looks == looks


@in_virtual_time
async def test_what_another_process_commits_is_seen_within_a_second():
    kept = Kept()
    async with Running(kept) as stream:
        listener = await stream.listen(ALL)
        await asyncio.sleep(10)
        kept.add()
        assert numbers_of(await listener.next(1.01)) == [1]


@in_virtual_time
async def test_it_catches_up_when_the_database_is_back():
    kept = Kept()
    kept.add(5)
    async with Running(kept, at_once=2) as stream:
        live, behind = await stream.listen(ALL), await stream.listen(ALL, 0)
        kept.away = True
        kept.add(3)
        stream.kick()
        assert await live.next(15) == await behind.next(15) == ()
        with pytest.raises(StorageError):
            await stream.listen(ALL, 0)
        kept.away = False
        got, got_behind = [], []
        for _ in range(10):
            got += await live.next(2)
            got_behind += await behind.next(2)
        assert numbers_of(got) == [6, 7, 8]
        assert numbers_of(got_behind) == list(range(1, 9))
        assert len(stream) == 2


@in_virtual_time
async def test_who_falls_behind_is_told_so_and_loses_nothing():
    kept = Kept()
    async with Running(kept, behind=5) as stream:
        slow = await stream.listen(ALL)
        kept.add(1)
        stream.kick()
        await asyncio.sleep(0.1)
        (last,) = await slow.next(1)
        for _ in range(6):
            kept.add(1)
            stream.kick()
            await asyncio.sleep(0.1)
        assert slow.over is Over.BEHIND
        assert await slow.next(1) == ()
        slow.close()
        assert slow.over is Over.BEHIND
        again = await stream.listen(ALL, last.number)
        assert numbers_of(await again.next(1)) == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (0, [Gap(0, 2), 3, 4, 5]),
        (1, [Gap(1, 2), 3, 4, 5]),
        (2, [3, 4, 5]),
        (4, [5]),
        (5, []),
        (9, [Gap(9, 5)]),
    ],
)
def test_a_gap_is_said(after, told):
    async def main():
        kept = Kept()
        kept.add(5)
        kept.oldest = 3
        async with Running(kept) as stream:
            listener = await stream.listen(ALL, after)
            got = []
            for _ in range(3):
                got += await listener.next(1)
            assert [
                each if isinstance(each, Gap) else each.number for each in got
            ] == told

    virtual_time.run(main())


@in_virtual_time
async def test_events_that_go_while_a_slow_client_reads_are_a_gap():
    kept = Kept()
    kept.add(9)
    async with Running(kept, at_once=2) as stream:
        listener = await stream.listen(ALL, 0)
        assert numbers_of(await listener.next(1)) == [1, 2]
        kept.oldest = 6
        assert await listener.next(1) == (Gap(2, 5),)
        assert numbers_of(await listener.next(1)) == [6, 7]


@in_virtual_time
async def test_so_many_listeners_of_a_customer_and_no_more():
    kept = Kept()
    async with Running(kept, most=2) as stream:
        first = await stream.listen(ALL)
        await stream.listen(ALL, 0)
        with pytest.raises(TooManyListeners):
            await stream.listen(ALL)
        await stream.listen(Wanted("acme"))
        first.close()
        await stream.listen(ALL)
        kept.away = True
        with pytest.raises(TooManyListeners):
            await stream.listen(ALL)
        with pytest.raises(StorageError):
            await stream.listen(Wanted("third"), 0)
        assert len(stream) == 3


@in_virtual_time
async def test_all_streams_end_when_the_agent_stops():
    kept = Kept()
    kept.add(9)
    async with Running(kept, at_once=2) as stream:
        live, behind = await stream.listen(ALL), await stream.listen(ALL, 0)
        waiting = asyncio.create_task(live.next(15))
        await asyncio.sleep(0.1)
        stream.close()
        assert await waiting == () == await behind.next(15)
        assert live.over is behind.over is Over.STOPPING
        late = await stream.listen(ALL)
        assert late.over is Over.STOPPING


async def test_a_stream_over_a_real_database(database):
    """Writers, and listeners who come when they like."""
    events = Events(database)
    got = Counter()
    async with Running(events, at_once=7, poll=0.05) as stream:
        writing = 4

        async def write():
            nonlocal writing
            for _ in range(10):
                await tell(database, event(), event())
                stream.kick()
            writing -= 1

        async def listen(turn):
            await asyncio.sleep(turn * 0.02)
            listener = await stream.listen(ALL, 0)
            mine = []
            while writing or len(mine) < 80:
                mine += await listener.next(0.05)
            listener.close()
            assert all(isinstance(each, Line) for each in mine)
            assert numbers_of(mine) == sorted(set(numbers_of(mine)))
            got[len(mine)] += 1

        async with asyncio.timeout(60):
            await asyncio.gather(
                *(write() for _ in range(4)), *(listen(turn) for turn in range(6))
            )
    assert got == {80: 6}
