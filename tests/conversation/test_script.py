import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.conversation.script import Script

ANSWER = "We are open from nine to five, but never on a Sunday."


def script(*parts: str) -> Script:
    made = Script("en")
    for part in parts:
        made.begin(part)
    return made


def test_what_is_left_of_an_answer():
    made = script()
    made.begin()
    for word in ANSWER.split():
        made.add(word + " ")
    made.cut()
    assert made.interrupted("We are open") == ANSWER


def test_nothing_is_left_of_what_was_heard_whole():
    made = script("Hello  there.")
    made.cut()
    assert made.interrupted("Hello there.") == ""


def test_what_was_heard_before_is_no_part_of_it():
    made = script("Hello there.", ANSWER)
    made.heard("Hello there.")
    made.cut()
    assert made.interrupted("We are") == ANSWER


def test_a_turn_that_is_told_late_is_no_part_of_it_either():
    made = script("Hello there.", ANSWER)
    made.cut()
    made.heard("Hello there.")
    assert made.interrupted("We are") == ANSWER


def test_what_comes_after_the_interruption_belongs_to_the_next_turn():
    made = script(ANSWER)
    made.cut()
    made.begin("Sorry, go ahead.")
    assert made.interrupted("We are") == ANSWER
    made.cut()
    assert made.interrupted("Sorry,") == "Sorry, go ahead."


def test_what_was_to_follow_is_part_of_it():
    made = script(ANSWER, "Are you still there?")
    made.cut()
    assert made.interrupted("We are") == f"{ANSWER} Are you still there?"


def test_an_interruption_before_a_word_leaves_no_trace():
    made = script("One that nobody heard.")
    made.cut()
    made.begin(ANSWER)
    made.cut()
    assert made.interrupted("We are") == ANSWER


@pytest.mark.parametrize("late", [False, True])
def test_two_that_begin_alike_are_told_apart(late):
    made = script("Hello.", "Hello. Who is there?")
    if late:
        made.cut()
    made.heard("Hello.")
    made.cut()
    assert made.interrupted("Hello.") == "Hello. Who is there?"


def test_thoughts_are_not_said():
    made = script(f"{ANSWER}\n<think>He wants hours.</think>")
    made.cut()
    assert made.interrupted("We are") == ANSWER


def test_the_end_of_a_call_is_an_interruption_too():
    assert script(ANSWER).interrupted("We are") == ANSWER


@given(st.lists(st.text("ab ", min_size=1), max_size=5), st.text("ab "))
def test_whatever_happens_it_is_empty_afterwards(parts, text):
    made = script(*parts)
    made.interrupted(text)
    assert made.interrupted("") == ""
