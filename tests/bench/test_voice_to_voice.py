import pytest

from agent.phone.recording import Talk
from bench.voice_to_voice import Exchange, exchange, summary


@pytest.mark.parametrize(
    ("loud", "seconds", "cut_off", "answer"),
    [
        ([], None, False, None),
        ([4.0], None, False, None),
        ([4.0, 7.0, 7.5], 1.0, False, Talk(7.0, 7.52)),
        ([5.5, 7.0], None, True, Talk(5.5, 7.02)),
    ],
    ids=["nothing", "only before", "an answer", "cut off"],
)
def test_an_exchange(loud, seconds, cut_off, answer):
    result = exchange("What?", began=5.0, ended=6.0, loud=loud)
    assert result == Exchange("What?", 6.0, seconds, cut_off, answer)


def test_a_summary():
    talk = Talk(7.0, 8.0)
    result = summary(
        [
            Exchange("a", 6.0, 1.0, False, talk),
            Exchange("b", 6.0, 2.0, False, talk),
            Exchange("c", 6.0, None, True, talk),
            Exchange("d", 6.0, None, False, None),
        ]
    )
    assert (result["questions"], result["cut_offs"], result["unanswered"]) == (4, 1, 1)
    assert result["voice_to_voice_ms"]["max"] == 2000
