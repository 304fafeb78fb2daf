"""What the pipeline hears of what the caller hears, on virtual time."""

import asyncio

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from agent.media.mouth import Mouth
from agent.media.transport import AgentAudio
from agent.wire.audio import codec
from agent.wire.dialect import Driver
from tests import virtual_time


class Behind(FrameProcessor):
    """What comes out behind the mouth, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[float, str]] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case TTSTextFrame():
                self._note(frame.text)
            case BotStartedSpeakingFrame():
                self._note("started")
            case BotStoppedSpeakingFrame():
                self._note("stopped")
        await self.push_frame(frame, direction)

    def _note(self, what: str) -> None:
        self.seen.append((round(asyncio.get_running_loop().time(), 1), what))


class Scene:
    async def play(self, script: str) -> None:
        """`say WORDS` takes half a second a word; `interrupt`; seconds."""
        loop = asyncio.get_running_loop()

        async def send(message: bytes | str) -> None: ...

        mouth = Mouth(send, Driver("json"), codec("ulaw"), 20, clock=loop.time)
        behind = Behind()
        worker = PipelineWorker(
            Pipeline([AgentAudio(mouth), behind]),
            params=PipelineParams(audio_out_sample_rate=8000),
            enable_rtvi=False,
            idle_timeout_secs=None,
        )
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        running = asyncio.create_task(runner.run())
        writing = asyncio.create_task(mouth.run())
        self.began = loop.time()
        for line in script.splitlines():
            match line.strip().split(" ", 1):
                case ["say", words]:
                    pcm = bytes(8000 * len(words.split()))
                    await worker.queue_frames(
                        [
                            TTSAudioRawFrame(pcm, 8000, 1),
                            TTSTextFrame(words, text_type="sentence"),
                            TTSStoppedFrame(),
                            LLMFullResponseEndFrame(),
                        ]
                    )
                case ["interrupt"]:
                    await worker.queue_frame(InterruptionFrame())
                case [seconds] if seconds:
                    await asyncio.sleep(float(seconds))
        await worker.cancel()
        await running
        writing.cancel()
        self.seen = behind.seen


def seen(script: str) -> list[tuple[float, str]]:
    scene = Scene()
    virtual_time.run(scene.play(script))
    return scene.seen


def test_words_come_out_when_they_were_heard():
    # A system frame overtakes words on the last yards.
    assert sorted(seen("say one two \n 3")) == [
        (0.0, "started"),
        (0.5, "one"),
        (1.0, "stopped"),
        (1.0, "two"),
    ]


def test_after_an_interruption_only_what_was_heard_comes_out():
    words = [
        what for _, what in seen("say a b c d e f g h i j \n 1.2 \n interrupt \n 9")
    ]
    assert words == ["started", "a", "b", "stopped"]


def test_the_next_answer_does_not_wait_for_the_one_that_was_interrupted():
    script = "say a b c d e f g h i j \n 1.2 \n interrupt \n 0.3 \n say yes \n 9"
    assert sorted(seen(script))[-2:] == [(2.0, "stopped"), (2.0, "yes")]


def test_two_utterances_in_a_row_are_one_speech():
    whats = [what for _, what in sorted(seen("say a b \n say c \n 5"))]
    assert whats == ["started", "a", "b", "c", "stopped"]
