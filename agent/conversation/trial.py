"""One tiny request to a provider, as a call would make it: does it answer, how fast?

For `offhook doctor`. All raise ProviderError with the one word for what is wrong.
"""

import asyncio
import time
from collections.abc import Awaitable
from contextlib import aclosing
from typing import Any, TypeVar, cast

from pipecat.processors.aggregators.llm_context import LLMContext

from .errors import Cause, ProviderError
from .seams import Mind, Recogniser, Tokens, Voice

T = TypeVar("T")
_SILENCE = bytes(2 * 8000 // 2)
"""Half a second."""


async def think(mind: Mind, within: float) -> float:
    """Seconds to the first word."""
    context = LLMContext(cast(Any, [{"role": "user", "content": "Say: yes"}]))

    async def first() -> None:
        # Typed as an iterator, and a generator in truth, which wants to be closed.
        async with aclosing(cast(Any, mind.think(context))) as thoughts:
            async for thought in thoughts:
                if not isinstance(thought, Tokens):
                    return
        raise ProviderError(Cause.NONSENSE, "an answer without a word")

    return await _timed(first(), within)


async def hear(recogniser: Recogniser, within: float) -> float:
    """Seconds of one request with silence in it."""
    return await _timed(recogniser.transcribe(_SILENCE, 8000, "en"), within)


async def speak(voice: Voice, within: float) -> float:
    """Seconds to the first sound."""

    async def first() -> None:
        async with aclosing(cast(Any, voice.speak("Yes."))) as sound:
            async for piece in sound:
                if piece:
                    return
        raise ProviderError(Cause.NONSENSE, "no sound came")

    return await _timed(first(), within)


async def _timed(asking: Awaitable[T], within: float) -> float:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(within):
            await asking
    except TimeoutError:
        raise ProviderError(Cause.TIMEOUT, f"no answer within {within:g} s") from None
    return time.perf_counter() - began
