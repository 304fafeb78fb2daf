"""Whether a caller who pauses has finished, by the melody of his voice: smart-turn.

One model for the process, in a thread of its own at a low priority: a decision costs
58 ms of CPU here, 3 of them for its features (docs/performance.md), and nobody's frame
waits for it. A hint, not a rule: it moves the silence that ends an utterance, and when
too many callers pause at once it says nothing and the usual silence holds.
"""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import soxr

RATE = 16000
SECONDS = 8
_LONGEST_QUEUE = 4


class Endings:
    def __init__(self, model: Path, *, nice: int = 5) -> None:
        from faster_whisper.feature_extractor import FeatureExtractor

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
        self._features = FeatureExtractor()
        self._waiting = 0
        self._thread = ThreadPoolExecutor(
            1,
            "endings",
            initializer=os.setpriority,
            initargs=(os.PRIO_PROCESS, 0, nice),
        )

    async def finished(self, pcm: bytes, rate: int) -> float | None:
        """Probability that this was all; None when there is no time to ask."""
        if self._waiting >= _LONGEST_QUEUE:
            return None
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self.judge, pcm, rate)
        finally:
            self._waiting -= 1

    def judge(self, pcm: bytes, rate: int) -> float:
        speech = np.frombuffer(pcm, np.int16)[-SECONDS * rate :].astype(np.float32)
        speech /= 32768
        if rate != RATE:
            speech = soxr.resample(speech, rate, RATE)[-SECONDS * RATE :]
        # The model was trained with the silence in front.
        speech = np.pad(speech, (SECONDS * RATE - len(speech), 0))
        speech = (speech - speech.mean()) / np.sqrt(speech.var() + 1e-7)
        mel = self._features(speech, padding=0)[:, : SECONDS * 100]
        (probability,) = self._session.run(
            None, {"input_features": mel[None].astype(np.float32)}
        )
        return float(probability[0, 0])

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
