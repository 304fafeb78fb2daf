"""Where sound leaves pipecat.

Caller audio never enters it: 50 frames a second through ten processors that ignore them
cost more than everything else together (docs/performance.md); the ear tells what it
notices. AgentAudio gives the mouth what the voice made, and releases every other frame
when the caller has heard what came before it, so that the context holds what was heard
and BotStopped means what it says.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from math import inf

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    StartFrame,
    SystemFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from .audio import Resampler
from .mouth import Mouth


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
        self._news.set()
        self._sentence_start = self._mouth.position
        for item in held:
            if item.position <= heard or not item.frame.interruptible:
                await self.push_frame(item.frame)
        await self._fall_silent()

    async def _release(self) -> None:
        while True:
            self._news.clear()
            left = self._held[0].position - self._mouth.heard if self._held else inf
            if left > 0.001:
                # Again and again, since the clock may be paused or put right meanwhile.
                await self._news_within(max(left, 0.02))
                continue
            item = self._held.popleft()
            if self._ends_speech(item):
                await self._fall_silent()
            await self.push_frame(item.frame)

    def _ends_speech(self, item: _Held) -> bool:
        """Nothing is to be heard behind it."""
        return isinstance(item.frame, EndFrame) or (
            isinstance(item.frame, TTSStoppedFrame)
            and self._mouth.position <= item.position
        )

    async def _news_within(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(None if seconds == inf else seconds):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _fall_silent(self) -> None:
        if self._speaking:
            self._speaking = False
            await self.broadcast_frame(BotStoppedSpeakingFrame)

    async def _stop(self) -> None:
        if self._releaser is not None:
            releaser, self._releaser = self._releaser, None
            await self.cancel_task(releaser)
        await self._fall_silent()
