"""Ears, minds and voices that say what they use of what costs money.

A request counts as its provider counts it, also when it is interrupted or fails on the
way; not when the provider refused it or was never reached.
"""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass

from pipecat.processors.aggregators.llm_context import LLMContext

from agent.calls.usage import Meter, Use

from .errors import Cause, ProviderError
from .seams import Mind, Recogniser, Thought, Tokens, Transcript, Voice

FREE = frozenset(
    {
        *(Cause.UNREACHABLE, Cause.THROTTLED, Cause.NO_CREDIT, Cause.REFUSED),
        *(Cause.BAD_REQUEST, Cause.SERVER_ERROR),
    }
)
"""Failures that nobody takes money for, if nothing came before them."""

OnUse = Callable[[Use], None]


class MeteredMind:
    def __init__(self, mind: Mind, on_use: OnUse) -> None:
        self.name = mind.name
        self._mind = mind
        self._on_use = on_use

    async def think(self, context: LLMContext) -> AsyncGenerator[Thought, None]:
        """Without the cost, which is told instead."""
        cost: Tokens | None = None

        def count() -> None:
            for use in uses_of(self.name, cost):
                self._on_use(use)

        with _asked(count) as request:
            async with aclosing(self._mind.think(context)) as thoughts:  # type: ignore[type-var]
                async for thought in thoughts:
                    request.answered = True
                    if isinstance(thought, Tokens):
                        cost = thought
                    else:
                        yield thought


class MeteredVoice:
    def __init__(self, voice: Voice, on_use: OnUse) -> None:
        self.name = voice.name
        self.rate = voice.rate
        self._voice = voice
        self._on_use = on_use

    async def speak(self, text: str) -> AsyncGenerator[bytes, None]:
        model = self.name.rpartition("/")[0]
        use = Use(Meter.TTS_CHARACTERS, model, len(text))
        with _asked(lambda: self._on_use(use)) as request:
            async with aclosing(self._voice.speak(text)) as pieces:  # type: ignore[type-var]
                async for piece in pieces:
                    request.answered = True
                    yield piece


class MeteredRecogniser:
    def __init__(self, recogniser: Recogniser, on_use: OnUse) -> None:
        self.name = recogniser.name
        self._recogniser = recogniser
        self._on_use = on_use

    async def transcribe(self, pcm: bytes, rate: int, language: str) -> Transcript:
        use = Use(Meter.STT_SECONDS, self.name, len(pcm) / 2 / rate)
        with _asked(lambda: self._on_use(use)):
            return await self._recogniser.transcribe(pcm, rate, language)


def uses_of(model: str, cost: Tokens | None) -> list[Use]:
    """Of one answer; None: its provider did not say."""
    if cost is None:
        return [Use(Meter.UNREPORTED_REQUESTS, model, 1)]
    amounts = (
        (Meter.LLM_INPUT_TOKENS, cost.read - cost.cached),
        (Meter.LLM_CACHED_TOKENS, cost.cached),
        (Meter.LLM_OUTPUT_TOKENS, cost.written),
    )
    return [Use(meter, model, amount) for meter, amount in amounts if amount > 0]


@dataclass(slots=True)
class _Request:
    answered: bool = False
    """Something came, whatever followed."""


@contextmanager
def _asked(count: Callable[[], None]) -> Iterator[_Request]:
    request, refused = _Request(), False
    try:
        yield request
    except ProviderError as error:
        refused = error.cause in FREE and not request.answered
        raise
    finally:
        if not refused:
            count()
