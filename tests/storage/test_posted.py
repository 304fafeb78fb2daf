import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from agent.storage.posted import ABANDONED_AFTER, KEPT_FOR, Answer, Claim, Posted

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
ANSWER = Answer(201, '{"ü": 1}', {"location": "/x"})
A_MOMENT = timedelta(microseconds=1)


@pytest.fixture
def posted(database):
    return Posted(database)


def claim(posted, request="r", now=NOON, customer="default", key="k"):
    return posted.claim(customer, key, request, now)


async def test_an_answer_is_kept(posted):
    assert await claim(posted) is Claim.OURS
    assert await claim(posted) is Claim.IN_WORK
    assert await claim(posted, "other") is Claim.OTHER_REQUEST
    await posted.keep("default", "k", ANSWER)
    assert await claim(posted) == ANSWER
    assert await claim(posted, "other") is Claim.OTHER_REQUEST
    assert await claim(posted, "other", customer="acme") is Claim.OURS
    assert await claim(posted, "other", key="l") is Claim.OURS


async def test_nothing_was_done(posted):
    await claim(posted)
    await posted.release("default", "k")
    assert await claim(posted, "other") is Claim.OURS
    await posted.keep("default", "k", ANSWER)
    await posted.release("default", "k")
    assert await claim(posted, "other") == ANSWER


async def test_who_died_at_work_is_replaced(posted):
    await claim(posted)
    late = NOON + ABANDONED_AFTER
    assert await claim(posted, now=late - A_MOMENT) is Claim.IN_WORK
    assert await claim(posted, now=late) is Claim.OURS
    assert await claim(posted, now=late) is Claim.IN_WORK


async def test_answers_are_forgotten(posted):
    await claim(posted)
    await posted.keep("default", "k", ANSWER)
    tomorrow = NOON + KEPT_FOR
    assert await claim(posted, now=tomorrow - A_MOMENT) == ANSWER
    assert await claim(posted, "other", now=tomorrow) is Claim.OURS


@pytest.mark.parametrize(
    ("age", "left"), [(KEPT_FOR - A_MOMENT, ANSWER), (KEPT_FOR, Claim.OURS)]
)
async def test_the_sweep(posted, age, left):
    await claim(posted)
    await posted.keep("default", "k", ANSWER)
    await posted.sweep(NOON + age)
    assert await claim(posted) == left


async def test_of_many_at_once_one_does_it(posted):
    claims = await asyncio.gather(*(claim(posted) for _ in range(10)))
    assert sorted(claims, key=lambda each: each.value) == [
        Claim.OURS,
        *[Claim.IN_WORK] * 9,
    ]
