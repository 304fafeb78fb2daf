import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.conversation.repetition import LEAST, repeats


@pytest.mark.parametrize(
    "text",
    [
        "thank you " * 10,
        "Well then. " + "I am sorry, I did not understand that. " * 4,
        "0" * 90,
        "Hello. " + "ha" * 60,
    ],
)
def test_said_over_and_over(text):
    assert repeats(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no no no no",
        "The number is 0 0 0 0 0 0 0 0 4 2.",
        "ha ha ha ha ha ha ha",
        "I can do Monday at nine, Monday at ten, Monday at eleven, Monday at twelve.",
        "I am sorry, I did not understand that. " * 3,
        "thank you " * 10 + "and goodbye.",
    ],
)
def test_said_as_people_say_it(text):
    assert not repeats(text)


@given(st.text(min_size=1, max_size=30), st.text(max_size=50))
def test_whatever_is_repeated_long_enough_is_found(phrase, before):
    times = 4 + LEAST // len(phrase) + 1
    assert repeats(before + phrase * times)
