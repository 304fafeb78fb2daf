import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.phone import stamp, ulaw


@given(st.integers(0, stamp.BASE**4 - 1))
def test_comes_back_as_itself(number):
    written = stamp.write(number, 4)
    assert stamp.read(written) == number
    assert ulaw.from_pcm(ulaw.to_pcm(written)) == written


def test_is_quiet():
    every_digit = bytes(stamp.write(number, 1)[0] for number in range(stamp.BASE))
    assert ulaw.loudness(every_digit) < 250


def test_keeps_the_last_digits():
    assert stamp.read(stamp.write(stamp.BASE**2 + 7, 2)) == 7


@pytest.mark.parametrize("sound", [b"\xff\xff", b"\x7f\xdf", b"\xde\xfe"])
def test_other_sound_is_no_number(sound):
    assert stamp.read(sound) is None
