"""Webhooks and events in the database, and a sender that is at it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import select

from agent.calls.customer import DEFAULT
from agent.calls.event import Event, EventType
from agent.jobs import engine
from agent.jobs.config import DeliveryConfig
from agent.jobs.deliveries import Deliveries
from agent.net import outside
from agent.net.addresses import networks
from agent.storage.database import Database, work_url
from agent.storage.events import emit
from agent.storage.tables import CustomerRow, DeliveryRow, WebhookRow

SECRET = "whsec_" + "c2VjcmV0" * 4
OLD_SECRET = "whsec_" + "b2xkb2xk" * 4
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HURRIED = DeliveryConfig(
    schedule=(0, *[0.001] * 5),
    timeout=0.2,
    allow=networks("127.0.0.0/8"),
    look_every=0.01,
)


async def add_webhook(database: Database, url: str, id: str = "wh_1", **columns):
    row = dict(
        id=id,
        customer=DEFAULT,
        url=url,
        events=[],
        label="",
        secret=SECRET,
        old_secret="",
        old_secret_until=None,
        enabled=True,
        disabled_because="",
        revision=1,
        created_at=NOON,
        updated_at=NOON,
    )
    async with database.session("add a webhook") as session:
        if await session.get(CustomerRow, DEFAULT) is None:
            session.add(CustomerRow(id=DEFAULT, name="", created_at=NOON))
            await session.flush()
        session.add(WebhookRow(**row | columns))


async def change_webhook(database: Database, id: str = "wh_1", **columns):
    async with database.session("change a webhook") as session:
        row = await session.get_one(WebhookRow, id)
        for name, value in columns.items():
            setattr(row, name, value)


async def tell(database: Database, *numbers: int, type=EventType.CALL_CREATED):
    events = [
        Event(type, DEFAULT, NOON + timedelta(seconds=number), {"number": number})
        for number in numbers
    ]
    async with database.session("tell") as session:
        await emit(session, events, NOON)


async def rows(database: Database, webhook: str = "wh_1") -> list[DeliveryRow]:
    async with database.session("look", read_only=True) as session:
        found = await session.scalars(
            select(DeliveryRow)
            .where(DeliveryRow.webhook == webhook)
            .order_by(DeliveryRow.id)
        )
        return list(found)


async def until(true, within: float = 30.0):
    """`true` is asked again and again, and may be a coroutine."""
    async with asyncio.timeout(within):
        while True:
            answer = true()
            if await answer if asyncio.iscoroutine(answer) else answer:
                return
            await asyncio.sleep(0.01)


async def in_states(database: Database, *states: str, webhook: str = "wh_1"):
    async def so() -> bool:
        return [row.state for row in await rows(database, webhook)] == [*states]

    await until(so)


@asynccontextmanager
async def sender(
    database: Database, config: DeliveryConfig = HURRIED, **options
) -> AsyncIterator[Deliveries]:
    """One that is not at it yet."""
    async with outside.client(
        config.allow, timeout=config.timeout, **options
    ) as client:
        yield Deliveries(database, client, config, name=f"webhooks-{uuid4().hex}")


@asynccontextmanager
async def at_it(deliveries: Deliveries, url: str) -> AsyncIterator[None]:
    async with engine.running(work_url(url)):
        run = asyncio.create_task(deliveries.run())
        try:
            yield
            assert not run.done(), run
        finally:
            run.cancel()
            await asyncio.wait({run})
            if not run.cancelled() and run.exception() is not None:
                raise run.exception()


@asynccontextmanager
async def sending(
    database: Database, url: str, config: DeliveryConfig = HURRIED, **options
) -> AsyncIterator[None]:
    async with sender(database, config, **options) as deliveries:
        async with at_it(deliveries, url):
            yield
