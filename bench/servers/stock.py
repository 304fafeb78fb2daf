"""Stock pipecat-ai behind chan_websocket, as its documentation has one build it.

FastAPIWebsocketTransport with a plain serializer, VADProcessor with its default Silero,
an echo; default pipeline worker, default sizes. It gets our event loop and websocket
implementation, which are faster than those it would have by default, and messages of
one frame (its default of two would delay every other frame by 20 ms before anything
has been computed).
"""

import audioop
import sys

from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    AudioRawFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.transports.websocket.fastapi import (
    FastAPIWebsocketParams,
    FastAPIWebsocketTransport,
)
from pipecat.workers.runner import WorkerRunner

from bench.servers.telling import serve


class ChanWebsocketSerializer(FrameSerializer):
    async def serialize(self, frame: Frame) -> str | bytes | None:
        match frame:
            case AudioRawFrame():
                return audioop.lin2ulaw(frame.audio, 2)
            case InterruptionFrame():
                return '{"command":"FLUSH_MEDIA"}'
            case _:
                return None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        if isinstance(data, str):
            return None
        return InputAudioRawFrame(
            audio=audioop.ulaw2lin(data, 2), sample_rate=8000, num_channels=1
        )


class Echo(FrameProcessor):
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            frame = OutputAudioRawFrame(
                audio=frame.audio, sample_rate=frame.sample_rate, num_channels=1
            )
        await self.push_frame(frame, direction)


def create_app(*, vad: bool) -> FastAPI:
    app = FastAPI()

    @app.websocket("/telephony/ws")
    async def telephony(websocket: WebSocket) -> None:
        await websocket.accept(subprotocol="media")
        transport = FastAPIWebsocketTransport(
            websocket,
            FastAPIWebsocketParams(
                audio_in_enabled=True,
                audio_out_enabled=True,
                audio_out_10ms_chunks=2,
                serializer=ChanWebsocketSerializer(),
                allowed_origins=[],
            ),
        )
        ears = [VADProcessor(vad_analyzer=SileroVADAnalyzer())] if vad else []
        worker = PipelineWorker(
            Pipeline([transport.input(), *ears, Echo(), transport.output()]),
            params=PipelineParams(
                audio_in_sample_rate=8000, audio_out_sample_rate=8000
            ),
            cancel_on_idle_timeout=False,
        )

        @transport.event_handler("on_client_disconnected")
        async def gone(*_: object) -> None:
            await worker.cancel()

        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        await runner.run()

    return app


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    serve(create_app(vad="--no-vad" not in sys.argv), int(sys.argv[1]))
