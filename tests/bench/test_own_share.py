import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.own_share import Answer, name_of, silence, uncovered, wait, waits
from bench.servers.models import answer_to

times = st.floats(0, 10)
spans = st.tuples(times, times).map(lambda pair: (min(pair), max(pair)))


@pytest.mark.parametrize(
    ("covered", "left"),
    [
        ([], 10),
        ([(0, 10)], 0),
        ([(2, 4)], 8),
        ([(2, 4), (3, 6)], 6),
        ([(3, 6), (2, 4)], 6),
        ([(2, 9), (3, 4)], 3),
        ([(-5, 1), (9, 20)], 8),
        ([(-5, -1), (12, 20)], 10),
    ],
)
def test_what_nobody_else_was_busy_with(covered, left):
    assert uncovered((0, 10), covered) == pytest.approx(left)


@given(st.lists(spans), spans)
def test_more_to_wait_for_never_leaves_more(covered, another):
    left = uncovered((0, 10), covered)
    assert -1e-9 <= uncovered((0, 10), [*covered, another]) <= left + 1e-9


def test_one_after_the_other():
    answer = Answer(ended=0, arrived=0.95, heard=0.96)
    one = wait("a", 1, answer, 0.5, (0.22, 0.32), (0.52, 0.67), (0.68, 0.94))
    assert one.own == pytest.approx(20 + 10 + 10)
    assert one.voice_to_voice == 950
    assert one.after == pytest.approx(
        {"last packet": 220, "ears": 200, "mind": 10, "voice": 10}
    )


def test_work_that_is_done_during_the_silence_is_nobodys_share():
    answer = Answer(ended=0, arrived=0.5, heard=0.51)
    one = wait("a", 1, answer, 0.45, (0.1, 0.2), (0.2, 0.35), (0.36, 0.44))
    assert one.own == pytest.approx(50)


class Alpha:
    name = "alpha-bravo"
    fingerprint = "01f2"

    def __init__(self, *answers: Answer | None) -> None:
        self.answers = list(answers)


def said(what: str, text: str, asked: float, began: float) -> dict[str, object]:
    return {"what": what, "text": text, "asked": asked, "began": began}


RECORD = {
    "turns": [
        {"speaker": "caller", "text": "Alpha bravo delta", "latency": {}},
        {
            "speaker": "agent",
            "text": "Alpha bravo charlie is ready.",
            "latency": {"silence": 0.5},
        },
        {"speaker": "agent", "text": "Alpha bravo delta is ready.", "latency": {}},
    ]
}
EARS = [
    {"of": "01f2", "asked": 10.2, "began": 10.3},
    {"of": "77aa", "asked": 10.3, "began": 10.4},
]
MODELS = [
    said("mind", "alpha bravo charlie is ready.", 10.51, 10.66),
    said("voice", "Alpha bravo charlie is ready.", 10.67, 10.75),
    said("mind", "alpha charlie charlie is ready.", 10.52, 10.67),
]
ANSWER = Answer(ended=10, arrived=10.76, heard=10.78)


def test_a_turn_is_put_together_from_what_all_sides_noted():
    (one,) = waits(Alpha(None, ANSWER), RECORD, EARS, MODELS)
    assert (one.call, one.turn, one.silence) == ("alpha-bravo", 1, 500)
    assert one.own == pytest.approx(10 + 10 + 10)


@pytest.mark.parametrize(
    ("answers", "record", "ears", "models"),
    [
        ([ANSWER], RECORD, EARS, MODELS),
        ([ANSWER, None], RECORD, EARS, MODELS),
        ([None, ANSWER], {"turns": []}, EARS, MODELS),
        ([None, ANSWER], RECORD, EARS[1:], MODELS),
        ([None, ANSWER], RECORD, EARS, MODELS[:1]),
        ([None, ANSWER], RECORD, EARS, MODELS[1:]),
    ],
    ids=["first turn", "unanswered", "no record", "no ears", "no voice", "no mind"],
)
def test_a_turn_of_which_something_is_not_known_is_left_out(
    answers, record, ears, models
):
    assert waits(Alpha(*answers), record, ears, models) == []


@pytest.mark.parametrize(
    ("opening", "seconds"),
    [
        ("alpha bravo charlie", 0.5),
        ("alpha bravo delta", None),
        ("alpha bravo echo", None),
    ],
)
def test_the_silence_is_the_records(opening, seconds):
    assert silence(RECORD, opening) == seconds


def test_every_call_and_turn_has_an_answer_of_its_own():
    answers = set()
    for number in range(60):
        prompt = {"role": "system", "content": f'You are called "{name_of(number)}".'}
        for turns in range(1, 20):
            users = [{"role": "user", "content": "x"}] * turns
            answers.add(answer_to([prompt, *users]))
    assert len(answers) == 60 * 19
