"""The public JSON shapes of usage and cost."""

from datetime import datetime

from pydantic import BaseModel, Field

from agent.calls.usage import Meter
from agent.storage.usage import GroupBy, UsageGroup, UsageReport


class MeterShape(BaseModel):
    meter: Meter
    amount: float = Field(description="Seconds, tokens, characters or requests.")
    cost: float = Field(description="Of what has a price.")


class UnpricedShape(BaseModel):
    meter: Meter
    model: str = Field(description="`<provider>.<model>`.")
    amount: float


class UsageTotal(BaseModel):
    calls: int
    cost: float = Field(description="Of what has a price.")
    meters: list[MeterShape]


class UsageGroupShape(UsageTotal):
    key: str = Field(
        description="The day (UTC), AI, model or meter; of call seconds no model."
    )

    @classmethod
    def of(cls, group: UsageGroup) -> "UsageGroupShape":
        return cls(key=group.key, **_total(group).model_dump())


class UsageShape(BaseModel):
    currency: str = Field(description="ISO 4217, from the table of prices.")
    since: datetime
    until: datetime
    total: UsageTotal
    unpriced: list[UnpricedShape] = Field(
        description="What no price names; it is in no cost."
    )
    group_by: GroupBy | None
    groups: list[UsageGroupShape] = Field(description="By their keys, rising.")

    @classmethod
    def of(
        cls,
        report: UsageReport,
        *,
        currency: str,
        since: datetime,
        until: datetime,
        group_by: GroupBy | None,
    ) -> "UsageShape":
        return cls(
            currency=currency,
            since=since,
            until=until,
            total=_total(report.total),
            unpriced=[
                UnpricedShape(meter=each.meter, model=each.model, amount=each.amount)
                for each in report.unpriced
            ],
            group_by=group_by,
            groups=[UsageGroupShape.of(group) for group in report.groups],
        )


def _total(group: UsageGroup) -> UsageTotal:
    return UsageTotal(
        calls=group.calls,
        cost=group.cost,
        meters=[
            MeterShape(meter=total.meter, amount=total.amount, cost=total.cost)
            for total in group.meters
        ],
    )
