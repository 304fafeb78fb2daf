"""Webhooks: addresses that are told of events, and what became of each telling.

Here they are made, edited and asked for; jobs/ sends. Everything is asked for with its
customer: what belongs to another one is not there (NoWebhook, NoDelivery).
"""

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    Row,
    Select,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from agent.calls.event import Event, EventType

from .audit import Act, Deed, note
from .database import Database
from .events import deliver, delivery, emit
from .outbox import DeliveryState
from .tables import CustomerRow, DeliveryRow, EventRow, UtcDateTime, WebhookRow

MOST = 20
"""Webhooks of one customer."""
OLD_SECRET_STAYS = timedelta(hours=24)


class NoWebhook(Exception):
    pass


class NoDelivery(Exception):
    pass


class TooManyWebhooks(Exception):
    """The customer has as many as it may have."""


class WebhookDisabled(Exception):
    """It is told of nothing."""


class WrongState(Exception):
    """It cannot be done to a delivery in this state."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What its owner says of a webhook."""

    url: str
    events: tuple[str, ...] = ()
    """Types; empty: all."""
    label: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Changes:
    """None: as it was."""

    url: str | None = None
    events: tuple[str, ...] | None = None
    label: str | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """Without its secret, which is shown once."""

    id: str
    customer: str
    draft: Draft
    disabled_because: str
    """Why we have disabled it, if it was us."""
    revision: int
    created_at: datetime
    updated_at: datetime
    old_secret_until: datetime | None


@dataclass(frozen=True, slots=True)
class Delivery:
    id: int
    webhook: str
    event_id: str
    event_number: int
    event_type: str
    state: DeliveryState
    attempts: int
    status: int | None
    """Of the last answer; None: there was none."""
    last_error: str
    created_at: datetime
    last_try: datetime | None
    next_try: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """The newest first."""

    deliveries: tuple[Delivery, ...]
    next: int | None
    """To be passed as `before`; None: no more."""


def new_secret() -> str:
    """As Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _anyhow(revision: int) -> None:
    """Whoever edits does not care what was there."""


class Webhooks:
    """Every method is one transaction, and raises StorageError if it fails.

    `seen` is given the revision that is there, and raises if it is not to be changed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, customer: str, draft: Draft, *, who: str, now: datetime
    ) -> tuple[Webhook, str]:
        """And its secret."""
        secret = new_secret()
        async with self._database.session("keep a webhook") as session:
            # One after the other, or two would both be the last that is allowed.
            await session.get_one(CustomerRow, customer, with_for_update=True)
            there = await session.scalar(
                select(func.count()).where(WebhookRow.customer == customer)
            )
            if (there or 0) >= MOST:
                raise TooManyWebhooks
            row = WebhookRow(
                id=f"whk_{secrets.token_hex(12)}",
                customer=customer,
                url=draft.url,
                events=list(draft.events),
                label=draft.label,
                secret=secret,
                old_secret="",
                old_secret_until=None,
                enabled=draft.enabled,
                disabled_because="",
                revision=1,
                created_at=now,
                updated_at=now,
            )
            session.add(row)
            _write_down(session, row, "created", who, now)
            return _webhook(row), secret

    async def all(self, customer: str) -> tuple[Webhook, ...]:
        """The oldest first."""
        async with self._database.session("list webhooks", read_only=True) as session:
            rows = await session.scalars(
                select(WebhookRow)
                .where(WebhookRow.customer == customer)
                .order_by(WebhookRow.created_at, WebhookRow.id)
            )
            return tuple(_webhook(row) for row in rows)

    async def get(self, customer: str, webhook: str) -> Webhook:
        async with self._database.session("read a webhook", read_only=True) as session:
            return _webhook(await _row(session, customer, webhook))

    async def change(
        self,
        customer: str,
        webhook: str,
        changes: Changes,
        *,
        seen: Callable[[int], None] = _anyhow,
        who: str,
        now: datetime,
    ) -> Webhook:
        async with self._database.session("edit a webhook") as session:
            row = await _row(session, customer, webhook, edit=True)
            seen(row.revision)
            if changes.url is not None:
                row.url = changes.url
            if changes.events is not None:
                row.events = list(changes.events)
            if changes.label is not None:
                row.label = changes.label
            if changes.enabled is not None:
                row.enabled, row.disabled_because = changes.enabled, ""
            if changes.url is not None or changes.enabled:
                await _try_now(session, row.id)
            _edited(row, now)
            _write_down(session, row, "edited", who, now)
            return _webhook(row)

    async def delete(
        self,
        customer: str,
        webhook: str,
        *,
        seen: Callable[[int], None] = _anyhow,
        who: str,
        now: datetime,
    ) -> None:
        """With all its deliveries."""
        async with self._database.session("delete a webhook") as session:
            row = await _row(session, customer, webhook, edit=True)
            seen(row.revision)
            _write_down(session, row, "deleted", who, now, Act.WEBHOOK_DELETED)
            await session.execute(delete(WebhookRow).where(WebhookRow.id == webhook))

    async def rotate(
        self, customer: str, webhook: str, *, who: str, now: datetime
    ) -> tuple[Webhook, str]:
        """A new secret; the one before it signs along for a day."""
        async with self._database.session("rotate a webhook's secret") as session:
            row = await _row(session, customer, webhook, edit=True)
            row.old_secret, row.old_secret_until = row.secret, now + OLD_SECRET_STAYS
            row.secret = new_secret()
            _edited(row, now)
            _write_down(session, row, "secret rotated", who, now)
            return _webhook(row), row.secret

    async def test(
        self, customer: str, webhook: str, *, who: str, now: datetime
    ) -> Delivery:
        """An event for this webhook alone."""
        event = Event(
            EventType.WEBHOOK_TEST, customer, now, {"webhook": webhook, "by": who}
        )
        async with self._database.session("test a webhook") as session:
            row = await _row(session, customer, webhook)
            if not row.enabled:
                raise WebhookDisabled
            (number,) = await emit(session, [event], now, only=webhook)
            of_event = _newest_first(webhook).where(DeliveryRow.event == number)
            return _delivery((await session.execute(of_event)).one())

    async def deliveries(
        self,
        customer: str,
        webhook: str,
        limit: int,
        *,
        before: int | None = None,
        state: DeliveryState | None = None,
    ) -> DeliveryPage:
        query = _newest_first(webhook)
        if before is not None:
            query = query.where(DeliveryRow.id < before)
        if state is not None:
            query = query.where(DeliveryRow.state == state.value)
        async with self._database.session("list deliveries", read_only=True) as session:
            await _row(session, customer, webhook)
            found = (await session.execute(query.limit(limit + 1))).all()
        listed = tuple(_delivery(each) for each in found[:limit])
        return DeliveryPage(listed, listed[-1].id if len(found) > limit else None)

    async def redeliver(
        self, customer: str, webhook: str, number: int, now: datetime
    ) -> Delivery:
        """The same event once more, as a delivery of its own behind all that wait.

        Raises WrongState while it waits anyhow."""
        async with self._database.session("redeliver an event") as session:
            # One after the other, or two would both find that none is waiting.
            await _row(session, customer, webhook, edit=True)
            row = await _delivery_row(session, webhook, number)
            if await session.scalar(
                select(
                    exists().where(
                        DeliveryRow.webhook == webhook,
                        DeliveryRow.event == row.event,
                        DeliveryRow.state == DeliveryState.WAITING.value,
                    )
                )
            ):
                raise WrongState("it is waiting to be delivered")
            (made,) = await deliver(session, [delivery(webhook, row.event, now)])
            this = _newest_first(webhook).where(DeliveryRow.id == made)
            return _delivery((await session.execute(this)).one())

    async def redeliver_dead(
        self, customer: str, webhook: str, since: datetime, now: datetime
    ) -> int:
        """All events from then on that it was never told of, in their order; returns
        how many."""
        other = aliased(DeliveryRow)
        told = exists().where(
            other.webhook == webhook,
            other.event == DeliveryRow.event,
            other.state != DeliveryState.DEAD.value,
        )
        dead = (
            select(
                DeliveryRow.webhook,
                DeliveryRow.event,
                literal(DeliveryState.WAITING.value),
                literal(0),
                literal(""),
                literal(now, UtcDateTime),
            )
            .join(EventRow, EventRow.number == DeliveryRow.event)
            .where(
                DeliveryRow.webhook == webhook,
                DeliveryRow.state == DeliveryState.DEAD.value,
                EventRow.at >= since,
                ~told,
            )
            .group_by(DeliveryRow.webhook, DeliveryRow.event)
            .order_by(DeliveryRow.event)
        )
        columns = ["webhook", "event", "state", "attempts", "last_error", "created_at"]
        async with self._database.session("redeliver events") as session:
            await _row(session, customer, webhook, edit=True)
            made = await session.execute(
                insert(DeliveryRow).from_select(columns, dead).returning(DeliveryRow.id)
            )
            return len(made.all())

    async def give_up(
        self, customer: str, webhook: str, number: int, *, who: str, now: datetime
    ) -> Delivery:
        """A waiting one is dead, and what waits behind it is next."""
        async with self._database.session("give up a delivery") as session:
            owner = await _row(session, customer, webhook)
            row = await _delivery_row(session, webhook, number)
            if row.state != DeliveryState.WAITING:
                raise WrongState(f"it is {row.state}")
            row.state = DeliveryState.DEAD.value
            row.finished_at, row.next_try = now, None
            said = f"; before that: {row.last_error}" if row.last_error else ""
            row.last_error = f"given up by {who}{said}"
            _write_down(session, owner, f"delivery {number} given up", who, now)
            await session.flush()
            this = _newest_first(webhook).where(DeliveryRow.id == number)
            return _delivery((await session.execute(this)).one())


async def _row(
    session: AsyncSession, customer: str, webhook: str, *, edit: bool = False
) -> WebhookRow:
    row = await session.get(WebhookRow, webhook, with_for_update=edit)
    if row is None or row.customer != customer:
        raise NoWebhook
    return row


async def _delivery_row(
    session: AsyncSession, webhook: str, number: int
) -> DeliveryRow:
    row = await session.get(DeliveryRow, number, with_for_update=True)
    if row is None or row.webhook != webhook:
        raise NoDelivery
    return row


def _newest_first(webhook: str) -> Select[DeliveryRow, str, str]:
    return (
        select(DeliveryRow, EventRow.id, EventRow.type)
        .join(EventRow, EventRow.number == DeliveryRow.event)
        .where(DeliveryRow.webhook == webhook)
        .order_by(DeliveryRow.id.desc())
    )


async def _try_now(session: AsyncSession, webhook: str) -> None:
    """What waits for its next try, up to a day, need not: something was mended."""
    await session.execute(
        update(DeliveryRow)
        .where(
            DeliveryRow.webhook == webhook,
            DeliveryRow.state == DeliveryState.WAITING.value,
        )
        .values(next_try=None)
    )


def _edited(row: WebhookRow, now: datetime) -> None:
    row.revision += 1
    row.updated_at = now


def _write_down(
    session: AsyncSession,
    row: WebhookRow,
    what: str,
    who: str,
    now: datetime,
    act: Act = Act.WEBHOOK_CHANGED,
) -> None:
    note(
        session,
        Deed(
            at=now,
            who=who,
            act=act,
            why=what,
            customer=row.customer,
            subject=f"webhook/{row.id}",
        ),
    )


def _webhook(row: WebhookRow) -> Webhook:
    return Webhook(
        id=row.id,
        customer=row.customer,
        draft=Draft(row.url, tuple(row.events), row.label, row.enabled),
        disabled_because=row.disabled_because,
        revision=row.revision,
        created_at=row.created_at,
        updated_at=row.updated_at,
        old_secret_until=row.old_secret_until,
    )


def _delivery(found: Row[DeliveryRow, str, str]) -> Delivery:
    row, event_id, event_type = found
    return Delivery(
        id=row.id,
        webhook=row.webhook,
        event_id=event_id,
        event_number=row.event,
        event_type=event_type,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        status=row.status,
        last_error=row.last_error,
        created_at=row.created_at,
        last_try=row.last_try,
        next_try=row.next_try,
        finished_at=row.finished_at,
    )
