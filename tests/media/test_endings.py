import asyncio
from pathlib import Path

import numpy as np
import pytest

from agent.media.audio import DECODE
from agent.media.endings import Endings

SPEECH = DECODE["ulaw"](
    (Path(__file__).parents[1] / "data" / "question.ulaw").read_bytes()
)

pytestmark = pytest.mark.models


@pytest.fixture
def endings(models_folder):
    endings = Endings(models_folder / "smart-turn-v3.2" / "smart-turn-v3.2-cpu.onnx")
    yield endings
    endings.close()


def test_a_question_that_is_over(endings):
    assert endings.judge(SPEECH, 8000) > 0.7


@pytest.mark.parametrize("seconds", [0.1, 7.99, 8, 30])
def test_any_length_and_rate(endings, seconds):
    rng = np.random.default_rng(3)
    for rate in (8000, 16000):
        noise = rng.integers(-500, 500, int(seconds * rate), np.int16).tobytes()
        assert 0 <= endings.judge(noise, rate) <= 1


def test_features_are_those_of_the_reference(endings):
    """pipecat's own, which copies the ones that the model was trained with."""
    from pipecat.audio.turn.smart_turn._whisper_features import (
        compute_whisper_log_mel_features,
    )

    seen = []

    class Session:
        def run(self, _, inputs):
            seen.append(inputs["input_features"][0])
            return [np.zeros((1, 1), np.float32)]

    endings._session = Session()
    noise = np.random.default_rng(4).integers(-5000, 5000, 64000, np.int16)
    endings.judge(noise.tobytes(), 16000)
    padded = np.pad(noise / 32768, (64000, 0)).astype(np.float32)
    assert np.abs(seen[0] - compute_whisper_log_mel_features(padded)).max() < 1e-3


async def test_when_all_pause_at_once_some_are_not_asked(endings):
    answers = await asyncio.gather(*(endings.finished(SPEECH, 8000) for _ in range(9)))
    assert sum(answer is None for answer in answers) == 5
    assert await endings.finished(SPEECH, 8000) is not None
