"""The deliveries that wait, as their sender sees them.

A webhook's are sent one after the other, in their order, so each has one that is next.
What came of a try is written at once, with what the sender must know to go on: is the
webhook still there and enabled, and where to.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlalchemy.sql.selectable import ForUpdateArg

from agent.calls.event import Event, EventType, KeptEvent
from agent.calls.record import Untold

from .database import Database
from .events import emit, kept
from .tables import DeliveryRow, EventRow, WebhookRow

_UNTOLD = 100


class DeliveryState(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"
    """Tried for the last time, or given up."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    webhook: str
    url: str
    secrets: tuple[str, ...]
    """The newest first; an old one signs as well for a while."""


@dataclass(frozen=True, slots=True)
class Delivery:
    id: int
    event: KeptEvent
    attempts: int
    """So far."""
    next_try: datetime | None
    """None: as soon as it is its turn."""


@dataclass(frozen=True, slots=True)
class Head:
    """What is next of one webhook."""

    webhook: str
    delivery: int
    next_try: datetime | None


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one try."""

    state: DeliveryState
    attempts: int
    at: datetime
    status: int | None
    """Of the answer; None: there was none."""
    error: str = ""
    next_try: datetime | None = None
    disable: str = ""
    """Why the webhook wants no more; empty: it does."""


class Outbox:
    """Every method is one short transaction, and raises StorageError if it fails."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # SQLite has one writer at a time. Who waits for it in here has his turn; who
        # waits in SQLite asks again and again, and may give up.
        self._writers = asyncio.Semaphore(1 if database.dialect == "sqlite" else 8)

    async def heads(self) -> Sequence[Head]:
        """One for each enabled webhook for which anything waits."""
        first = (
            select(func.min(DeliveryRow.id))
            .where(DeliveryRow.webhook == WebhookRow.id, _waiting())
            .correlate(WebhookRow)
            .scalar_subquery()
        )
        async with self._database.session(
            "look for deliveries", read_only=True
        ) as session:
            rows = await session.execute(
                select(DeliveryRow.webhook, DeliveryRow.id, DeliveryRow.next_try)
                .join(WebhookRow, DeliveryRow.id == first)
                .where(WebhookRow.enabled)
                .order_by(DeliveryRow.id)
            )
            return [Head(*row) for row in rows]

    async def waiting(self) -> int:
        """Of all webhooks, disabled ones too."""
        async with self._database.session(
            "count deliveries", read_only=True
        ) as session:
            count = select(func.count()).select_from(DeliveryRow).where(_waiting())
            return await session.scalar(count) or 0

    async def next(
        self, webhook: str, limit: int, now: datetime
    ) -> tuple[Endpoint | None, Sequence[Delivery]]:
        """Where to, and the first so many that wait. No endpoint: send nothing."""
        async with self._database.session(
            f"look for deliveries to {webhook!r}", read_only=True
        ) as session:
            endpoint = await _endpoint(session, webhook, now)
            if endpoint is None:
                return None, ()
            rows = await session.execute(
                select(DeliveryRow, EventRow)
                .join(EventRow, EventRow.number == DeliveryRow.event)
                .where(DeliveryRow.webhook == webhook, _waiting())
                .order_by(DeliveryRow.id)
                .limit(limit)
            )
            return endpoint, [_delivery(row, event) for row, event in rows]

    async def note(self, webhook: str, delivery: int, tried: Tried) -> Endpoint | None:
        """Returns where to send the next one. None: nowhere."""
        async with self._database.session(f"note a delivery to {webhook!r}") as session:
            await session.execute(
                update(DeliveryRow)
                .where(DeliveryRow.id == delivery, _waiting())
                .values(
                    state=tried.state.value,
                    attempts=tried.attempts,
                    status=tried.status,
                    last_error=tried.error,
                    last_try=tried.at,
                    next_try=tried.next_try,
                    finished_at=(
                        None if tried.state is DeliveryState.WAITING else tried.at
                    ),
                )
            )
            why = tried.disable
            if tried.state is DeliveryState.DEAD and not why:
                why = await _why_dead(session, webhook, delivery)
            if why:
                await _disable(session, webhook, why, tried.at)
            return await _endpoint(session, webhook, tried.at)


async def untold(session: AsyncSession, call_id: str) -> tuple[Untold, ...]:
    """Of that call, what webhooks have not been told; some, if there are many."""
    ahead = aliased(DeliveryRow)
    next_of = (
        select(func.min(ahead.id))
        .where(
            ahead.webhook == DeliveryRow.webhook,
            ahead.state == DeliveryState.WAITING.value,
        )
        .correlate(DeliveryRow)
        .scalar_subquery()
    )
    head = aliased(DeliveryRow)
    rows = await session.execute(
        select(DeliveryRow, EventRow.type, head, WebhookRow)
        .join(EventRow, EventRow.number == DeliveryRow.event)
        .join(WebhookRow, WebhookRow.id == DeliveryRow.webhook)
        .outerjoin(head, head.id == next_of)
        .where(
            EventRow.call_id == call_id,
            DeliveryRow.state != DeliveryState.DELIVERED.value,
        )
        .order_by(DeliveryRow.id)
        .limit(_UNTOLD)
    )
    return tuple(_untold(*row) for row in rows)


def _untold(
    row: DeliveryRow, event: str, head: DeliveryRow | None, webhook: WebhookRow
) -> Untold:
    dead = row.state == DeliveryState.DEAD
    decides = row if dead or head is None else head
    error = decides.last_error
    if not dead and not webhook.enabled:
        why = f": {webhook.disabled_because}" if webhook.disabled_because else ""
        error = f"the webhook is disabled{why}"
    return Untold(
        webhook=row.webhook,
        event=event,
        since=row.created_at,
        error=error,
        next_try=None if dead else decides.next_try,
        given_up=dead,
    )


async def _endpoint(
    session: AsyncSession, webhook: str, now: datetime
) -> Endpoint | None:
    row = await session.get(WebhookRow, webhook)
    if row is None or not row.enabled:
        return None
    old = row.old_secret_until is not None and now < row.old_secret_until
    secrets = (row.secret, row.old_secret) if old and row.old_secret else (row.secret,)
    return Endpoint(row.id, row.url, secrets)


async def _why_dead(session: AsyncSession, webhook: str, delivery: int) -> str:
    """One event may be more than its receiver can take, and the next goes. Two in a
    row, each tried for days: nobody is there."""
    before = await session.scalar(
        select(DeliveryRow.state)
        .where(DeliveryRow.webhook == webhook, DeliveryRow.id < delivery)
        .order_by(DeliveryRow.id.desc())
        .limit(1)
    )
    dead = before == DeliveryState.DEAD
    return "two events in a row could not be delivered" if dead else ""


async def _disable(
    session: AsyncSession, webhook: str, why: str, now: datetime
) -> None:
    # Not all of the row: `emit` elsewhere holds it, and we wait for `emit` below.
    lock = ForUpdateArg(key_share=True)
    row = await session.get(WebhookRow, webhook, with_for_update=lock)
    if row is None or not row.enabled:
        return
    row.enabled, row.disabled_because, row.updated_at = False, why, now
    row.revision += 1
    data = {"webhook": webhook, "url": row.url, "reason": why}
    await session.flush()
    told = Event(EventType.WEBHOOK_DISABLED, row.customer, now, data)
    await emit(session, [told], now)


def _waiting() -> ColumnElement[bool]:
    return DeliveryRow.state == DeliveryState.WAITING.value


def _delivery(row: DeliveryRow, event: EventRow) -> Delivery:
    return Delivery(row.id, kept(event), row.attempts, row.next_try)
