"""Text to speech over HTTP: any server with OpenAI's /v1/audio/speech.

Our own Piper process is one (agent/local/speech.py) and gives the telephone's sample
rate when asked; others answer in OpenAI's 24 kHz.
"""

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import httpx
from loguru import logger
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    ErrorFrame,
    Frame,
    LLMTextFrame,
    TTSAudioRawFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService

from .stopwatch import Stopwatch

OPENAI_RATE = 24000


@dataclass(frozen=True, slots=True)
class SpeechConfig:
    base_url: str
    """Ends in /v1."""
    model: str = "tts-1"
    voice: str = "default"
    key: str = ""
    rate: int = OPENAI_RATE
    """Hertz of what comes back."""
    asks_rate: bool = False
    """The server understands our `sample_rate`."""


class Speech(TTSService):
    def __init__(
        self,
        client: httpx.AsyncClient,
        config: SpeechConfig,
        voice: str,
        stopwatch: Stopwatch,
    ) -> None:
        super().__init__(
            sample_rate=config.rate,
            push_start_frame=True,
            push_stop_frames=True,
            settings=TTSSettings(
                model=config.model, voice=voice or config.voice, language=None
            ),
        )
        self._http = client
        self._config = config
        self._voice = voice or config.voice
        self._stopwatch = stopwatch

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        match frame:
            case LLMTextFrame():
                self._stopwatch.first_token()
            case BotStartedSpeakingFrame():
                self._stopwatch.replied()
        await super().process_frame(frame, direction)

    async def run_tts(
        self, text: str, context_id: str
    ) -> AsyncGenerator[Frame | None, None]:
        asked = time.monotonic()
        first = True
        tail = b""
        try:
            async with self._http.stream(
                "POST",
                f"{self._config.base_url}/audio/speech",
                json=self._request(text),
                headers=self._headers,
            ) as answer:
                if answer.status_code != 200:
                    reason = (await answer.aread()).decode(errors="replace")[:200]
                    yield self._failed(f"{answer.status_code} {reason}")
                    return
                async for chunk in answer.aiter_bytes():
                    pcm = tail + chunk
                    tail = pcm[len(pcm) & ~1 :]
                    pcm = pcm[: len(pcm) & ~1]
                    if first and pcm:
                        first = False
                        seconds = time.monotonic() - asked
                        self._stopwatch.first_audio(seconds)
                        logger.info("[TTS] {:.2f} s: {}", seconds, text)
                    yield TTSAudioRawFrame(
                        pcm, self._config.rate, 1, context_id=context_id
                    )
        except httpx.HTTPError as error:
            yield self._failed(repr(error))

    @property
    def _headers(self) -> dict[str, str]:
        key = self._config.key
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _request(self, text: str) -> dict[str, object]:
        request: dict[str, object] = {
            "model": self._config.model,
            "input": text,
            "voice": self._voice,
            "response_format": "pcm",
        }
        if self._config.asks_rate:
            request["sample_rate"] = self._config.rate
        return request

    def _failed(self, reason: str) -> ErrorFrame:
        logger.error("[TTS] failed: {}", reason)
        return ErrorFrame(error=f"TTS: {reason}")
