"""The processors of one conversation, in the order in which a frame meets them."""

from collections.abc import Callable
from datetime import UTC, datetime

from pipecat.frames.frames import EndFrame, LLMRunFrame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    AssistantTurnStoppedMessage,
    LLMAssistantAggregator,
    LLMContextAggregatorPair,
    LLMUserAggregator,
    LLMUserAggregatorParams,
    UserTurnStoppedMessage,
)
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.workers.runner import WorkerRunner

from agent.calls.ai import AI
from agent.calls.control import CallControl
from agent.calls.transcript import Speaker, ToolUse, Turn

from . import prompts, tools, turns
from .hearing import Hearing
from .providers import Providers
from .stopwatch import Stopwatch


class Conversation:
    """An AI talking with a caller. The two ends of the pipeline are handed in."""

    def __init__(
        self,
        ai: AI,
        providers: Providers,
        *,
        ears: FrameProcessor,
        mouth: FrameProcessor,
        control: CallControl,
        on_turn: Callable[[Turn], None],
        on_tool_use: Callable[[ToolUse], None],
    ) -> None:
        self._ai = ai
        self.stopwatch = stopwatch = Stopwatch()
        system = prompts.system(ai)
        llm = providers.llm(ai, system)
        offered = tools.offer(llm, ai.tool_names, control, on_tool_use)
        context = LLMContext(tools=offered) if offered else LLMContext()
        user, assistant = LLMContextAggregatorPair(
            context,
            user_params=LLMUserAggregatorParams(
                user_turn_strategies=turns.strategies(), audio_idle_timeout=0
            ),
        )
        self._listen(user, assistant, on_turn)
        self._worker = PipelineWorker(
            Pipeline(
                [
                    ears,
                    Hearing(providers.recogniser, ai.language, stopwatch),
                    user,
                    llm,
                    providers.speech(ai, stopwatch),
                    mouth,
                    assistant,
                ]
            ),
            params=PipelineParams(
                audio_in_sample_rate=8000, audio_out_sample_rate=8000
            ),
            enable_rtvi=False,
            enable_turn_tracking=False,
            # The session ends calls; a quiet caller is no reason.
            idle_timeout_secs=None,
            cancel_timeout_secs=5,
            check_dangling_tasks=False,
        )

    async def run(self) -> None:
        """Returns when the conversation was ended or cancelled."""
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self._worker)
        await runner.run()

    async def greet(self) -> None:
        if self._ai.greeting:
            await self._worker.queue_frame(TTSSpeakFrame(self._ai.greeting))

    async def say(self, text: str) -> None:
        await self._worker.queue_frame(TTSSpeakFrame(text))

    async def reply(self) -> None:
        """Let the model speak without waiting for the caller."""
        await self._worker.queue_frame(LLMRunFrame())

    async def finish(self) -> None:
        """Say what is still to be said, and end."""
        await self._worker.queue_frame(EndFrame())

    async def cancel(self) -> None:
        await self._worker.cancel()

    def _listen(
        self,
        user: LLMUserAggregator,
        assistant: LLMAssistantAggregator,
        on_turn: Callable[[Turn], None],
    ) -> None:
        async def caller_said(
            _: object, __: object, message: UserTurnStoppedMessage
        ) -> None:
            self.stopwatch.asked()
            if message.content:
                on_turn(_turn(Speaker.CALLER, message.content, message.timestamp))

        async def agent_said(_: object, message: AssistantTurnStoppedMessage) -> None:
            latency = self.stopwatch.take()
            if message.content:
                on_turn(
                    _turn(
                        Speaker.AGENT,
                        message.content,
                        message.timestamp,
                        interrupted=message.interrupted,
                        latency=latency,
                    )
                )

        user.add_event_handler("on_user_turn_stopped", caller_said)
        assistant.add_event_handler("on_assistant_turn_stopped", agent_said)


def _turn(
    speaker: Speaker,
    text: str,
    started: str,
    *,
    interrupted: bool = False,
    latency: dict[str, float] | None = None,
) -> Turn:
    now = datetime.now(UTC)
    return Turn(
        speaker,
        text.strip(),
        datetime.fromisoformat(started) if started else now,
        now,
        interrupted,
        latency or {},
    )
