"""faster-whisper, loaded once for the process, fed one utterance at a time.

Whisper pads every input to 30 s and its encoder pays for all of it. An utterance on the
telephone is 2 s long: with a window of 12 s it costs a third of the CPU for about one
more word error in a hundred. Shorter inputs sometimes make the decoder repeat itself
without end; such an answer is recognised and the utterance is decoded again at 30 s.
"""

import asyncio
import os
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from agent.observe import metrics

from .config import WhisperConfig
from .seams import Transcript

RATE = 16000
_FULL_WINDOW = 30.0
_HOP = 160
"""Samples between two mel frames."""
_TOKENS_PER_SECOND = 7.0
_REPETITIVE = 2.4
"""Bytes of text per byte of its zlib compression: one phrase over and over."""


class Whisper:
    def __init__(self, config: WhisperConfig) -> None:
        from faster_whisper import WhisperModel

        self.name = f"whisper.{config.folder.name.removeprefix('whisper-')}"
        self._config = config
        self._model: Any = WhisperModel(
            str(config.folder),
            device="cpu",
            compute_type="int8",
            cpu_threads=config.threads,
            num_workers=config.workers,
            local_files_only=True,
        )
        self.waiting = 0
        """Utterances that are being decoded, or wait for it."""
        self._threads = ThreadPoolExecutor(
            config.workers, "whisper", initializer=_be_nice, initargs=(config.nice,)
        )

    async def transcribe(self, pcm: bytes, rate: int, language: str) -> Transcript:
        """`language` is BCP-47, or "auto" to have it recognised."""
        loop = asyncio.get_running_loop()
        self.waiting += 1
        metrics.stt_waiting.inc()
        try:
            return await loop.run_in_executor(
                self._threads, self.decode, pcm, rate, language
            )
        finally:
            self.waiting -= 1
            metrics.stt_waiting.dec()

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def decode(self, pcm: bytes, rate: int, language: str) -> Transcript:
        began = time.monotonic()
        speech = np.frombuffer(pcm, dtype=np.int16).astype(np.float32) / 32768.0
        if rate != RATE:
            speech = soxr.resample(speech, rate, RATE)
        code = self._language(language, speech)
        parts = [
            self._decode_part(part, code) for part in cut(speech, self._config.window)
        ]
        return Transcript(" ".join(filter(None, parts)), code, time.monotonic() - began)

    def _language(self, language: str, speech: npt.NDArray[np.float32]) -> str:
        if not self._model.model.is_multilingual:
            return "en"
        code = language.split("-")[0].lower()
        if code in self._model.supported_languages:
            return code
        encoded = self._model.encode(self._features(speech, self._config.window))
        token, _ = self._model.model.detect_language(encoded)[0][0]
        return str(token)[2:-2]

    def _decode_part(self, speech: npt.NDArray[np.float32], language: str) -> str:
        text, sound = self._generate(speech, language, self._config.window)
        if not sound:
            text, sound = self._generate(speech, language, _FULL_WINDOW)
        return text if sound else ""

    def _generate(
        self, speech: npt.NDArray[np.float32], language: str, window: float
    ) -> tuple[str, bool]:
        """The text, and whether it can be believed."""
        from faster_whisper.tokenizer import Tokenizer

        tokenizer = Tokenizer(
            self._model.hf_tokenizer,
            self._model.model.is_multilingual,
            task="transcribe",
            language=language,
        )
        prompt = self._model.get_prompt(tokenizer, [], without_timestamps=True)
        seconds = len(speech) / RATE
        budget = int(8 + _TOKENS_PER_SECOND * seconds)
        result = self._model.model.generate(
            self._model.encode(self._features(speech, window)),
            [prompt],
            beam_size=self._config.beam,
            max_length=min(448, len(prompt) + budget),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=[-1],
        )[0]
        tokens = result.sequences_ids[0]
        text = tokenizer.decode(tokens).strip()
        if result.no_speech_prob > 0.6 and result.scores[0] < -1.0:
            return "", True
        raw = text.encode()
        loops = len(raw) > 40 and len(raw) / len(zlib.compress(raw)) > _REPETITIVE
        return text, not loops and len(tokens) < budget

    def _features(
        self, speech: npt.NDArray[np.float32], window: float
    ) -> npt.NDArray[np.float32]:
        frames = int(window * RATE / _HOP)
        mel: npt.NDArray[np.float32] = self._model.feature_extractor(speech)
        silence = max(0, frames - mel.shape[-1])
        return np.pad(mel[:, :frames], ((0, 0), (0, silence)))


def cut(
    speech: npt.NDArray[np.float32], window: float
) -> list[npt.NDArray[np.float32]]:
    """Parts of at most `window` seconds, cut where it is quiet."""
    longest = int(window * RATE)
    step = RATE // 10
    parts = []
    while len(speech) > longest:
        # The quietest tenth of a second in the last quarter of the window.
        begin = longest * 3 // 4
        steps = (longest - begin) // step
        tail = speech[begin : begin + steps * step].reshape(steps, step)
        at = begin + int((tail**2).sum(axis=1).argmin()) * step + step // 2
        parts.append(speech[:at])
        speech = speech[at:]
    return [*parts, speech]


def _be_nice(nice: int) -> None:
    # On Linux a thread has a priority of its own.
    os.setpriority(os.PRIO_PROCESS, 0, nice)
