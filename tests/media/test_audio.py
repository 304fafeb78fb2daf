import numpy as np
import pytest

from agent.media.audio import DECODE, ENCODE, Resampler

SINE = (
    (8000 * np.sin(2 * np.pi * 300 * np.arange(8000) / 8000)).astype(np.int16).tobytes()
)


@pytest.mark.parametrize("name", ["ulaw", "alaw"])
def test_companding_keeps_the_sound(name):
    back = np.frombuffer(DECODE[name](ENCODE[name](SINE)), np.int16).astype(float)
    noise = back - np.frombuffer(SINE, np.int16)
    assert np.abs(noise).max() < 300


def test_a_byte_too_many_is_dropped():
    assert DECODE["slin"](b"\1\2\3") == b"\1\2"


def test_resampling_a_stream_loses_no_sample():
    whole = Resampler(16000)
    out = b"".join(
        whole.resample(SINE[at : at + 320], 8000) for at in range(0, 16000, 320)
    )
    assert len(out) < 2 * len(SINE)
    assert len(out + whole.rest()) == 2 * len(SINE)
    assert whole.rest() == b""


def test_the_same_rate_is_passed_on_as_it_is():
    same = Resampler(8000)
    assert same.resample(SINE, 8000) is SINE
    assert same.rest() == b""
