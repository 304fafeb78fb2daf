"""Where sound meets pipecat.

Caller audio does not walk through the pipeline frame by frame: 50 frames a second
through ten processors that ignore them cost more than everything else together
(docs/performance.md). CallerAudio pushes what the pipeline wants to know: that the
caller speaks, pauses with this much said, is done. AgentAudio gives the mouth what
the TTS made, and releases every other frame when the caller has heard what came before
it, so that the context holds what was heard and BotStopped means what it says.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    StartFrame,
    SystemFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    TTSTextFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from .audio import Resampler
from .ear import Ear
from .gate import Heard
from .mouth import Mouth


class CallerAudio(FrameProcessor):
    """First in the pipeline. Told by the ear, on the loop."""

    def __init__(self) -> None:
        super().__init__(name="CallerAudio")
        self._news: asyncio.Queue[Frame] = asyncio.Queue()
        self._teller: asyncio.Task[None] | None = None

    def heard(self, what: Heard, ear: Ear) -> None:
        config = ear.gate.config
        match what:
            case Heard.SPEECH:
                frame: Frame = VADUserStartedSpeakingFrame(start_secs=config.confirm)
            case Heard.PAUSE:
                # The whole utterance so far, not a 20 ms frame: the transcriber
                # takes it and passes nothing on.
                frame = InputAudioRawFrame(
                    audio=ear.speech(), sample_rate=ear.rate, num_channels=1
                )
            case Heard.STOP:
                frame = VADUserStoppedSpeakingFrame(stop_secs=config.stop)
            case _:
                return
        self._news.put_nowait(frame)

    def digit(self, key: str) -> None:
        if key in "0123456789*#":  # A-D exist, and pipecat does not know them
            self._news.put_nowait(InputDTMFFrame(KeypadEntry(key)))

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self._teller = self.create_task(self._tell(), "news")
        elif isinstance(frame, EndFrame | CancelFrame):
            await self._stop()

    async def cleanup(self) -> None:
        await super().cleanup()  # type: ignore[no-untyped-call]
        await self._stop()

    async def _stop(self) -> None:
        if self._teller is not None:
            teller, self._teller = self._teller, None
            await self.cancel_task(teller)

    async def _tell(self) -> None:
        while True:
            await self.push_frame(await self._news.get())


@dataclass(slots=True)
class _Held:
    position: float
    frame: Frame


class AgentAudio(FrameProcessor):
    """Last before the assistant's context, which so sees only what was heard."""

    def __init__(self, mouth: Mouth) -> None:
        super().__init__(name="AgentAudio")
        self._mouth = mouth
        self._resampler = Resampler(mouth.rate)
        self._held: deque[_Held] = deque()
        self._news = asyncio.Event()
        self._releaser: asyncio.Task[None] | None = None
        self._speaking = False
        self._sentence_start = 0.0

    @property
    def speaking(self) -> bool:
        return self._speaking

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction is FrameDirection.UPSTREAM:
            await self.push_frame(frame, direction)
            return
        match frame:
            case StartFrame():
                self._releaser = self.create_task(self._release(), "release")
                await self.push_frame(frame)
            case InterruptionFrame():
                await self._interrupt()
                await self.push_frame(frame)
            case TTSAudioRawFrame():
                await self._say(frame)
            case TTSTextFrame():
                self._hold_words(frame)
            case CancelFrame():
                await self._stop()
                await self.push_frame(frame)
            case SystemFrame():
                await self.push_frame(frame)
            case TTSStoppedFrame():
                self._mouth.finish()
                self._hold(frame)
            case _:
                self._hold(frame)

    async def cleanup(self) -> None:
        await super().cleanup()  # type: ignore[no-untyped-call]
        await self._stop()

    async def _say(self, frame: TTSAudioRawFrame) -> None:
        pcm = self._resampler.resample(frame.audio, frame.sample_rate)
        if not self._speaking:
            self._speaking = True
            self._sentence_start = self._mouth.position
            await self.broadcast_frame(BotStartedSpeakingFrame)
        self._mouth.say(pcm)

    def _hold_words(self, frame: TTSTextFrame) -> None:
        """Each word of a sentence, to be released as it is heard.

        The TTS says nothing about the time of a word, so a letter takes its share of
        the sentence's audio. Interrupted, the context ends at a word, not a sentence.
        """
        self._mouth.say(self._resampler.rest())
        words = frame.text.split()
        letters = sum(map(len, words)) or 1
        start, end = self._sentence_start, self._mouth.position
        spoken = 0
        for word in words:
            spoken += len(word)
            text = TTSTextFrame(word, text_type=frame.text_type)
            text.append_to_context = frame.append_to_context
            text.context_id = frame.context_id
            self._hold(text, start + (end - start) * spoken / letters)
        self._sentence_start = end

    def _hold(self, frame: Frame, position: float | None = None) -> None:
        position = self._mouth.position if position is None else position
        self._held.append(_Held(position, frame))
        self._news.set()

    async def _interrupt(self) -> None:
        heard = self._mouth.heard
        self._mouth.interrupt()
        self._resampler.rest()
        held, self._held = self._held, deque()
        self._sentence_start = self._mouth.position
        for item in held:
            if item.position <= heard or not item.frame.interruptible:
                await self.push_frame(item.frame)
        await self._fall_silent()

    async def _release(self) -> None:
        while True:
            if not self._held:
                self._news.clear()
                await self._news.wait()
            item = self._held[0]
            await self._mouth.until(item.position)
            # An interruption may have emptied the queue while we waited.
            if self._held and self._held[0] is item:
                self._held.popleft()
                last = not self._held and isinstance(item.frame, TTSStoppedFrame)
                if last or isinstance(item.frame, EndFrame):
                    await self._fall_silent()
                await self.push_frame(item.frame)

    async def _fall_silent(self) -> None:
        if self._speaking:
            self._speaking = False
            await self.broadcast_frame(BotStoppedSpeakingFrame)

    async def _stop(self) -> None:
        if self._releaser is not None:
            releaser, self._releaser = self._releaser, None
            await self.cancel_task(releaser)
        await self._fall_silent()
