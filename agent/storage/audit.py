"""What was done that cannot be undone, or lets others do things: when, by whom, why.

Only ever added to.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from agent.calls.customer import DEFAULT

from .database import Database
from .tables import AuditRow


class Act(StrEnum):
    ERASE = "erase"
    """Somebody asked for it, and words and variables were deleted at once."""
    ERASED = "erased"
    """The stores have deleted everything too."""
    EXPIRE = "expire"
    EXPIRED = "expired"
    KEY_CREATED = "key_created"
    KEY_REVOKED = "key_revoked"
    CUSTOMER_ADDED = "customer_added"
    AI_CHANGED = "ai_changed"
    AI_DELETED = "ai_deleted"
    NUMBER_CHANGED = "number_changed"
    NUMBER_DELETED = "number_deleted"
    WEBHOOK_CHANGED = "webhook_changed"
    WEBHOOK_DELETED = "webhook_deleted"
    CALL_HUNG_UP = "call_hung_up"


@dataclass(frozen=True, slots=True)
class Deed:
    at: datetime
    who: str
    act: Act
    call_id: str = ""
    why: str = ""
    customer: str = DEFAULT
    subject: str = ""
    """What else but a call it was done to: `ai/desk`, `key/key_17`."""


def note(session: AsyncSession, deed: Deed) -> None:
    """In the transaction of the deed itself: both are kept, or neither."""
    session.add(
        AuditRow(
            at=deed.at,
            who=deed.who,
            deed=deed.act.value,
            call_id=deed.call_id,
            why=deed.why,
            customer=deed.customer,
            subject=deed.subject,
        )
    )


async def deeds(database: Database, call_id: str) -> tuple[Deed, ...]:
    """The oldest first."""
    async with database.session(
        f"read the audit of {call_id!r}", read_only=True
    ) as session:
        rows = await session.scalars(
            select(AuditRow).where(AuditRow.call_id == call_id).order_by(AuditRow.id)
        )
        return tuple(
            Deed(
                at=row.at,
                who=row.who,
                act=Act(row.deed),
                call_id=row.call_id,
                why=row.why,
                customer=row.customer,
                subject=row.subject,
            )
            for row in rows
        )
