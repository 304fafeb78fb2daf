"""A conversation in writing: its other end, where a telephone has its mouth.

The caller's end is `Ears` as it is: `typed` is a turn. Everything between is the same
as on the telephone, so that what is tested in writing holds on the line.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from agent.calls.ai import AI

from .providers import Providers
from .seams import Voice

SETTLED = 0.4
"""Seconds without a sign of life after which the AI has done what it wanted to do. From
a tool's result to the next question to the model it takes a few milliseconds."""


class Silent:
    """A voice that makes no sound: what it is to say is read, not heard."""

    name = "none.none/none"
    rate = 8000

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        yield b"\0\0"


class WrittenProviders(Providers):
    """Minds as ever; nobody speaks."""

    def voices(self, ai: AI) -> list[Voice]:
        return [Silent()]


class TextAgent(FrameProcessor):
    """Instead of a mouth: what the AI says is there as soon as it is made."""

    def __init__(self, said: Callable[[str, bool], None]) -> None:
        """`said`: told each clause, and whether it begins an utterance."""
        super().__init__(name="TextAgent")
        self._said = said
        self._speaking = False
        self._begins = True
        self._thinking = False
        self._tools: set[str] = set()
        self._stirred = asyncio.Event()

    @property
    def busy(self) -> bool:
        return self._speaking or self._thinking or bool(self._tools)

    async def stirs(self) -> None:
        """Until it does anything at all."""
        self._stirred.clear()
        await self._stirred.wait()

    async def settled(self) -> None:
        """Until it has done what it wanted to do."""
        while True:
            self._stirred.clear()
            try:
                async with asyncio.timeout(None if self.busy else SETTLED):
                    await self._stirred.wait()
            except TimeoutError:
                return

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction is FrameDirection.UPSTREAM:
            await self.push_frame(frame, direction)
            return
        match frame:
            case LLMFullResponseStartFrame():
                self._thinking = True
            case LLMFullResponseEndFrame():
                self._thinking = False
            case FunctionCallInProgressFrame():
                self._tools.add(frame.tool_call_id)
            case FunctionCallResultFrame() | FunctionCallCancelFrame():
                self._tools.discard(frame.tool_call_id)
            case TTSAudioRawFrame():
                await self._speak()
                return
            case TTSTextFrame():
                self._said(frame.text.strip(), self._begins)
                self._begins = False
            case InterruptionFrame():
                self._thinking = False
                await self._fall_silent()
            case EndFrame() | CancelFrame():
                self._thinking = False
                self._tools.clear()
                await self._fall_silent()
            case _:
                pass
        await self.push_frame(frame)
        if isinstance(frame, TTSStoppedFrame):
            await self._fall_silent()
        self._stirred.set()

    async def _speak(self) -> None:
        if not self._speaking:
            self._speaking = True
            await self.broadcast_frame(BotStartedSpeakingFrame)
            self._stirred.set()

    async def _fall_silent(self) -> None:
        if self._speaking:
            self._speaking, self._begins = False, True
            await self.broadcast_frame(BotStoppedSpeakingFrame)
