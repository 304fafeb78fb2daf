import wave

import numpy as np
import pytest

from agent.phone.sound import SoundError, read


def write(path, samples, rate, channels=1, width=2):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples)
    return path


def test_a_file_at_our_rate_is_left_as_it_is(tmp_path):
    samples = np.arange(1000, dtype="<i2").tobytes()
    assert read(write(tmp_path / "a.wav", samples, 8000)) == samples


def test_any_other_is_made_mono_at_8_khz(tmp_path):
    at = np.arange(24000) / 24000
    tone = (8000 * np.sin(2 * np.pi * 440 * at)).astype("<i2")
    stereo = np.stack([tone, tone], axis=1).tobytes()
    heard = np.frombuffer(read(write(tmp_path / "a.wav", stereo, 24000, 2)), "<i2")
    expected = 8000 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    assert len(heard) == 8000
    assert np.abs(heard - expected)[200:-200].max() < 100


def test_what_cannot_be_played(tmp_path):
    (tmp_path / "text.wav").write_text("hello")
    with pytest.raises(SoundError, match="not a WAV file"):
        read(tmp_path / "text.wav")
    with pytest.raises(SoundError, match="not a WAV file"):
        read(tmp_path / "missing.wav")
    with pytest.raises(SoundError, match="8 bits a sample, expected 16"):
        read(write(tmp_path / "8.wav", b"\x80" * 80, 8000, width=1))
