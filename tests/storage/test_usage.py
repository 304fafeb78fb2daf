from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agent.calls.usage import Meter
from agent.storage.tables import CallRow, UsageRow
from agent.storage.usage import (
    GroupBy,
    MeterTotal,
    Unpriced,
    Usage,
    UsageGroup,
    UsageQuery,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ALL = UsageQuery("default", NOON - 30 * DAY, NOON + 30 * DAY)


async def keep(database, call_id, *uses, ai="desk", at=NOON, customer="default"):
    """`uses`: meter, model, amount, cost."""
    async with database.session("keep a call") as session:
        session.add(
            CallRow(
                id=call_id,
                caller="",
                called="",
                direction="inbound",
                ai=ai,
                started_at=at,
                channel_id="",
                codec="",
                dialect="",
                end_detail="",
                customer=customer,
            )
        )
        await session.flush()
        for meter, model, amount, cost in uses:
            session.add(
                UsageRow(
                    call_id=call_id,
                    meter=meter.value,
                    model=model,
                    amount=amount,
                    cost=cost,
                    customer=customer,
                    ai=ai,
                    at=at,
                )
            )


HEARD = (Meter.STT_SECONDS, "groq.whisper", 60.0, 0.5)
READ = (Meter.LLM_INPUT_TOKENS, "openai.gpt", 1000.0, 0.25)
LONG = (Meter.CALL_SECONDS, "", 90.0, 0.0)
UNKNOWN = (Meter.LLM_INPUT_TOKENS, "own.llama", 200.0, None)


@pytest.fixture
async def usage(database):
    await keep(database, "1", HEARD, READ, LONG)
    await keep(database, "2", READ, UNKNOWN, ai="night", at=NOON + DAY)
    await keep(database, "3", HEARD, at=NOON + DAY + timedelta(hours=11, minutes=59))
    await keep(database, "4", HEARD, customer="acme")
    return Usage(database)


async def test_all_of_a_customer(usage):
    report = await usage.report(ALL)
    assert report.total == UsageGroup(
        "",
        3,
        1.5,
        (
            MeterTotal(Meter.CALL_SECONDS, 90, 0),
            MeterTotal(Meter.LLM_INPUT_TOKENS, 2200, 0.5),
            MeterTotal(Meter.STT_SECONDS, 120, 1),
        ),
    )
    assert report.unpriced == (Unpriced(Meter.LLM_INPUT_TOKENS, "own.llama", 200),)
    assert report.groups == ()


@pytest.mark.parametrize(
    ("group_by", "expected"),
    [
        (GroupBy.DAY, [("2026-11-21", 1, 0.75), ("2026-11-22", 2, 0.75)]),
        (GroupBy.AI, [("desk", 2, 1.25), ("night", 1, 0.25)]),
        (
            GroupBy.MODEL,
            [("", 1, 0), ("groq.whisper", 2, 1), ("openai.gpt", 2, 0.5)]
            + [("own.llama", 1, 0)],
        ),
        (
            GroupBy.METER,
            [("call_seconds", 1, 0), ("llm_input_tokens", 2, 0.5)]
            + [("stt_seconds", 2, 1)],
        ),
    ],
)
async def test_groups_make_up_the_total(usage, group_by, expected):
    report = await usage.report(ALL, group_by)
    groups = [(group.key, group.calls, group.cost) for group in report.groups]
    assert groups == expected
    assert sum(group.cost for group in report.groups) == report.total.cost


@pytest.mark.parametrize(
    ("changes", "calls"),
    [
        ({}, 3),
        ({"ai": "night"}, 1),
        ({"ai": "nobody"}, 0),
        ({"customer": "acme"}, 1),
        ({"customer": "nobody"}, 0),
        ({"since": NOON + timedelta(seconds=1)}, 2),
        ({"since": NOON, "until": NOON}, 0),
        ({"until": NOON + DAY}, 1),
    ],
)
async def test_what_is_asked_for(usage, changes, calls):
    report = await usage.report(replace(ALL, **changes), GroupBy.AI)
    assert report.total.calls == calls
    assert sum(group.calls for group in report.groups) == calls


async def test_nothing_was_used(database):
    report = await Usage(database).report(ALL, GroupBy.DAY)
    assert report.total == UsageGroup("", 0, 0, ())
    assert (report.groups, report.unpriced) == ((), ())
