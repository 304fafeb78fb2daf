import numpy as np
import pytest

from agent.phone import ulaw
from bench.servers.models import tone
from bench.speech_corpus import (
    RATE,
    SPEAKERS,
    Kind,
    Sound,
    at_peak,
    edges,
    fingerprint,
    hummed,
    joined,
    last_loud,
    noises,
    read,
    trimmed,
    write,
)

QUIET = np.zeros(RATE)
PACKET = ulaw.from_pcm(tone(440, RATE))[:160]
NO_PACKET = ulaw.SILENCE * 160


def loud(seconds: float) -> np.ndarray:
    return 8000 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * RATE)) / RATE)


@pytest.mark.parametrize(
    ("before", "sound", "after"),
    [(0.0, 0.5, 0.0), (0.3, 0.5, 0.2), (0.1, 0.02, 0.9)],
)
def test_an_end_is_exact_to_a_hop(before, sound, after):
    samples = joined(QUIET[: int(before * RATE)], 0, loud(sound))
    samples = joined(samples, after, QUIET[:0])
    begin, end = edges(samples)
    assert begin / RATE == pytest.approx(before, abs=0.005)
    assert end / RATE == pytest.approx(before + sound, abs=0.005)


def test_silence_has_no_edges():
    assert edges(QUIET) == (0, 0)
    assert len(trimmed(QUIET)) == 0


def test_a_pause_is_as_long_as_it_is_said_to_be():
    samples = joined(loud(0.5), 0.7, loud(0.3))
    assert len(samples) == int(1.5 * RATE)
    assert not samples[RATE // 2 : int(1.2 * RATE)].any()


@pytest.mark.parametrize(("decibels", "peak"), [(0, 32767), (-6, 16422), (-20, 3277)])
def test_levels_are_peaks(decibels, peak):
    assert np.max(np.abs(at_peak(loud(0.1), decibels))) == pytest.approx(peak, abs=1)


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_a_hum_is_as_long_as_a_backchannel(speaker):
    samples = trimmed(at_peak(hummed(speaker.hum), speaker.peak))
    assert 0.2 <= len(samples) / RATE <= 0.5


def test_every_noise_can_be_heard_and_is_the_same_each_time():
    made = [list(noises(np.random.default_rng(1), [loud(1.0)])) for _ in range(2)]
    assert len(made[0]) >= 20
    for (sound, samples), (again, same) in zip(*made, strict=True):
        assert sound == again
        assert sound.seconds > 0
        assert np.array_equal(samples, same)


def test_a_corpus_is_kept_until_its_version_changes(tmp_path):
    sound = Sound("paused-00", Kind.PAUSED, "I'd like", 1.5, (0.5, 1.2))
    folder = tmp_path / "corpus"
    assert read(folder, "1") is None
    write([(sound, joined(loud(0.5), 0.7, loud(0.3)))], folder, "1")
    assert read(folder, "1") == [sound]
    assert read(folder, "2") is None


@pytest.mark.parametrize(
    ("spoken", "number"),
    [
        (PACKET, 0),
        (PACKET * 3, 2),
        (PACKET * 3 + NO_PACKET * 5, 2),
        (PACKET + NO_PACKET * 5 + PACKET, 6),
        (PACKET * 2 + PACKET[:100], 2),
    ],
)
def test_the_last_loud_packet(spoken, number):
    assert last_loud(spoken) == number


def test_a_fingerprint_is_of_the_sound_and_not_of_the_silence_around_it():
    chance = np.random.default_rng(1)
    one, other = (chance.normal(0, 3000, 4000).astype("<i2").tobytes() for _ in "ab")
    assert fingerprint(bytes(640) + one + bytes(320)) == fingerprint(one)
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(b"") == ""
