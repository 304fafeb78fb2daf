"""/usage: what a customer's calls used and what it cost, summed up."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from agent.calls.prices import Prices
from agent.storage.usage import GroupBy, Usage, UsageQuery

from .auth import Reader
from .problems import Refusal, documented
from .schemas import Instant
from .schemas_usage import UsageShape

USUAL = timedelta(days=30)
LONGEST = timedelta(days=400)
"""Between `since` and `until`."""


def _usage(request: Request) -> Usage:
    usage: Usage = request.app.state.usage
    return usage


def _prices(request: Request) -> Prices:
    prices: Prices = request.app.state.prices
    return prices


router = APIRouter(prefix="/usage", tags=["usage"], responses=documented(422))


@router.get("")
async def get_usage(
    who: Reader,
    usage: Annotated[Usage, Depends(_usage)],
    prices: Annotated[Prices, Depends(_prices)],
    since: Annotated[
        Instant | None,
        Query(description="Calls that began from then on; else of the last 30 days."),
    ] = None,
    until: Annotated[
        Instant | None,
        Query(description="And before then; at most 400 days later."),
    ] = None,
    group_by: Annotated[GroupBy | None, Query()] = None,
    ai: Annotated[
        str, Query(description="Only calls of this AI.", max_length=200)
    ] = "",
) -> UsageShape:
    """Calls count from the moment they use something, also while they are up."""
    begin, end = _period(since, until, datetime.now(UTC))
    report = await usage.report(UsageQuery(who.customer, begin, end, ai), group_by)
    return UsageShape.of(
        report, currency=prices.currency, since=begin, until=end, group_by=group_by
    )


def _period(
    since: datetime | None, until: datetime | None, now: datetime
) -> tuple[datetime, datetime]:
    try:
        end = (until or now).astimezone(UTC)
        begin = since.astimezone(UTC) if since else end - USUAL
    except OverflowError:
        raise _refusal("a time is out of this calendar") from None
    if not begin <= end:
        raise _refusal("since is later than until")
    if end - begin > LONGEST:
        raise _refusal(f"since and until are more than {LONGEST.days} days apart")
    return begin, end


def _refusal(why: str) -> Refusal:
    return Refusal(422, "invalid_request", why)
