"""Events: kept in the transaction of what they tell, and read in their order.

Their numbers rise in the order of the commits. So who has read up to a number has seen
all below it, and one number is all that a reader must remember.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from agent.calls.event import Event, EventType, KeptEvent

from .database import Database
from .tables import DeliveryRow, EventRow, WebhookRow, storable

_IN_TURN = 267337740
"""Key of PostgreSQL's advisory lock; any number that nobody else uses."""
_WAITING = "waiting"
_FORGET_AT_ONCE = 500


async def emit(
    session: AsyncSession, events: Iterable[Event], now: datetime, *, only: str = ""
) -> Sequence[int]:
    """Keeps them, and what webhooks are to be told of them; `only`: one webhook.
    Returns their numbers.

    The last thing in a transaction: on PostgreSQL all others wait for its end."""
    told = list(events)
    if not told:
        return ()
    if _on_postgresql(session):
        # Numbers are given when a row is written and seen when it is committed: a
        # reader would miss the lower one of two that are committed the other way
        # round. SQLite has one writer at a time anyway.
        await session.execute(select(func.pg_advisory_xact_lock(_IN_TURN)))
    columns = [_columns(event) for event in told]
    inserted = await session.execute(
        insert(EventRow).returning(
            EventRow.id,
            EventRow.number,
            sort_by_parameter_order=_on_postgresql(session),
        ),
        columns,
    )
    number_of = {row.id: row.number for row in inserted}
    numbers = [number_of[each["id"]] for each in columns]
    webhooks = await _webhooks(session, {event.customer for event in told}, only)
    wanted = [
        delivery(webhook.id, number, now)
        for number, event in zip(numbers, told, strict=True)
        for webhook in webhooks
        if webhook.customer == event.customer
        and (only or not webhook.events or event.type.value in webhook.events)
    ]
    await deliver(session, wanted)
    return numbers


async def deliver(
    session: AsyncSession, deliveries: list[dict[str, Any]]
) -> Sequence[int]:
    """In this order; returns their ids."""
    if not deliveries:
        return ()
    ids = await session.scalars(
        insert(DeliveryRow).returning(
            DeliveryRow.id, sort_by_parameter_order=_on_postgresql(session)
        ),
        deliveries,
    )
    return sorted(ids.all())


def _on_postgresql(session: AsyncSession) -> bool:
    """SQLite writes rows in their order; asked for it, SQLAlchemy would send it each
    in a statement of its own."""
    return session.get_bind().dialect.name == "postgresql"


def delivery(webhook: str, event: int, now: datetime) -> dict[str, Any]:
    """The columns of one that waits."""
    return {
        "webhook": webhook,
        "event": event,
        "state": _WAITING,
        "attempts": 0,
        "status": None,
        "last_error": "",
        "created_at": now,
        "last_try": None,
        "next_try": None,
        "finished_at": None,
    }


async def _webhooks(
    session: AsyncSession, customers: set[str], only: str
) -> Sequence[WebhookRow]:
    query = (
        select(WebhookRow)
        .where(WebhookRow.customer.in_(customers), WebhookRow.enabled)
        # Nobody deletes one between this and the commit; to edit it is no harm.
        .with_for_update(read=True, key_share=True)
    )
    if only:
        query = query.where(WebhookRow.id == only)
    return (await session.scalars(query)).all()


def _columns(event: Event) -> dict[str, Any]:
    return {
        "id": f"evt_{secrets.token_hex(12)}",
        "customer": event.customer,
        "type": event.type.value,
        "call_id": event.call_id,
        "at": event.at,
        "data": _clean(dict(event.data)),
    }


def _clean(value: Any) -> Any:
    """JSON that can be sent: what is no text in it becomes U+FFFD."""
    match value:
        case str():
            return storable(value)
        case dict():
            return {storable(str(key)): _clean(each) for key, each in value.items()}
        case list() | tuple():
            return [_clean(each) for each in value]
        case _:
            return value


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events somebody reads."""

    customer: str
    types: frozenset[EventType] = frozenset()
    """Empty: all."""
    call_id: str = ""
    """Empty: of all calls, and of none."""

    def __contains__(self, event: Event) -> bool:
        return (
            event.customer == self.customer
            and (not self.types or event.type in self.types)
            and (not self.call_id or event.call_id == self.call_id)
        )


@dataclass(frozen=True, slots=True)
class Span:
    """The numbers of the events that are kept; both 0: there are none."""

    oldest: int
    newest: int


class Events:
    """Reads them. Every method is one short transaction, and raises StorageError if it
    fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def after(
        self,
        number: int,
        limit: int,
        wanted: Wanted | None = None,
        *,
        until: int | None = None,
    ) -> tuple[KeptEvent, ...]:
        """The oldest first; None wanted: everybody's."""
        types = wanted.types if wanted and wanted.types else EventType
        query = (
            select(EventRow)
            # Nothing of a newer version that we do not know.
            .where(EventRow.number > number, EventRow.type.in_(types))
            .order_by(EventRow.number)
            .limit(limit)
        )
        if until is not None:
            query = query.where(EventRow.number <= until)
        if wanted is not None:
            query = query.where(EventRow.customer == wanted.customer)
            if wanted.call_id:
                query = query.where(EventRow.call_id == wanted.call_id)
        async with self._database.session("read events", read_only=True) as session:
            rows = await session.scalars(query)
            return tuple(kept(row) for row in rows)

    async def span(self) -> Span:
        async with self._database.session("look for events", read_only=True) as session:
            oldest = await session.scalar(select(func.min(EventRow.number)))
            newest = await session.scalar(select(func.max(EventRow.number)))
        return Span(oldest or 0, newest or 0)

    async def forget(self, before: datetime) -> int:
        """Deletes some that are older, with their deliveries, were they waiting;
        returns how many, and is to be called again until that is 0.

        Always from the oldest on and never the newest: so a reader can tell that he
        has missed something."""
        newest = select(func.max(EventRow.number)).scalar_subquery()
        younger = select(func.min(EventRow.number)).where(EventRow.at >= before)
        end = func.coalesce(younger.scalar_subquery(), newest)
        old = (
            select(EventRow.number)
            .where(EventRow.number < end)
            .order_by(EventRow.number)
            .limit(_FORGET_AT_ONCE)
        )
        async with self._database.session("delete old events") as session:
            gone = await session.scalars(
                delete(EventRow)
                .where(EventRow.number.in_(old))
                .returning(EventRow.number)
            )
            return len(gone.all())


def kept(row: EventRow) -> KeptEvent:
    event = Event(EventType(row.type), row.customer, row.at, row.data, row.call_id)
    return KeptEvent(row.number, row.id, event)
