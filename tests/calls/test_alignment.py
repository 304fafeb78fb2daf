import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.calls.alignment import TOLERANCE, call_time, gaps
from agent.calls.record import Gap


@pytest.mark.parametrize(
    ("recorded", "lasted", "ai_until", "found"),
    [
        (60.0, 60.0, 60.0, ()),
        (60.0, 60.4, 60.0, ()),
        (60.3, 60.0, 60.0, ()),
        (24.56, 28.52, 17.5, (Gap(17.5, pytest.approx(3.96)),)),
        (5.0, 20.0, 9.0, (Gap(5.0, 15.0),)),
        (0.0, 20.0, -1.0, (Gap(0.0, 20.0),)),
    ],
)
def test_gaps(recorded, lasted, ai_until, found):
    assert gaps(recorded, lasted, ai_until) == found


@pytest.mark.parametrize(
    ("at", "there", "times"),
    [
        (12.0, (), (12.0, 12.0)),
        (12.0, (Gap(17.5, 4.0),), (12.0, 12.0)),
        (21.56, (Gap(17.5, 3.96),), (21.56, pytest.approx(25.52))),
        (30.0, (Gap(10.0, 1.0), Gap(20.0, 2.0), Gap(40.0, 4.0)), (30.0, 33.0)),
    ],
)
def test_call_time(at, there, times):
    assert call_time(at, there) == times


SECONDS = st.floats(0, 86400)


@given(SECONDS, SECONDS, SECONDS, SECONDS)
def test_no_time_is_outside_of_the_call(recorded, missing, ai_until, at):
    lasted, at = recorded + missing, min(at, recorded)
    earliest, latest = call_time(at, gaps(recorded, lasted, ai_until))
    assert at == earliest <= latest <= lasted + TOLERANCE
