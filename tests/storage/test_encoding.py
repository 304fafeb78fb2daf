import hashlib
import io
import wave

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.storage import encoding
from agent.storage.encoding import EncodingError, Format, encode, made_of
from agent.storage.wav import Measured

ENCODED = [Format.FLAC, Format.OPUS, Format.MP3]


def spoken(samples: int, rate: int = 8000) -> tuple[bytes, Measured]:
    """A tone that swells, which no codec can guess, and what there is to say of it."""
    time = np.arange(samples) / rate
    pcm = np.sin(2 * np.pi * 440 * time) * np.sin(2 * np.pi * 3 * time) * 9000
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(pcm.astype("<i2").tobytes())
    content = file.getvalue()
    sha256 = hashlib.sha256(content).hexdigest()
    return content, Measured(len(content), samples, rate, sha256)


def samples_of(file) -> np.ndarray:
    return soundfile.read(file, dtype="int16")[0]


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("samples", [1, 160, 16_001, 80_000])
@pytest.mark.parametrize("format", ENCODED)
def test_it_decodes_to_as_many_samples(format, samples, rate):
    content, measured = spoken(samples, rate)
    with encode(io.BytesIO(content), measured, format) as file:
        assert file.tell() == 0
        assert made_of(file) == measured.sha256
        file.seek(0)
        decoded = samples_of(file)
    original = samples_of(io.BytesIO(content))
    assert len(decoded) == samples
    if format is Format.FLAC:
        assert (decoded == original).all()
    elif samples > 8000:
        loud = np.corrcoef(decoded.astype(float), original.astype(float))[0, 1]
        assert loud > 0.9, "it is shifted, or something else"


@given(samples=st.integers(1, 20_000))
@settings(max_examples=15, deadline=None)
def test_flac_loses_nothing_of_any_length(samples):
    content, measured = spoken(samples)
    with encode(io.BytesIO(content), measured, Format.FLAC) as file:
        decoded = samples_of(file)
    assert (decoded == samples_of(io.BytesIO(content))).all()


@pytest.mark.parametrize("format", ENCODED)
def test_what_does_not_decode_to_it_is_found_out(format):
    content, measured = spoken(8000)
    wrong = Measured(measured.bytes, 8001, 8000, measured.sha256)
    with pytest.raises(EncodingError, match="decodes to 8000 samples"):
        encode(io.BytesIO(content), wrong, format)


@pytest.mark.parametrize("content", [b"", b"noise" * 100])
def test_what_is_no_sound_cannot_be_encoded(content):
    with pytest.raises(EncodingError, match="cannot be made into flac"):
        encode(io.BytesIO(content), spoken(1)[1], Format.FLAC)


def test_a_long_one_goes_over_the_disk(monkeypatch):
    monkeypatch.setattr(encoding, "_IN_MEMORY", 1000)
    content, measured = spoken(80_000)
    with encode(io.BytesIO(content), measured, Format.FLAC) as file:
        assert (samples_of(file) == samples_of(io.BytesIO(content))).all()


@pytest.mark.parametrize("content", [b"", b"noise", spoken(100)[0]])
def test_what_says_nothing_of_its_origin(content):
    assert made_of(io.BytesIO(content)) == ""


@pytest.mark.parametrize("format", list(Format))
def test_each_has_its_content_type(format):
    assert format.content_type.startswith("audio/")
