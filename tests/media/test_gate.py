from hypothesis import given
from hypothesis import strategies as st

from agent.calls.heard import Heard
from agent.media.config import GateConfig
from agent.media.gate import Gate

LOUD, QUIET = -20.0, -80.0
CONFIG = GateConfig(confirm=0.096, pause=0.192, stop=0.48)


def hear(probabilities: str, *, config: GateConfig = CONFIG) -> list[Heard | None]:
    """One character a window: # voiced, + between the thresholds, . silent, q quiet."""
    gate = Gate(config)
    return [
        gate.window(
            {"#": 0.9, "+": 0.42, ".": 0.05, "q": 0.9}[c], QUIET if c == "q" else LOUD
        )
        for c in probabilities
    ]


def news(probabilities: str, **options: GateConfig) -> list[tuple[int, str]]:
    return [
        (window, heard.value)
        for window, heard in enumerate(hear(probabilities, **options))
        if heard
    ]


def test_an_utterance():
    assert news("..####" + "." * 20) == [
        (2, "onset"),
        (4, "speech"),
        (11, "pause"),
        (20, "stop"),
    ]


def test_a_cough_is_taken_back():
    assert news(".##....") == [(1, "onset"), (4, "false alarm")]


def test_one_silent_window_does_not_take_a_suspicion_back():
    assert news("#.##..") == [(0, "onset"), (3, "speech")]


def test_a_caller_who_hesitates_resumes():
    said = news("###" + "." * 8 + "###" + "." * 15)
    assert [what for _, what in said] == [
        "onset",
        "speech",
        "pause",
        "resume",
        "pause",
        "stop",
    ]


def test_long_speech_is_told_once():
    assert news("#" * 60) == [(0, "onset"), (2, "speech"), (24, "long")]


def test_speech_fades_without_ending():
    assert [what for _, what in news("###" + "+" * 20)] == ["onset", "speech"]


def test_what_is_in_between_begins_nothing():
    assert news("+" * 40) == []


def test_quiet_voices_are_not_the_caller():
    assert news("q" * 40) == []


def test_a_hint_moves_the_end_of_this_pause_only():
    gate = Gate(CONFIG)
    said = []
    for number, c in enumerate("###" + "." * 30 + "###" + "." * 20):
        heard = gate.window(0.9 if c == "#" else 0.0, LOUD)
        if heard is Heard.PAUSE and number < 30:
            gate.stop = 0.8
        if heard is Heard.STOP:
            said.append(number)
    assert said == [2 + 25, 33 + 2 + 15]


def test_endless_speech_is_cut():
    said = news("#" * 100, config=GateConfig(longest=1.6))
    assert [what for _, what in said][:4] == ["onset", "speech", "long", "stop"]


FOLLOWS = {
    None: {Heard.ONSET},
    Heard.ONSET: {Heard.SPEECH, Heard.FALSE_ALARM},
    Heard.FALSE_ALARM: {Heard.ONSET},
    Heard.SPEECH: {Heard.LONG, Heard.PAUSE, Heard.STOP},
    Heard.LONG: {Heard.PAUSE, Heard.STOP},
    Heard.PAUSE: {Heard.RESUME, Heard.STOP},
    Heard.RESUME: {Heard.LONG, Heard.PAUSE, Heard.STOP},
    Heard.STOP: {Heard.ONSET},
}


@given(st.text(alphabet="#+.q", max_size=300))
def test_news_come_in_an_order_that_makes_sense(probabilities):
    last = None
    for heard in hear(probabilities):
        if heard is not None:
            assert heard in FOLLOWS[last]
            last = heard


@given(st.text(alphabet="#+.q", max_size=300))
def test_a_stop_is_always_preceded_by_a_pause_that_nothing_followed(probabilities):
    """The transcriber has decoded the whole utterance when the stop comes."""
    said = [heard for heard in hear(probabilities) if heard is not None]
    for before, heard in zip(said, said[1:], strict=False):
        if heard is Heard.STOP:
            assert before is Heard.PAUSE
