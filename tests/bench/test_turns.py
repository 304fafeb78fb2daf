import pytest

from agent.phone import ulaw
from bench.servers.models import ALPHABET, OTHER, pitch, tone
from bench.speech_corpus import Kind, Sound
from bench.turns import (
    Disturbance,
    Reply,
    Voiced,
    chosen,
    disturbance,
    reply,
    spread,
    summary,
    table,
    word_of,
)

UTTERANCE = Sound("complete-00", Kind.COMPLETE, "Yes.", 0.5)
STOP = Sound("interruption-00", Kind.INTERRUPTION, "Stop.", 0.4)


def recited(begin: float, end: float, word: int = 3) -> list[Voiced]:
    frames = round((end - begin) / 0.02)
    return [Voiced(round(begin + 0.02 * n, 2), word) for n in range(frames)]


def alphabet(*words: int, at: float = 0.0) -> list[Voiced]:
    """Half a second of each."""
    return [
        voiced
        for n, word in enumerate(words)
        for voiced in recited(at + 0.5 * n, at + 0.5 * (n + 1), word)
    ]


@pytest.mark.parametrize("word", ["alpha", "mike", "zulu"])
def test_a_word_is_known_by_its_pitch(word):
    spoken = ulaw.from_pcm(tone(pitch(word), 8000))
    heard = {word_of(spoken[at : at + 160]) for at in range(0, len(spoken), 160)}
    assert heard == {ALPHABET.index(word)}


def test_any_other_word_is_no_word_of_the_alphabet():
    assert pitch("Hello,") == OTHER
    assert word_of(ulaw.from_pcm(tone(OTHER, 8000))[:160]) == -1
    assert word_of(ulaw.SILENCE * 160) is None


@pytest.mark.parametrize(
    ("first", "cut_off", "seconds"),
    [
        (None, False, None),
        (1.5, True, None),
        (2.0, False, 0.0),
        (2.66, False, 0.66),
        (7.0, False, 5.0),
        (7.1, False, None),
    ],
)
def test_an_answer_comes_after_the_end_and_soon(first, cut_off, seconds):
    voiced = [] if first is None else [Voiced(first, -1)]
    result = reply(UTTERANCE, voiced, began=1.0, ended=2.0)
    assert result.cut_off == cut_off
    assert result.seconds == (None if seconds is None else pytest.approx(seconds))
    assert result.missed == (seconds is None and not cut_off)


def test_what_was_said_before_the_question_is_no_answer():
    assert reply(UTTERANCE, [Voiced(0.4, -1)], began=1.0, ended=2.0).missed


@pytest.mark.parametrize(
    ("voiced", "stopped_after", "held"),
    [
        (recited(0, 6), None, 0),
        (recited(0, 2.2) + recited(2.7, 6), None, 0.5),
        (recited(0, 2.2) + recited(2.24, 6), None, 0),
        (recited(0, 2.2), 0.18, 0),
        (recited(0, 1.9), 0, 0),
        (recited(0, 2.2) + recited(2.3, 2.6), 0.58, 0),
        (recited(0, 2.2) + recited(3.0, 6, word=-1), 0.18, 0),
        (recited(0, 2.2) + recited(4.4, 6), 0.18, 0),
    ],
    ids=[
        "went on",
        "held its breath",
        "a frame late",
        "stopped",
        "stopped at once",
        "held its breath, then stopped",
        "stopped and answered",
        "resumed too late",
    ],
)
def test_a_disturbed_speech(voiced, stopped_after, held):
    result = disturbance(STOP, voiced, began=2.0, until=6.0)
    expected = None if stopped_after is None else pytest.approx(stopped_after)
    assert result.stopped_after == expected
    assert result.held == pytest.approx(held)
    assert result.answered == any(v.word == -1 for v in voiced)


@pytest.mark.parametrize(
    ("words", "lost", "repeated"),
    [
        ((0, 1, 2, 3), 0, 0),
        ((0, 2, 3), 0.5, 0),
        ((0, 1, 1, 2, 3), 0, 0.5),
        ((0, 1, 1, 3), 0.5, 0.5),
    ],
)
def test_what_was_lost_and_what_came_twice(words, lost, repeated):
    result = disturbance(STOP, alphabet(*words), began=0.1, until=2.2)
    assert (result.lost, result.repeated) == (lost, repeated)


@pytest.mark.parametrize(
    ("stopped_after", "missed"), [(0.3, False), (1.0, False), (1.1, True), (None, True)]
)
def test_an_interruption_that_takes_too_long_is_missed(stopped_after, missed):
    one = Disturbance("", Kind.INTERRUPTION, "", stopped_after, 0, 0, 0, False)
    assert one.missed == missed


def test_a_summary_counts_each_thing_where_it_belongs():
    done = [
        Reply("a", Kind.COMPLETE, "", False, 0.5),
        Reply("b", Kind.COMPLETE, "", False, None),
        Reply("c", Kind.PAUSED, "", True, None),
        Disturbance("d", Kind.BACKCHANNEL, "", None, 0.4, 0, 0.5, False),
        Disturbance("d", Kind.BACKCHANNEL, "", None, 0.0, 0.04, 0, False),
        Disturbance("e", Kind.NOISE, "", 0.3, 0, 0, 0, False),
        Disturbance("f", Kind.INTERRUPTION, "", 0.2, 0, 0, 0, True),
        Disturbance("g", Kind.INTERRUPTION, "", 1.5, 0, 0, 0, False),
    ]
    result = summary(done)
    assert result["complete"] == {
        "n": 2,
        "cut_offs": 0,
        "missed_ends": 1,
        "latency_ms": {"p50": 500, "p95": 500, "max": 500},
    }
    assert result["paused"]["cut_offs"] == 1
    assert result["backchannel"] == {
        "n": 2,
        "false_interruptions": 0,
        "held": 1,
        "held_ms": {"p50": 400, "p95": 400, "max": 400},
        "words_lost_or_twice": 1,
    }
    assert result["noise"]["false_interruptions"] == 1
    assert (result["interruption"]["missed"], result["interruption"]["n"]) == (1, 2)
    assert "| interruption missed | 1 of 2 |" in table({"ours": result})


def test_nothing_measured_is_told_as_nothing():
    assert spread([]) == {"p50": None, "p95": None, "max": None}


def test_a_shorter_run_has_some_of_each_kind():
    sounds = [Sound(f"{kind}-{n}", kind, "", 1.0) for kind in Kind for n in range(6)]
    names = [sound.name for sound in chosen(sounds, 3)]
    assert names == [
        f"{kind}-{n}" for kind in Kind if kind is not Kind.QUESTION for n in (0, 3)
    ]
