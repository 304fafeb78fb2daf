from collections import Counter

import pytest

from agent.phone.capacity import Step, proposal, row
from agent.phone.load import Measured


def step(delays=(0.001,) * 1000, lost=0, closed=0) -> Step:
    came = Measured(
        calls=10,
        expected=len(delays) + lost,
        returned=len(delays),
        crossed=0,
        silent=0,
        closed=closed,
        waiting=0,
        delays=delays,
        said=Counter(),
        worst_start=0.0,
    )
    return Step(10, 12.5, came)


@pytest.mark.parametrize(
    ("step", "verdict"),
    [
        (step(), ""),
        (step((0.001,) * 995 + (0.5,) * 5), ""),
        (step((0.001,) * 980 + (0.0061,) * 20), "p99 is 6.1 ms, more than 5"),
        (step(lost=1), ""),
        (step(lost=2), "2 of 1002 frames were lost"),
        (step((), lost=1000), "1000 of 1000 frames were lost"),
        (step(closed=3, lost=30), "3 calls were ended"),
    ],
)
def test_what_is_too_much(step, verdict):
    assert step.verdict(slowest_ms=5.0) == verdict


def test_the_proposal_keeps_a_fifth_back():
    assert "OFFHOOK_MAX_CALLS=160" in proposal(200)


def test_nothing_carried_is_no_proposal():
    assert "OFFHOOK_MAX_CALLS" not in proposal(0)


def test_a_row_of_the_table():
    assert row(step()).split() == ["10", "12.5", "1.00", "1.00", "1.00", "1.00", "0"]
