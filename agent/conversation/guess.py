"""An answer begun before it is certain that the caller has finished.

When a pause sounds like an end the mind is asked at once and its first clause spoken
into memory. If the turn ends with these words, the answer is there already; if the
caller goes on, it is dropped and nobody ever hears of it. Tools wait for the end of the
turn.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from pipecat.processors.aggregators.llm_context import LLMContext

from .clauses import Clauses
from .errors import ProviderError
from .seams import Mind, Thought


class Guess:
    """One at a time. The context is the call's: read here, never written."""

    def __init__(
        self,
        context: LLMContext,
        choose: Callable[[], Mind],
        language: str,
        on_clause: Callable[[str], None],
        forget_clause: Callable[[], None],
    ) -> None:
        self._context = context
        self._choose = choose
        self._language = language
        self._on_clause = on_clause
        self._forget_clause = forget_clause
        self._answer: _Answer | None = None

    def heard(self, text: str | None) -> None:
        """What the caller has probably said; None: he goes on."""
        if self._answer is not None and text is not None:
            if self._answer.text == text:
                return
        self.drop()
        if text is not None:
            context = LLMContext(
                [*self._context.messages, {"role": "user", "content": text}],
                tools=self._context.tools,
            )
            self._answer = _Answer(
                text, context, self._choose(), Clauses(self._language), self._on_clause
            )

    def drop(self) -> None:
        if self._answer is not None:
            self._answer.cancel()
            self._answer = None
            self._forget_clause()

    def take(self, mind: Mind, context: LLMContext) -> "_Answer | None":
        """The answer to this very context, if it was guessed."""
        answer = self._answer
        if answer is None:
            return None
        if answer.mind is mind and answer.context.messages == context.messages:
            self._answer = None
            return answer
        self.drop()
        return None


class _Answer:
    def __init__(
        self,
        text: str,
        context: LLMContext,
        mind: Mind,
        clauses: Clauses,
        on_clause: Callable[[str], None],
    ) -> None:
        self.text = text
        self.context = context
        self.mind = mind
        self._clauses: Clauses | None = clauses
        self._on_clause = on_clause
        self._thoughts: asyncio.Queue[Thought | ProviderError | None] = asyncio.Queue()
        self._task = asyncio.create_task(self._think())

    def cancel(self) -> None:
        self._task.cancel()

    async def thoughts(self) -> AsyncGenerator[Thought, None]:
        """From its beginning, as `Mind.think`."""
        self._clauses = None  # from now on they are spoken, not kept
        try:
            while (thought := await self._thoughts.get()) is not None:
                if isinstance(thought, ProviderError):
                    raise thought
                yield thought
        finally:
            self.cancel()

    async def _think(self) -> None:
        try:
            async with aclosing(self.mind.think(self.context)) as thoughts:  # type: ignore[type-var]
                async for thought in thoughts:
                    self._thoughts.put_nowait(thought)
                    if isinstance(thought, str):
                        self._cut(thought)
        except ProviderError as error:
            self._thoughts.put_nowait(error)
        else:
            self._cut(None)
            self._thoughts.put_nowait(None)

    def _cut(self, piece: str | None) -> None:
        """The first clause is enough; None: that was all."""
        if self._clauses is None:
            return
        if piece is None:
            parts = [self._clauses.rest()]
        else:
            parts = self._clauses.feed(piece)
        if parts and parts[0].strip():
            self._clauses = None
            self._on_clause(parts[0])
