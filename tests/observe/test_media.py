"""The line with which the agent accounts for a call's sound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.observe.media import Media, media

from .logs_of_calls import MEDIA

COUNTED = Media(1000, 20.0, 6.2, 5.1, 640, 12.8, 12.6, 0, 1, 0)


def test_what_is_written_is_read():
    assert f"[WS] {COUNTED}" == MEDIA.partition("agent.session: ")[2]
    assert media(str(COUNTED)) == COUNTED


def test_what_is_odd_is_told_only_where_it_is():
    odd = Media(*(0,) * 10, early=3, odd=20, late=1.04)
    assert str(odd).endswith("; garbage 0; early 3; odd 20; late 1.0 s")
    assert media(str(odd)).late == 1.0
    assert str(Media(*(0,) * 10, odd=1)).endswith("; garbage 0; odd 1")


@pytest.mark.parametrize("said", ["", "media: in x frames", "media: in 1 frames"])
def test_what_is_no_count(said):
    assert media(said) is None


NUMBERS = st.integers(0, 10**6)
SECONDS = NUMBERS.map(lambda tenths: tenths / 10)


@given(
    st.builds(
        Media,
        *(NUMBERS, SECONDS, SECONDS, SECONDS, NUMBERS, SECONDS, SECONDS),
        *(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, SECONDS),
    )
)
def test_any_count_comes_back(counted):
    assert media(str(counted)) == counted
