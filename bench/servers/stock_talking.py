"""Stock pipecat-ai as a whole conversation: its defaults decide who speaks when.

    python -m bench.servers.stock_talking PORT MODELS_URL WHISPER_FOLDER

FastAPIWebsocketTransport, SileroVADAnalyzer and user turn strategies as they come (VAD
and transcription begin a turn, smart-turn v3 ends it), the worker's own sizes. Of its
own WhisperSTTService it has the same model as we, one for the process instead of one a
call, and fed 16 kHz, which the service does not see to; the language model and the
voice are those of bench/servers/models.py. An AI called `reciter` begins with what the
alphabet is; all others wait for the caller.
"""

import sys
from collections.abc import AsyncGenerator
from typing import Any

import numpy as np
import soxr
from fastapi import FastAPI, WebSocket
from faster_whisper import WhisperModel
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import Frame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.services.whisper.stt import WhisperSTTService
from pipecat.transports.websocket.fastapi import (
    FastAPIWebsocketParams,
    FastAPIWebsocketTransport,
)
from pipecat.workers.runner import WorkerRunner

from bench.servers.models import ALPHABET
from bench.servers.stock import ChanWebsocketSerializer
from bench.servers.telling import serve

_models: dict[str, WhisperModel] = {}


class SharedWhisper(WhisperSTTService):
    """Loaded once; the 8 kHz of the telephone become the 16 kHz of Whisper."""

    def _load(self) -> None:
        settings: Any = self._settings
        folder = str(settings.model)
        if folder not in _models:
            _models[folder] = WhisperModel(folder, device="cpu", compute_type="int8")
        self._model = _models[folder]

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame, None]:
        samples = np.frombuffer(audio, "<i2").astype(np.float32)
        wide = soxr.resample(samples, self.sample_rate, 16000).astype("<i2").tobytes()
        async for frame in super().run_stt(wide):
            yield frame


def create_app(models_url: str, whisper: str) -> FastAPI:
    app = FastAPI()

    @app.websocket("/telephony/ws")
    async def telephony(websocket: WebSocket) -> None:
        await websocket.accept(subprotocol="media")
        transport = FastAPIWebsocketTransport(
            websocket,
            FastAPIWebsocketParams(
                audio_in_enabled=True,
                audio_out_enabled=True,
                serializer=ChanWebsocketSerializer(),
                allowed_origins=[],
            ),
        )
        user, assistant = LLMContextAggregatorPair(
            LLMContext(),
            user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer()),
        )
        worker = PipelineWorker(
            Pipeline(
                [
                    transport.input(),
                    _whisper(whisper),
                    user,
                    OpenAILLMService(
                        api_key="none",
                        base_url=models_url,
                        settings=OpenAILLMService.Settings(
                            model="mock", system_instruction="You answer the phone."
                        ),
                    ),
                    OpenAITTSService(
                        api_key="none", base_url=models_url, sample_rate=24000
                    ),
                    transport.output(),
                    assistant,
                ]
            ),
            params=PipelineParams(
                audio_in_sample_rate=8000, audio_out_sample_rate=8000
            ),
            cancel_on_idle_timeout=False,
        )

        @transport.event_handler("on_client_connected")
        async def connected(*_: object) -> None:
            if websocket.query_params.get("ai") == "reciter":
                await worker.queue_frame(TTSSpeakFrame(" ".join(ALPHABET)))

        @transport.event_handler("on_client_disconnected")
        async def gone(*_: object) -> None:
            await worker.cancel()

        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()

    return app


def _whisper(folder: str) -> SharedWhisper:
    settings: Any = WhisperSTTService.Settings(model=folder)
    return SharedWhisper(device="cpu", compute_type="int8", settings=settings)


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    port, models_url, folder = sys.argv[1:4]
    _whisper(folder)
    serve(create_app(models_url, folder), int(port))
