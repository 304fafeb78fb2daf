"""Events: kept in the transaction of what they tell, and read in their order."""

import secrets
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from agent.calls.event import Event

from .tables import DeliveryRow, EventRow, WebhookRow


async def emit(session: AsyncSession, events: Iterable[Event], now: datetime) -> None:
    """Keeps them, and what webhooks are to be told of them."""
    kept = list(events)
    if not kept:
        return
    if session.get_bind().dialect.name == "postgresql":
        # Numbers are given when a row is written and seen when it is committed: a
        # reader would miss the lower one of two that are committed the other way
        # round. SQLite has one writer at a time anyway.
        await session.execute(text("SELECT pg_advisory_xact_lock(0x0ff400c)"))
    customers = {event.customer for event in kept}
    webhooks = (
        await session.scalars(
            select(WebhookRow).where(
                WebhookRow.customer.in_(customers), WebhookRow.enabled
            )
        )
    ).all()
    for event in kept:
        row = EventRow(
            id=f"evt_{secrets.token_hex(12)}",
            customer=event.customer,
            type=event.type.value,
            call_id=event.call_id,
            at=event.at,
            data=dict(event.data),
        )
        session.add(row)
        await session.flush()
        for webhook in webhooks:
            wanted = not webhook.events or event.type.value in webhook.events
            if wanted and webhook.customer == event.customer:
                session.add(delivery(webhook.id, row.number, now))


def delivery(webhook: str, event: int, now: datetime) -> DeliveryRow:
    return DeliveryRow(
        webhook=webhook,
        event=event,
        state="waiting",
        attempts=0,
        status=None,
        last_error="",
        created_at=now,
        last_try=None,
        next_try=None,
        finished_at=None,
    )
