import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from agent.calls.ai import AI
from agent.calls.usage import Meter
from agent.storage import budgets as module
from agent.storage.budgets import Budgets
from agent.storage.errors import StorageError
from agent.storage.tables import EventRow

from .test_usage import keep

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
DESK = AI("desk", "You answer.", budget_per_day=10.0)
SPENT_NINE = (Meter.TTS_CHARACTERS, "elevenlabs.x", 1.0, 9.0)
SPENT_TEN = (Meter.TTS_CHARACTERS, "elevenlabs.x", 1.0, 10.0)
UNPRICED = (Meter.TTS_CHARACTERS, "own.x", 1.0, None)


@pytest.fixture
def budgets(database) -> Budgets:
    return Budgets(database, "EUR")


async def told(database):
    """Events, as customer, AI and day."""
    async with database.session("read events") as session:
        rows = await session.scalars(select(EventRow).order_by(EventRow.number))
        return [
            (row.type, row.customer, row.data["ai"], row.data["day"]) for row in rows
        ]


@pytest.mark.parametrize(
    ("ai", "costs", "spent"),
    [
        (DESK, [], False),
        (DESK, [9.99], False),
        (DESK, [4.0, 6.0], True),
        (DESK, [25.0], True),
        (DESK, [None, 0.0], False),
        (replace(DESK, budget_per_day=0.0), [1e9], False),
    ],
)
def test_spent_is_what_the_calls_of_a_day_cost(budgets, ai, costs, spent):
    for cost in costs:
        budgets.add("default", ai, NOON, cost)
    assert budgets.spent("default", ai, NOON) is spent


def test_each_ai_and_each_customer_has_its_own(budgets):
    budgets.add("default", DESK, NOON, 10.0)
    assert budgets.spent("default", DESK, NOON)
    assert not budgets.spent("acme", DESK, NOON)
    assert not budgets.spent("default", replace(DESK, name="night"), NOON)


def test_a_budget_that_is_raised_lets_calls_through_again(budgets):
    budgets.add("default", DESK, NOON, 10.0)
    assert not budgets.spent("default", replace(DESK, budget_per_day=11.0), NOON)


def test_the_next_day_begins_at_midnight_in_utc(budgets):
    budgets.add("default", DESK, NOON, 10.0)
    assert budgets.spent("default", DESK, MIDNIGHT - timedelta(microseconds=1))
    assert not budgets.spent("default", DESK, MIDNIGHT)


def test_elsewhere_it_is_still_the_same_day(budgets):
    budgets.add("default", DESK, NOON, 10.0)
    tokyo = ZoneInfo("Asia/Tokyo")
    assert budgets.spent("default", DESK, datetime(2026, 11, 22, 8, tzinfo=tokyo))
    assert not budgets.spent("default", DESK, datetime(2026, 11, 22, 9, tzinfo=tokyo))


def test_a_call_from_before_midnight_costs_the_new_day_nothing(budgets):
    assert not budgets.spent("default", DESK, MIDNIGHT)
    budgets.add("default", DESK, NOON, 10.0)
    assert not budgets.spent("default", DESK, MIDNIGHT)


async def test_what_was_spent_before_is_known_from_the_database(database, budgets):
    await keep(database, "1", SPENT_TEN)
    await keep(database, "2", SPENT_TEN, ai="night", at=MIDNIGHT)
    await keep(database, "3", UNPRICED, ai="own")
    await budgets.refresh(NOON)
    assert budgets.spent("default", DESK, NOON)
    assert budgets.amount("default", "night") == 0, "that is tomorrow"
    assert budgets.amount("default", "own") == 0
    await budgets.refresh(MIDNIGHT)
    assert budgets.amount("default", "night") == 10
    assert not budgets.spent("default", DESK, MIDNIGHT)


async def test_our_own_that_is_not_in_the_database_yet_is_not_forgotten(
    database, budgets
):
    budgets.add("default", DESK, NOON, 9.5)
    await budgets.refresh(NOON)
    assert budgets.amount("default", "desk") == 9.5
    await keep(database, "1", SPENT_NINE)
    await budgets.refresh(NOON)
    assert budgets.amount("default", "desk") == 9.5, "nor is it counted twice"


async def test_two_processes_spend_together_and_one_of_them_tells(database, budgets):
    other = Budgets(database, "EUR")
    await keep(database, "1", SPENT_NINE)
    for each in (budgets, other):
        await each.refresh(NOON)
        assert not each.spent("default", DESK, NOON)
    await keep(database, "2", SPENT_NINE)
    for each in (budgets, other):
        await each.refresh(NOON)
        assert each.spent("default", DESK, NOON)
    await asyncio.gather(budgets.tell(NOON), other.tell(NOON))
    assert await told(database) == [("budget_spent", "default", "desk", "2026-11-21")]


async def test_it_is_told_once_a_day(database, budgets):
    for now in (NOON, NOON + timedelta(hours=1), MIDNIGHT):
        budgets.add("default", DESK, now, 10.0)
        assert budgets.spent("default", DESK, now)
        await budgets.tell(now)
    days = [day for *_, day in await told(database)]
    assert days == ["2026-11-21", "2026-11-22"]


async def test_a_process_that_starts_again_does_not_tell_again(database, budgets):
    await keep(database, "1", SPENT_TEN)
    for each in (budgets, Budgets(database, "EUR")):
        await each.refresh(NOON)
        assert each.spent("default", DESK, NOON)
        await each.tell(NOON)
    assert len(await told(database)) == 1


class _Away(Exception):
    """Ends a run that would go on for ever."""


async def test_it_goes_on_while_the_database_is_away(database, budgets, monkeypatch):
    monkeypatch.setattr(module, "EVERY", 0.0)
    seen = 0

    def clock() -> datetime:
        nonlocal seen
        seen += 1
        if seen == 3:
            budgets.add("default", DESK, NOON, 10.0)
        if seen == 8:
            raise _Away
        return NOON

    refresh = budgets.refresh

    async def fails_at_first(now: datetime) -> None:
        if seen < 3:
            raise StorageError("away")
        await refresh(now)

    monkeypatch.setattr(budgets, "refresh", fails_at_first)
    with pytest.raises(_Away):
        await budgets.run(clock)
    assert len(await told(database)) == 1
