"""Speech to text, begun while it is not yet certain that the caller is done.

At the first short pause the utterance so far is decoded; if the caller goes on, that is
thrown away. So the half second of silence that ends an utterance is not lost time.
"""

import asyncio
from typing import Protocol

from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    TranscriptionFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.time import time_now_iso8601

from .stopwatch import Stopwatch
from .whisper import Transcript


class Recogniser(Protocol):
    async def transcribe(self, pcm: bytes, rate: int, language: str) -> Transcript: ...


class Hearing(FrameProcessor):
    def __init__(
        self,
        recogniser: Recogniser,
        language: str,
        stopwatch: Stopwatch,
        *,
        deadline: float = 10.0,
    ) -> None:
        super().__init__(name="Hearing")
        self._recogniser = recogniser
        self._language = language
        self._stopwatch = stopwatch
        self._deadline = deadline
        self._decoding: asyncio.Task[Transcript] | None = None
        self._telling: set[asyncio.Task[None]] = set()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case InputAudioRawFrame():
                self._drop()
                self._decoding = self.create_task(self._decode(frame), "decode")
                return  # an utterance, of no use to anyone behind us
            case VADUserStoppedSpeakingFrame():
                self._stopwatch.caller_stopped(frame.stop_secs)
                await self.push_frame(frame, direction)
                if self._decoding is not None:
                    decoding, self._decoding = self._decoding, None
                    telling = self.create_task(self._tell(decoding), "tell")
                    self._telling.add(telling)
                    telling.add_done_callback(self._telling.discard)
                return
            case EndFrame() | CancelFrame():
                await self._stop()
        await self.push_frame(frame, direction)

    async def cleanup(self) -> None:
        await super().cleanup()  # type: ignore[no-untyped-call]
        await self._stop()

    async def _decode(self, speech: InputAudioRawFrame) -> Transcript:
        async with asyncio.timeout(self._deadline):
            return await self._recogniser.transcribe(
                speech.audio, speech.sample_rate, self._language
            )

    async def _tell(self, decoding: asyncio.Task[Transcript]) -> None:
        try:
            transcript = await decoding
        except Exception as error:  # noqa: BLE001 - a lost utterance must not end a call
            logger.error("[STT] failed: {!r}", error)
            transcript = Transcript("", self._language, 0.0)
        else:
            self._stopwatch.transcribed(transcript.seconds)
            logger.info("[STT] {:.2f} s: {}", transcript.seconds, transcript.text)
        await self.push_frame(
            TranscriptionFrame(
                transcript.text, "caller", time_now_iso8601(), finalized=True
            )
        )

    def _drop(self) -> None:
        if self._decoding is not None:
            self._decoding.cancel()
            self._decoding = None

    async def _stop(self) -> None:
        self._drop()
        for telling in list(self._telling):
            await self.cancel_task(telling)
