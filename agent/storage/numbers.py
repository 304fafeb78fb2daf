"""Which AI answers under which number. A number belongs to one customer.

It is E.164, or what a dialplan calls an extension: digits, or a name. Who edits sees
what is there in the same transaction, and refuses by an exception.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from agent.calls.event import Event, EventType

from .ais import one_by_one
from .audit import Act, Deed, note
from .database import Database
from .events import emit
from .tables import AiRow, NumberRow, storable

_EXTENSION = re.compile(r"[0-9*#]{1,10}|[A-Za-z_][A-Za-z0-9_.-]{0,39}")
_PHONE = re.compile(r"\+?[(]?[0-9][0-9 ()./-]{2,30}")


class BadNumber(ValueError):
    pass


class NoSuchNumber(Exception):
    pass


class NumberTaken(Exception):
    """It belongs to another customer; nobody is told to whom."""


class NoAi(Exception):
    """This customer has no AI of that name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is said of a number."""

    ai: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class KeptNumber:
    number: str
    customer: str
    entry: Entry
    revision: int
    created_at: datetime
    updated_at: datetime


def normalised(text: str, region: str) -> str:
    """As it is kept. `region`: ISO 3166, of numbers without their country code; may be
    empty. Raises BadNumber."""
    plain = text.strip()
    if _EXTENSION.fullmatch(plain):
        return plain
    number = e164(plain, region)
    if number is None:
        home = f" of {region}" if region else ", with + and its country code,"
        raise BadNumber(
            f"{text[:40]!r} is no telephone number{home} and no extension: up to 10"
            " digits, or a name"
        )
    return number


def e164(text: str, region: str) -> str | None:
    """None: it is no telephone number."""
    if not _PHONE.fullmatch(text):
        return None
    if text.startswith("00") and not region:
        text = f"+{text[2:]}"
    try:
        number = phonenumbers.parse(text, region or None)
    except NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


class Numbers:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, customer: str, number: str) -> KeptNumber | None:
        async with self._database.session(
            f"read the number {number!r}", read_only=True
        ) as session:
            row = await session.get(NumberRow, number)
            if row is None or row.customer != customer:
                return None
            return _kept(row)

    async def page(
        self, customer: str, limit: int, after: str = "", ai: str | None = None
    ) -> tuple[KeptNumber, ...]:
        """In their order, from the one that follows `after`."""
        query = (
            select(NumberRow)
            .where(NumberRow.customer == customer, NumberRow.number > after)
            .order_by(NumberRow.number)
            .limit(limit)
        )
        if ai is not None:
            query = query.where(NumberRow.ai == ai)
        async with self._database.session(
            "list the numbers", read_only=True
        ) as session:
            return tuple(_kept(row) for row in await session.scalars(query))

    async def put(
        self,
        customer: str,
        number: str,
        change: Callable[[KeptNumber | None], Entry],
        who: str,
        now: datetime,
    ) -> tuple[KeptNumber, bool]:
        """And whether it is new. `change` is given what is there, and may raise. What
        stays as it is has no new revision. Raises NumberTaken or NoAi."""
        async with self._database.session(f"write the number {number!r}") as session:
            await one_by_one(session)
            row = await session.get(NumberRow, number)
            if row is not None and row.customer != customer:
                raise NumberTaken
            entry = change(None if row is None else _kept(row))
            entry = Entry(storable(entry.ai), storable(entry.label))
            ai = await session.get(AiRow, (customer, entry.ai))
            if ai is None or ai.deleted_at is not None:
                raise NoAi
            is_new = row is None
            if row is None:
                row = NumberRow(
                    number=number, customer=customer, revision=0, created_at=now
                )
                session.add(row)
            elif _kept(row).entry == entry:
                return _kept(row), False
            row.ai = entry.ai
            row.label = entry.label
            row.revision += 1
            row.updated_at = now
            await _tell(session, row, "created" if is_new else "updated", who, now)
            return _kept(row), is_new

    async def delete(
        self,
        customer: str,
        number: str,
        allowed: Callable[[KeptNumber], object],
        who: str,
        now: datetime,
    ) -> None:
        """`allowed` is given what is there, and may raise. Raises NoSuchNumber."""
        async with self._database.session(f"delete the number {number!r}") as session:
            await one_by_one(session)
            row = await session.get(NumberRow, number)
            if row is None or row.customer != customer:
                raise NoSuchNumber
            allowed(_kept(row))
            await session.delete(row)
            await _tell(session, row, "deleted", who, now)


def _kept(row: NumberRow) -> KeptNumber:
    return KeptNumber(
        row.number,
        row.customer,
        Entry(row.ai, row.label),
        row.revision,
        row.created_at,
        row.updated_at,
    )


async def _tell(
    session: AsyncSession, row: NumberRow, change: str, who: str, now: datetime
) -> None:
    note(
        session,
        Deed(
            now,
            who,
            Act.NUMBER_DELETED if change == "deleted" else Act.NUMBER_CHANGED,
            why=f"{change}, revision {row.revision}, ai {row.ai}",
            customer=row.customer,
            subject=f"number/{row.number}",
        ),
    )
    data = {
        "number": row.number,
        "target": {"ai": row.ai},
        "label": row.label,
        "revision": row.revision,
        "change": change,
    }
    await emit(session, [Event(EventType.NUMBER_CHANGED, row.customer, now, data)], now)
