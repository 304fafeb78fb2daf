import time

import pytest
from pytest import approx

from agent.conversation.stopwatch import Stopwatch


def stop(watch: Stopwatch, silence: float = 0.5) -> float:
    """When his voice ended: so long ago."""
    now = time.monotonic()
    watch.caller_stopped(now - silence, now)
    return now - silence


def test_a_reply_is_taken_apart_once():
    watch = Stopwatch()
    ended = stop(watch)
    watch.transcribed(0.3)
    watch.asked()
    watch.first_token()
    watch.first_token()
    watch.first_audio(0.1)
    watch.first_audio(0.9)
    watch.replied()
    watch.heard(ended + 1.25)
    watch.heard(ended + 9.0)
    parts = watch.take()
    assert set(parts) == {"silence", "stt", "llm", "tts", "reply", "heard"}
    assert parts["silence"] == 0.5
    assert parts["tts"] == 0.1
    assert parts["reply"] >= 0.5
    assert parts["heard"] == 1.25
    assert watch.take() == {}


def test_what_a_caller_waits_for():
    watch = Stopwatch()
    assert watch.waiting() is None
    stop(watch, 2.0)
    assert watch.waiting() == ("stt", approx(2.0, abs=0.2))
    watch.asked()
    assert watch.waiting() == ("llm", approx(2.0, abs=0.2))
    watch.replied()  # a filler
    watch.heard(time.monotonic())
    assert watch.waiting() == ("llm", approx(2.0, abs=0.2))
    watch.first_token()
    assert watch.waiting() == ("tts", approx(2.0, abs=0.2))
    watch.replied()
    assert watch.waiting() is None


@pytest.mark.parametrize("nobody", [Stopwatch.nothing_said, Stopwatch.no_answer])
def test_who_is_told_that_there_is_no_answer_waits_for_none(nobody):
    watch = Stopwatch()
    stop(watch)
    watch.asked()
    nobody(watch)
    assert watch.waiting() is None


def test_a_greeting_answers_nobody():
    watch = Stopwatch()
    watch.first_token()
    watch.first_audio(0.1)
    watch.replied()
    watch.heard(time.monotonic())
    assert watch.take() == {"tts": 0.1}


def test_an_answer_that_was_never_heard_has_no_time_of_it():
    watch = Stopwatch()
    stop(watch)
    watch.asked()
    watch.replied()
    assert set(watch.take()) == {"silence", "reply"}
    watch.heard(time.monotonic())
    assert watch.take() == {}


def test_what_was_no_words_is_not_answered_by_the_next_line():
    watch = Stopwatch()
    watch.transcribed(0.2)
    stop(watch)
    watch.nothing_said()
    watch.first_audio(0.1)
    watch.replied()
    watch.heard(time.monotonic())
    assert watch.take() == {"tts": 0.1}


def test_an_interrupted_turn_does_not_take_the_parts_of_the_answer_to_come():
    watch = Stopwatch()
    ended = stop(watch, 0.4)
    watch.asked()
    watch.replied()
    watch.heard(ended + 1)
    watch.transcribed(0.3)  # while we still speak: of what interrupts us
    stop(watch, 0.6)
    interrupted = watch.take()
    assert interrupted["silence"] == 0.4
    assert interrupted["heard"] == 1.0
    assert "stt" not in interrupted
    watch.replied()
    answer = watch.take()
    assert answer["silence"] == 0.6
    assert answer["stt"] == 0.3


def test_the_decoding_of_one_turn_is_not_told_of_the_next():
    watch = Stopwatch()
    watch.transcribed(0.3)
    stop(watch)
    watch.replied()
    assert watch.take()["stt"] == 0.3
    stop(watch)
    watch.replied()
    assert "stt" not in watch.take()


def test_a_filler_hides_no_slow_recogniser():
    watch = Stopwatch()
    stop(watch)
    watch.replied()  # "one moment"
    watch.transcribed(4.0)
    assert watch.take()["stt"] == 4.0
