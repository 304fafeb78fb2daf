"""Scripts of frames, 20 ms each, as (seconds, root mean square)."""

import pytest

from agent.media.loudness import Loudness


def sound(level: int) -> bytes:
    """A frame that is as loud as that."""
    return level.to_bytes(2, "big")


def level_of(frame: bytes) -> int:
    return int.from_bytes(frame, "big")


def script(*parts: tuple[float, int]) -> tuple[Loudness, float]:
    """And when the last of them came."""
    loudness, frame = Loudness(level_of), 0
    for seconds, level in parts:
        for _ in range(round(seconds / 0.02)):
            frame += 1
            loudness.frame(sound(level), 0.02, frame * 0.02)
    return loudness, frame * 0.02


@pytest.mark.parametrize("late", [-0.12, -0.03, 0.0, 0.03, 0.2, 0.35])
@pytest.mark.parametrize("noise", [0, 20, 150, 600])
def test_the_end_is_to_the_frame_whenever_the_detector_lets_go(late, noise):
    loudness, now = script((1.0, 3000), (0.6, noise))
    assert loudness.ended(1.0 + late, now) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("parts", "end"),
    [
        ([(1.0, 3000), (0.1, 500), (0.5, 10)], 1.1),  # a soft last consonant
        ([(1.0, 3000), (0.1, 150), (0.5, 10)], 1.0),  # a breath
        ([(1.0, 3000), (0.3, 10), (0.02, 2000), (0.3, 10)], 1.0),  # a click after it
        ([(1.0, 3000), (0.5, 2500)], 1.0),  # a radio: nothing is louder than the line
        ([(1.0, 3000)], 1.0),  # then no frame came at all
    ],
)
def test_the_end_of_a_voice(parts, end):
    loudness, now = script(*parts)
    assert loudness.ended(1.0, max(now, 1.5)) == pytest.approx(end)


def test_without_a_frame_it_is_the_detectors_word():
    assert Loudness(level_of).ended(3.2, 3.7) == 3.2


@pytest.mark.parametrize("stall", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("until", [1.1, 1.3])
def test_frames_that_come_in_a_heap_were_there_before(stall, until):
    """This process stood still, and read afterwards what had come meanwhile."""
    loudness = Loudness(level_of)
    for frame in range(1, 81):
        at = frame * 0.02
        late = until if until - stall <= at <= until else at
        loudness.frame(sound(3000 if frame <= 50 else 0), 0.02, late)
    assert loudness.ended(1.0, 1.6) == pytest.approx(1.0)


def test_a_gap_moves_nothing():
    """A phone that suppresses silence: the frame after the gap is no earlier word."""
    loudness = Loudness(level_of)
    for frame in range(1, 51):
        loudness.frame(sound(3000), 0.02, frame * 0.02)
    loudness.frame(sound(0), 0.02, 1.9)
    assert loudness.ended(1.0, 2.0) == pytest.approx(1.0)
