"""Where a conversation learns what the caller says, first in its pipeline.

Two kinds: those of a telephone (hearing.py) and those of a chat (text.py).
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    StartFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.time import time_now_iso8601

from agent.calls.ai import AI
from agent.calls.heard import Heard
from agent.calls.usage import Use

from . import turns
from .errors import ProviderError
from .words import Dictation

CALLER = "caller"


class Ear(Protocol):
    """What media/ear.py knows when it notices something."""

    @property
    def rate(self) -> int: ...

    @property
    def silence(self) -> float:
        """Seconds since the caller was last heard."""

    @property
    def voice_ended(self) -> float:
        """When the last of his voice came, on the monotonic clock."""

    def speech(self) -> bytes:
        """His utterance so far."""

    def fill(self) -> None:
        """Silence, if no sound comes at all."""


class Ears(FrameProcessor):
    def __init__(self, ai: AI) -> None:
        super().__init__(name="Ears")
        self._ai = ai
        self._news: asyncio.Queue[Frame] = asyncio.Queue()
        self._teller: asyncio.Task[None] | None = None
        self.closed = False
        """On hold: whoever talks now does not talk with us."""
        self.private = False
        """What is said now is not for us to know."""
        self.thinking = False
        """The caller was understood, and has heard no answer yet."""
        self.dictating: Dictation | None = None
        """What he was asked for, if it takes patience."""
        # The conversation listens to these.
        self.guessed: Callable[[str | None], None] = lambda text: None
        """What he has probably said; None: he goes on, it was a wrong guess."""
        self.troubled: Callable[[str, str, ProviderError], None] = lambda *_: None
        """Stage, provider, error."""
        self.used: Callable[[Use], None] = lambda _: None
        """Told by ears that cost something."""
        self.deaf: Callable[[], None] = lambda: None
        """Nobody is left who understands him."""

    def heard(self, what: Heard, ear: Ear) -> None:
        """A voice; a chat has none."""

    def typed(self, text: str) -> None:
        """A turn without a voice: keys, or a message."""
        self.tell(VADUserStartedSpeakingFrame())
        self.tell(VADUserStoppedSpeakingFrame())
        self.tell_text(text)

    def agent_said(self, text: str) -> None:
        self.dictating = turns.listens_for(text, self._ai.language, self._ai.dictation)

    def close(self) -> None:
        self.closed = True
        self.guessed(None)

    def open(self) -> None:
        self.closed = False

    def plug(self) -> None:
        """Nothing is heard until `unplug`, on hold or not, and what was being said is
        forgotten. Our own voice goes on."""
        self.private = True
        self.guessed(None)

    def unplug(self) -> None:
        self.private = False

    def tell(self, frame: Frame) -> None:
        """News for the pipeline, in order."""
        self._news.put_nowait(frame)

    def tell_text(self, text: str) -> None:
        if turns.is_nothing(text, self._ai.language):
            text = ""
        self.thinking = bool(text)
        self.tell(TranscriptionFrame(text, CALLER, time_now_iso8601(), finalized=True))

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        match frame:
            case BotStartedSpeakingFrame() | BotStoppedSpeakingFrame():
                self.thinking = False
            case EndFrame() | CancelFrame():
                await self._end()
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            self._teller = self.create_task(self._tell_news(), "news")

    async def cleanup(self) -> None:
        await super().cleanup()  # type: ignore[no-untyped-call]
        await self._end()

    async def _tell_news(self) -> None:
        while True:
            await self.push_frame(await self._news.get())

    async def _end(self) -> None:
        self.closed = True
        teller, self._teller = self._teller, None
        if teller is not None:
            await self.cancel_task(teller)
