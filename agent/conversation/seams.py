"""What a conversation is made of: ears, a mind, a voice, knowledge.

Each seam has several real fulfillers (providers.py chooses) and a fake one. They raise
ProviderError, keep their own deadlines, and stop when cancelled.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipecat.frames.frames import FunctionCallFromLLM
from pipecat.processors.aggregators.llm_context import LLMContext

from agent.calls.passage import Passage as Passage


@dataclass(frozen=True, slots=True)
class Transcript:
    text: str
    language: str
    seconds: float
    """Of decoding, not of speech."""


class Recogniser(Protocol):
    """Ears."""

    @property
    def name(self) -> str:
        """`<provider>.<model>`."""

    async def transcribe(self, pcm: bytes, rate: int, language: str) -> Transcript:
        """`language` is BCP-47, or "auto" to have it recognised."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an answer cost, as the provider says."""

    read: int
    """All of them, whether or not from a cache."""
    written: int
    cached: int = 0
    """Of those that were read."""


Thought = str | Sequence[FunctionCallFromLLM] | Tokens
"""A piece of text, the tools that the model wants used, or the cost so far: what was
told last counts."""


class Mind(Protocol):
    """A language model, asked with a whole conversation each time."""

    @property
    def name(self) -> str:
        """`<provider>.<model>`."""

    def think(self, context: LLMContext) -> AsyncIterator[Thought]:
        """Streams the answer. Closing the iterator ends the request."""


class Voice(Protocol):
    @property
    def name(self) -> str:
        """`<provider>.<model>/<voice>`: the same name, the same sound."""

    @property
    def rate(self) -> int:
        """Samples per second of what it makes."""

    def speak(self, text: str) -> AsyncIterator[bytes]:
        """16-bit mono samples, whole ones in each piece, as soon as they are made."""


class Knowledge(Protocol):
    async def search(
        self, collections: Sequence[str], query: str, *, limit: int = 3
    ) -> Sequence[Passage]: ...
