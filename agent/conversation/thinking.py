"""The mind of a call: asks the models in turn until one answers.

Pipecat's LLMService keeps the tools; the stream of an answer comes from a Mind, so that
any of them can follow another in the middle of a call, whoever made its API.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    Frame,
    FunctionCallFromLLM,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSSpeakFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.llm_service import LLMService
from pipecat.services.settings import LLMSettings

from .errors import Cause, ProviderError
from .guess import Guess
from .script import Script
from .seams import Mind, Thought, Tokens
from .standing import Standing

# Settings of a model; each mind has its own.
_UNUSED: Mapping[str, Any] = dict.fromkeys(
    (
        "system_instruction",
        "temperature",
        "max_tokens",
        "top_p",
        "top_k",
        "frequency_penalty",
        "presence_penalty",
        "seed",
        "filter_incomplete_user_turns",
        "user_turn_completion_config",
    )
)


class Thinking(LLMService[Any]):
    def __init__(
        self,
        minds: Sequence[Mind],
        standing: Standing,
        *,
        filler: str,
        tool_deadline: float = 15.0,
        on_trouble: Callable[[str, str, ProviderError], None] = lambda *_: None,
        on_answer: Callable[[bool], None] = lambda _: None,
        script: Script | None = None,
    ) -> None:
        """`filler`: said before an answer begins again. `on_answer`: whether there was
        one. `script`: told what is answered."""
        super().__init__(
            function_call_timeout_secs=tool_deadline,
            settings=LLMSettings(model=minds[0].name, **_UNUSED),
        )
        self._minds = minds
        self._standing = standing
        self._filler = filler
        self._on_trouble = on_trouble
        self._on_answer = on_answer
        self._script = script or Script("en")
        self.guess: Guess | None = None

    def first(self) -> Mind:
        """Who is asked first now."""
        return self._standing.order(self._minds)[0]

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self._script.cut()
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        self._script.begin()
        await self.push_frame(LLMFullResponseStartFrame())
        try:
            self._on_answer(await self._answer(frame.context))
        finally:
            await self.push_frame(LLMFullResponseEndFrame())

    async def run_inference(
        self,
        context: LLMContext,
        max_tokens: int | None = None,
        system_instruction: str | None = None,
        response_schema: dict[str, Any] | None = None,
    ) -> str | None:
        """Out of the conversation: pipecat asks for summaries of long ones."""
        messages = context.messages
        if system_instruction:
            messages = [{"role": "user", "content": system_instruction}, *messages]
        said = []
        async for thought in self.first().think(LLMContext(messages)):
            if isinstance(thought, str):
                said.append(thought)
        return "".join(said) or None

    async def _answer(self, context: LLMContext) -> bool:
        """Says the answer of the first mind that has one; False: none had."""
        for mind in self._standing.order(self._minds):
            begun = False
            calls: Sequence[FunctionCallFromLLM] = ()
            try:
                async with aclosing(self._thoughts(mind, context)) as thoughts:  # type: ignore[type-var]
                    async for thought in thoughts:
                        if isinstance(thought, str):
                            begun = True
                            self._script.add(thought)
                            await self._push_llm_text(thought)
                        elif not isinstance(thought, Tokens):
                            calls = thought
                if not begun and not calls:
                    raise ProviderError(Cause.NONSENSE, "an empty answer")
            except ProviderError as error:
                self._standing.failed(mind.name, error.cause)
                self._on_trouble("llm", mind.name, error)
                if begun:
                    await self._begin_again()
                continue
            self._standing.worked(mind.name)
            if calls:
                logger.debug("[LLM] {} wants {}", mind.name, _names(calls))
                await self.run_function_calls(calls)
            return True
        return False

    def _thoughts(self, mind: Mind, context: LLMContext) -> AsyncIterator[Thought]:
        guessed = self.guess.take(mind, context) if self.guess else None
        return guessed.thoughts() if guessed else mind.think(context)

    async def _begin_again(self) -> None:
        """What was cut off ends here; the next mind's answer stands by itself."""
        await self.push_frame(LLMFullResponseEndFrame())
        await self.push_frame(TTSSpeakFrame(self._filler, append_to_context=False))
        self._script.begin()
        await self.push_frame(LLMFullResponseStartFrame())


def _names(calls: Sequence[FunctionCallFromLLM]) -> str:
    return ", ".join(call.function_name for call in calls)
