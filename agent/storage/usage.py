"""What calls used and what it cost, summed up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, distinct, func, literal, literal_column, select
from sqlalchemy.sql.elements import ColumnElement

from agent.calls.usage import Meter

from .database import Database
from .tables import UsageRow

# Parameters would make what is selected another expression than what groups it.
_UTC: ColumnElement[str] = literal_column("'UTC'")
_DATE: ColumnElement[str] = literal_column("'YYYY-MM-DD'")
_Statement = Select[*tuple[Any, ...]]


class GroupBy(StrEnum):
    DAY = "day"
    """On which the call began, in UTC."""
    AI = "ai"
    MODEL = "model"
    METER = "meter"


@dataclass(frozen=True, slots=True)
class UsageQuery:
    customer: str
    since: datetime
    until: datetime
    """Calls that began from `since` on and before `until`."""
    ai: str = ""
    """Empty: all."""


@dataclass(frozen=True, slots=True)
class MeterTotal:
    meter: Meter
    amount: float
    cost: float
    """Of what has a price."""


@dataclass(frozen=True, slots=True)
class Unpriced:
    """A model that no price names."""

    meter: Meter
    model: str
    amount: float


@dataclass(frozen=True, slots=True)
class UsageGroup:
    key: str
    calls: int
    cost: float
    """Of what has a price."""
    meters: tuple[MeterTotal, ...]


@dataclass(frozen=True, slots=True)
class UsageReport:
    total: UsageGroup
    groups: tuple[UsageGroup, ...]
    unpriced: tuple[Unpriced, ...]


class Usage:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def report(
        self, query: UsageQuery, group_by: GroupBy | None = None
    ) -> UsageReport:
        async with self._database.session("sum up usage", read_only=True) as session:

            async def rows(statement: _Statement) -> Sequence[Any]:
                found: Sequence[Any] = (await session.execute(statement)).all()
                return found

            (total,) = _groups(
                await rows(_calls(query)), await rows(_meters(query).order_by("meter"))
            )
            groups: tuple[UsageGroup, ...] = ()
            if group_by is not None:
                key = _key(group_by, self._database.dialect)
                calls = _calls(query, key).group_by(key).order_by(key)
                meters = _meters(query, key).group_by(key).order_by("meter")
                groups = _groups(await rows(calls), await rows(meters))
            unpriced = await rows(_unpriced(query))
        return UsageReport(
            total=total,
            groups=groups,
            unpriced=tuple(
                Unpriced(Meter(meter), model, amount)
                for meter, model, amount in unpriced
            ),
        )


def _key(group_by: GroupBy, dialect: str) -> ColumnElement[str]:
    match group_by:
        case GroupBy.AI:
            return UsageRow.ai.expression
        case GroupBy.MODEL:
            return UsageRow.model.expression
        case GroupBy.METER:
            return UsageRow.meter.expression
        case GroupBy.DAY if dialect == "postgresql":
            return func.to_char(func.timezone(_UTC, UsageRow.at), _DATE)
        case GroupBy.DAY:
            return func.date(UsageRow.at)


def _calls(query: UsageQuery, key: ColumnElement[str] | None = None) -> _Statement:
    """How many of them each group has."""
    return _of(query, select(_named(key), func.count(distinct(UsageRow.call_id))))


def _meters(query: UsageQuery, key: ColumnElement[str] | None = None) -> _Statement:
    amount, cost = func.sum(UsageRow.amount), func.sum(UsageRow.cost)
    sums = select(_named(key), UsageRow.meter, amount, func.coalesce(cost, 0.0))
    return _of(query, sums).group_by(UsageRow.meter)


def _named(key: ColumnElement[str] | None) -> ColumnElement[str]:
    return literal("") if key is None else key


def _unpriced(query: UsageQuery) -> _Statement:
    return (
        _of(query, select(UsageRow.meter, UsageRow.model, func.sum(UsageRow.amount)))
        .where(UsageRow.cost.is_(None))
        .group_by(UsageRow.meter, UsageRow.model)
        .order_by(UsageRow.model, UsageRow.meter)
    )


def _of(query: UsageQuery, statement: _Statement) -> _Statement:
    statement = statement.where(
        UsageRow.customer == query.customer,
        UsageRow.at >= query.since,
        UsageRow.at < query.until,
    )
    return statement.where(UsageRow.ai == query.ai) if query.ai else statement


def _groups(calls: Sequence[Any], meters: Sequence[Any]) -> tuple[UsageGroup, ...]:
    of_key: dict[str, list[MeterTotal]] = {}
    for key, meter, amount, cost in meters:
        of_key.setdefault(key, []).append(MeterTotal(Meter(meter), amount, cost))
    return tuple(
        UsageGroup(
            key,
            count,
            sum(total.cost for total in of_key.get(key, ())),
            tuple(of_key.get(key, ())),
        )
        for key, count in calls
    )
