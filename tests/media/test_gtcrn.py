from pathlib import Path

import numpy as np
import pytest

from agent.media.audio import DECODE, Resampler
from agent.media.gtcrn import DELAY, Gtcrn

SPEECH = DECODE["ulaw"](
    (Path(__file__).parents[1] / "data" / "question.ulaw").read_bytes()
)


@pytest.fixture(scope="module")
def gtcrn(models_folder):
    return Gtcrn(models_folder / "gtcrn")


def cleaned(gtcrn, pcm, rate, milliseconds=20):
    stream, size = gtcrn.stream(rate), 2 * rate * milliseconds // 1000
    frames = [pcm[at : at + size] for at in range(0, len(pcm), size)]
    out = [stream.clean(frame) for frame in frames]
    assert [len(frame) for frame in out] == [len(frame) for frame in frames]
    return b"".join(out)


def lag(early: bytes, late: bytes) -> int:
    first, second = (np.frombuffer(pcm, "<i2").astype(float) for pcm in (early, late))
    return int(np.correlate(second, first, "full").argmax()) - len(first) + 1


@pytest.mark.models
@pytest.mark.parametrize("milliseconds", [10, 20, 30])
def test_speech_comes_out_as_it_was_a_little_later(gtcrn, milliseconds):
    out = cleaned(gtcrn, SPEECH, 8000, milliseconds)
    assert lag(SPEECH, out) == pytest.approx(DELAY * 8000, abs=2)
    assert np.std(np.frombuffer(out, "<i2")) > 0.8 * np.std(
        np.frombuffer(SPEECH, "<i2")
    )


@pytest.mark.models
def test_wideband_as_well(gtcrn):
    wide = Resampler(16000).resample(SPEECH, 8000)
    assert lag(wide, cleaned(gtcrn, wide, 16000)) == pytest.approx(512, abs=4)


@pytest.mark.models
def test_noise_is_gone(gtcrn):
    noise = np.random.default_rng(1).normal(0, 500, 8000 * 3).astype("<i2")
    out = np.frombuffer(cleaned(gtcrn, noise.tobytes(), 8000), "<i2")
    assert out[8000:].std() < 0.2 * 500


@pytest.mark.models
def test_streams_do_not_hear_each_other(gtcrn):
    alone = cleaned(gtcrn, SPEECH, 8000)
    other, out, mine = gtcrn.stream(8000), b"", gtcrn.stream(8000)
    for at in range(0, len(SPEECH), 320):
        other.clean(bytes(range(256)) + bytes(64))
        out += mine.clean(SPEECH[at : at + 320])
    assert out == alone


@pytest.mark.models
def test_other_rates(gtcrn):
    with pytest.raises(ValueError, match="44100"):
        gtcrn.stream(44100)
