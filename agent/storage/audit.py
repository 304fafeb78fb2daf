"""What was done that cannot be undone: when, by whom, and why. Only ever added to."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from .database import Database
from .tables import AuditRow


class Act(StrEnum):
    ERASE = "erase"
    """Somebody asked for it, and words and variables were deleted at once."""
    ERASED = "erased"
    """The stores have deleted everything too."""
    EXPIRE = "expire"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Deed:
    at: datetime
    who: str
    act: Act
    call_id: str
    why: str


def note(session: AsyncSession, deed: Deed) -> None:
    """In the transaction of the deed itself: both are kept, or neither."""
    session.add(
        AuditRow(
            at=deed.at,
            who=deed.who,
            deed=deed.act.value,
            call_id=deed.call_id,
            why=deed.why,
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
            Deed(row.at, row.who, Act(row.deed), row.call_id, row.why) for row in rows
        )
