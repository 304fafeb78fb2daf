from pathlib import Path

import numpy as np
import pytest

from agent.conversation.config import WhisperConfig
from agent.conversation.whisper import RATE, Whisper, cut
from agent.media.audio import DECODE

SPEECH = DECODE["ulaw"](
    (Path(__file__).parents[1] / "data" / "question.ulaw").read_bytes()
)

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def whisper(models_folder):
    whisper = Whisper(WhisperConfig(models_folder / "whisper-base"))
    yield whisper
    whisper.close()


async def test_understands_a_caller(whisper):
    heard = await whisper.transcribe(SPEECH, 8000, "en-GB")
    assert heard.text.lower().strip("?.") == "what are your opening hours"
    assert heard.language == "en"


def test_recognises_the_language(whisper):
    assert whisper.decode(SPEECH, 8000, "auto").language == "en"


def test_silence_says_nothing_long(whisper):
    """Whisper likes to thank silence for watching; a gate stands before it."""
    assert len(whisper.decode(bytes(16000), 8000, "en").text) < 20


def test_noise_does_not_loop(whisper):
    noise = np.random.default_rng(1).integers(-3000, 3000, 16000, np.int16)
    assert len(whisper.decode(noise.tobytes(), 8000, "en").text) < 60


def test_long_speech_is_cut_where_it_is_quiet():
    rng = np.random.default_rng(2)
    speech = rng.standard_normal(RATE * 30).astype(np.float32)
    speech[RATE * 10 : RATE * 10 + RATE // 2] = 0
    parts = cut(speech, 12)
    assert np.array_equal(np.concatenate(parts), speech)
    assert all(len(part) <= 12 * RATE for part in parts)
    assert RATE * 10 < len(parts[0]) < RATE * 10.5


def test_speech_longer_than_the_window_is_decoded_in_parts(whisper):
    heard = whisper.decode((SPEECH + bytes(8000)) * 8, 8000, "en").text.lower()
    assert heard.count("what are your opening hours") >= 2


def test_tiny_english_knows_no_other_language(models_folder):
    whisper = Whisper(WhisperConfig(models_folder / "whisper-tiny.en", threads=1))
    assert whisper.decode(SPEECH, 8000, "fr").language == "en"
    whisper.close()
