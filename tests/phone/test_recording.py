import wave

import pytest

from agent.phone.ear import Heard
from agent.phone.recording import Recording, Talk, between, place, talks
from agent.phone.ulaw import FRAME, RATE, SILENCE

LOUD = b"\x00\x20\x00\xe0" * (RATE // 2)
"""One second."""
QUIET = b"\0\0" * RATE


def packets(*at, timestamp=1000):
    """Frames that arrived then, and whose timestamps are 20 ms apart."""
    return [Heard(t, b"x" * FRAME, timestamp + n * FRAME) for n, t in enumerate(at)]


@pytest.mark.parametrize(
    ("heard", "begins"),
    [
        (packets(), []),
        (packets(0.0, 0.02, 0.04), [0.0, 0.02, 0.04]),
        (packets(0.5, 0.53, 0.535), [0.5, 0.52, 0.54]),  # jitter is smoothed
        (packets(0.0, 0.02) + packets(1.0, timestamp=9000), [0.0, 0.02, 1.0]),
        (packets(0.0, 0.02) + packets(1.0, timestamp=77), [0.0, 0.02, 1.0]),
        (packets(-0.05, -0.03, -0.01, 0.01), [0.01]),  # before the answer
    ],
)
def test_where_packets_belong(heard, begins):
    expected = bytearray()
    for begin in begins:
        expected += SILENCE * (round(begin * RATE) - len(expected)) + b"x" * FRAME
    assert place(heard) == expected


def test_packets_that_overtook_each_other():
    first, second, third = packets(0.0, 0.021, 0.02)
    assert place([first, third, second]) == b"x" * 3 * FRAME


def test_talks_are_cut_at_pauses():
    short = QUIET[: 2 * 12 * FRAME]
    pcm = QUIET + LOUD + short + LOUD + QUIET + LOUD
    assert talks(pcm) == [Talk(1.0, 3.24), Talk(4.24, 5.24)]
    assert talks(QUIET) == talks(b"") == []
    assert between(pcm, Talk(1.0, 2.0)) == LOUD


def test_a_stereo_file(tmp_path):
    path = tmp_path / "call.wav"
    Recording(caller=LOUD, agent=QUIET + LOUD).save(path)
    with wave.open(str(path)) as file:
        assert file.getparams()[:4] == (2, 2, RATE, 2 * RATE)
        both = file.readframes(2 * RATE)
    left = b"".join(both[at : at + 2] for at in range(0, len(both), 4))
    right = b"".join(both[at : at + 2] for at in range(2, len(both), 4))
    assert (left, right) == (LOUD + QUIET, QUIET + LOUD)
