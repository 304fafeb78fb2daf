"""What each AI has spent today, in memory: no call waits for the database.

A day is one of UTC, and a call counts to the day on which it began. What this process
spends is known at once, what others spend after some seconds.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from loguru import logger
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from agent.calls.ai import AI
from agent.calls.event import Event, EventType

from .database import Database
from .errors import StorageError
from .events import emit
from .tables import CustomerRow, EventRow, UsageRow

EVERY = 5.0
"""Seconds between two looks at what others have spent."""
_TELLING = 0x0FF400B
"""PostgreSQL's lock of who tells that a budget is spent; SQLite has one writer."""

_Key = tuple[str, str]
"""Customer, and name of the AI."""


@dataclass(frozen=True, slots=True)
class _Crossing:
    customer: str
    ai: AI
    day: date


class Budgets:
    def __init__(self, database: Database, currency: str) -> None:
        self._database = database
        self._currency = currency
        self._day = date.min
        self._spent: dict[_Key, float] = {}
        """On that day."""
        self._crossed: dict[_Key, _Crossing] = {}
        """Budgets that were crossed on it, as far as this process has noticed."""
        self._untold: list[_Crossing] = []
        self._stirred = asyncio.Event()

    def spent(self, customer: str, ai: AI, now: datetime) -> bool:
        """Whether nothing is left for another call."""
        if not ai.budget_per_day:
            return False
        self._turn_to(_day(now))
        if self.amount(customer, ai.name) < ai.budget_per_day:
            return False
        self._note_crossing(customer, ai)
        return True

    def add(self, customer: str, ai: AI, began: datetime, cost: float | None) -> None:
        """What a call of this process cost that began then; None: nobody knows."""
        day = _day(began)
        if not cost or day < self._day:
            return
        self._turn_to(day)
        key = (customer, ai.name)
        self._spent[key] = self._spent.get(key, 0.0) + cost
        if ai.budget_per_day and self._spent[key] >= ai.budget_per_day:
            self._note_crossing(customer, ai)

    def amount(self, customer: str, ai: str) -> float:
        """Spent on the day that is now."""
        return self._spent.get((customer, ai), 0.0)

    async def refresh(self, now: datetime) -> None:
        """Learns what all processes have spent."""
        day = _day(now)
        begin = datetime.combine(day, time(), UTC)
        query = (
            select(UsageRow.customer, UsageRow.ai, func.sum(UsageRow.cost))
            .where(
                # So that it goes by the index of customer and time.
                UsageRow.customer.in_(select(CustomerRow.id)),
                UsageRow.at >= begin,
                UsageRow.at < begin + timedelta(days=1),
                UsageRow.cost > 0,
            )
            .group_by(UsageRow.customer, UsageRow.ai)
        )
        async with self._database.session("sum up costs", read_only=True) as session:
            rows = (await session.execute(query)).all()
        self._turn_to(day)
        if day < self._day:
            return
        for customer, ai, cost in rows:
            key = (customer, ai)
            # Some of our own may not be in the database yet.
            self._spent[key] = max(self._spent.get(key, 0.0), cost or 0.0)

    async def tell(self, now: datetime) -> None:
        """An event for each budget that was crossed, one a day from all processes."""
        while self._untold:
            crossing = self._untold[0]
            purpose = "tell that a budget is spent"
            async with self._database.session(purpose) as session:
                if not await _is_told(session, crossing):
                    await emit(session, [self._event(crossing, now)], now)
            self._untold.pop(0)

    async def run(self, clock: Callable[[], datetime]) -> None:
        """For ever."""
        away = False
        while True:
            try:
                await self.refresh(clock())
                await self.tell(clock())
                away = False
            except StorageError as error:
                if not away:
                    logger.error(
                        "[DB] budgets go by what this agent alone spends: {}", error
                    )
                away = True
            try:
                async with asyncio.timeout(EVERY):
                    await self._stirred.wait()
            except TimeoutError:
                pass
            self._stirred.clear()

    def _turn_to(self, day: date) -> None:
        if day > self._day:
            self._day = day
            self._spent.clear()
            self._crossed.clear()

    def _note_crossing(self, customer: str, ai: AI) -> None:
        key = (customer, ai.name)
        if key not in self._crossed:
            self._crossed[key] = crossing = _Crossing(customer, ai, self._day)
            self._untold.append(crossing)
            self._stirred.set()

    def _event(self, crossing: _Crossing, now: datetime) -> Event:
        data = {
            "ai": crossing.ai.name,
            "day": crossing.day.isoformat(),
            "budget": crossing.ai.budget_per_day,
            "currency": self._currency,
        }
        return Event(EventType.BUDGET_SPENT, crossing.customer, now, data)


async def _is_told(session: AsyncSession, crossing: _Crossing) -> bool:
    if session.get_bind().dialect.name == "postgresql":
        # Until the end of the transaction: who comes next sees our event.
        await session.execute(select(func.pg_advisory_xact_lock(_TELLING)))
    told = await session.scalars(
        select(EventRow.data).where(
            EventRow.customer == crossing.customer,
            EventRow.type == EventType.BUDGET_SPENT.value,
            EventRow.at >= datetime.combine(crossing.day, time(), UTC),
        )
    )
    day = crossing.day.isoformat()
    return any(
        data.get("ai") == crossing.ai.name and data.get("day") == day for data in told
    )


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()
