import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.playout import Playout


def test_sends_ahead_then_waits():
    playout = Playout()
    playout.sent(3.0, now=10.0)
    assert playout.wait(now=10.0, ahead=1.0) == 2.0
    assert playout.wait(now=12.5, ahead=1.0) == 0.0
    assert playout.heard(now=12.5) == 2.5


def test_silence_between_utterances_is_not_playout():
    playout = Playout()
    playout.sent(1.0, now=0.0)
    playout.sent(1.0, now=60.0)
    assert playout.unheard(now=60.5) == 0.5
    assert playout.heard(now=60.5) == 1.5


def test_a_flush_forgets_what_was_queued():
    playout = Playout()
    playout.sent(18.0, now=0.0)
    playout.flushed(now=2.0)
    assert playout.unheard(now=2.0) == 0.0
    assert playout.heard(now=9.0) == 2.0


def test_the_clock_stands_still_while_paused():
    playout = Playout()
    playout.sent(2.0, now=0.0)
    playout.paused(now=0.5)
    assert playout.unheard(now=30.0) == 1.5
    assert playout.wait(now=30.0, ahead=9.0) is None
    playout.sent(1.0, now=30.0)
    playout.continued(now=40.0)
    assert playout.unheard(now=41.0) == 1.5
    assert playout.heard(now=41.0) == 1.5


def test_a_flush_does_not_end_a_pause():
    playout = Playout()
    playout.paused(now=0.0)
    playout.flushed(now=0.0)
    playout.sent(1.0, now=0.0)
    assert playout.unheard(now=9.0) == 1.0


def test_waits_without_end_while_asterisk_says_stop_but_goes_on_playing():
    playout = Playout()
    playout.sent(18.0, now=0.0)
    playout.hold()
    assert playout.wait(now=1.0, ahead=99.0) is None
    assert playout.unheard(now=1.0) == 17.0
    playout.release()
    assert playout.wait(now=1.0, ahead=99.0) == 0.0


@pytest.mark.parametrize(
    ("told", "unheard", "heard"),
    [(0.0, 0.0, 3.0), (2.5, 2.5, 0.5), (99.0, 3.0, 0.0), (-1.0, 0.0, 3.0)],
)
def test_a_correction_is_believed_within_reason(told, unheard, heard):
    playout = Playout()
    playout.sent(3.0, now=0.0)
    playout.corrected(told, now=1.0)
    assert playout.unheard(now=1.0) == unheard
    assert playout.heard(now=1.0) == heard


SECONDS = st.floats(0, 60)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["sent", "flushed", "paused", "continued", "corrected", "hold"]
        ),
        SECONDS,
        SECONDS,
    ),
    max_size=30,
)


@given(STEPS)
def test_unheard_and_heard_stay_between_nothing_and_all(steps):
    playout, now, total = Playout(), 0.0, 0.0
    for step, seconds, gap in steps:
        match step:
            case "sent":
                playout.sent(seconds, now)
                total += seconds
            case "corrected":
                playout.corrected(seconds, now)
            case "hold":
                playout.hold()
            case _:
                getattr(playout, step)(now)
        for later in (now, now + gap):
            assert 0.0 <= playout.unheard(later) <= total + 1e-6
            assert 0.0 <= playout.heard(later) <= total + 1e-6
            assert playout.unheard(later) + playout.heard(later) <= total + 1e-6
            wait = playout.wait(later, ahead=1.0)
            assert wait is None or 0.0 <= wait <= playout.unheard(later)
        now += gap


@given(st.lists(st.tuples(st.booleans(), SECONDS, st.floats(0, 5)), max_size=30))
def test_pausing_loses_nothing(steps):
    """With or without pauses, all that was sent is heard in the end."""
    playout, now, total = Playout(), 0.0, 0.0
    for pause, seconds, gap in steps:
        (playout.paused if pause else playout.continued)(now)
        playout.sent(seconds, now)
        total += seconds
        before = playout.heard(now)
        assert playout.heard(now + gap) >= before - 1e-9
        if pause:
            assert playout.heard(now + gap) == pytest.approx(before)
        now += gap
    playout.continued(now)
    assert playout.heard(now + total) == pytest.approx(total)


@given(st.floats(0.1, 60), st.floats(0, 5))
def test_after_the_wait_there_is_room(seconds, ahead):
    playout = Playout()
    playout.sent(seconds, now=0.0)
    wait = playout.wait(now=0.0, ahead=ahead)
    assert wait is not None
    assert playout.unheard(now=wait) <= ahead + 1e-9
