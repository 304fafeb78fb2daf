"""Minds and voices without a network: what they say is scripted, and how they fail."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from pipecat.processors.aggregators.llm_context import LLMContext

from agent.conversation.errors import ProviderError
from agent.conversation.seams import Thought


@dataclass(eq=False)
class FakeMind:
    """Each asking gets the next script: pieces, tool calls, seconds, and errors."""

    scripts: list[Sequence[Thought | float | ProviderError]]
    name: str = "fake.mind"
    asked: list[list[object]] = field(default_factory=list)
    """The messages of each."""
    broken_off: int = 0

    async def think(self, context: LLMContext) -> AsyncIterator[Thought]:
        self.asked.append(list(context.messages))
        done = False
        try:
            for thought in self.scripts.pop(0):
                if isinstance(thought, ProviderError):
                    raise thought
                if isinstance(thought, float):
                    await asyncio.sleep(thought)
                else:
                    await asyncio.sleep(0)
                    yield thought
            done = True
        finally:
            self.broken_off += not done


@dataclass(eq=False)
class FakeVoice:
    """A tenth of a second for each word, as soon as it is asked."""

    name: str = "fake.voice/one"
    rate: int = 8000
    fails: ProviderError | None = None
    delay: float = 0.0
    stalls_after: int | None = None
    """Words."""
    spoken: list[str] = field(default_factory=list)

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        self.spoken.append(text)
        await asyncio.sleep(self.delay)
        if self.fails is not None:
            raise self.fails
        for number, word in enumerate(text.split()):
            if number == self.stalls_after:
                await asyncio.sleep(3600)
            yield bytes([len(word), 0]) * (self.rate // 10)
