"""A conversation: an AI and a caller, from the first word to the last.

Its processors stand in the order in which a frame meets them. Around them: what is said
without asking the model, when nobody says anything, and when somebody fails.
"""

import asyncio
import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from loguru import logger
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    CancelFrame,
    EndFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallResultFrame,
    FunctionCallsStartedFrame,
    LLMMessagesAppendFrame,
    TTSSpeakFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    AssistantTurnStoppedMessage,
    LLMAssistantAggregatorParams,
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
    UserTurnStoppedMessage,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.utils.context.llm_context_summarization import (
    LLMAutoContextSummarizationConfig,
    LLMContextSummaryConfig,
)
from pipecat.workers.runner import WorkerRunner

from agent.calls.ai import AI, CONSENT
from agent.calls.call import EndReason
from agent.calls.control import CallControl, CallControlError
from agent.calls.heard import Heard
from agent.calls.transcript import Speaker, ToolUse, Trouble, Turn
from agent.calls.usage import Use

from . import lines, prompts, turns, watch
from .ears import Ear, Ears
from .errors import ProviderError
from .guess import Guess
from .keys import Keys, as_message
from .metering import MeteredMind, MeteredVoice
from .phrases import Phrases
from .providers import Providers
from .script import Script
from .speaking import Speaking
from .standing import Standing
from .stopwatch import Stopwatch
from .thinking import Thinking
from .tools.offers import offer
from .tools.toolbox import Toolbox
from .words import is_goodbye

FAILURES = 2
"""Answers in a row that nobody could give, after which the AI gives the call away."""
LONG = LLMAutoContextSummarizationConfig(
    # The small models of a telephone have a window of 4096 tokens, tools included.
    max_context_tokens=2400,
    max_unsummarized_messages=80,
    summary_config=LLMContextSummaryConfig(
        target_context_tokens=400, min_messages_after_summary=8
    ),
)
"""When a conversation is summarised for the model."""


class Events(Protocol):
    """Who writes down what happens, and ends the call; the session fulfils it."""

    def on_turn(self, turn: Turn) -> None: ...
    def on_tool_use(self, use: ToolUse) -> None: ...
    def on_trouble(self, trouble: Trouble) -> None: ...
    def on_use(self, use: Use) -> None:
        """Of something that may cost money; what it costs is not known here."""

    async def part(self, reason: EndReason, farewell: str, detail: str = "") -> None:
        """Say that, wait until it was heard, end the call."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What conversations of one process know of each other."""

    standing: Standing = field(default_factory=Standing)
    phrases: Phrases = field(default_factory=Phrases)


class Conversation:
    """Its two ends, a telephone's or a chat's, are given to `connect`."""

    def __init__(
        self,
        ai: AI,
        providers: Providers,
        toolbox: Toolbox,
        memory: Memory,
        control: CallControl,
        events: Events,
        *,
        channel: str = "voice",
        said: Sequence[tuple[str, str]] = (),
        stopwatch: Stopwatch | None = None,
    ) -> None:
        """`channel`: "voice" or "chat"; not every tool is fit for both. `said`: what
        was said before, by the roles of a chat."""
        self._ai = ai
        self._control = control
        self._events = events
        self._stopwatch = stopwatch or Stopwatch()
        self._context = LLMContext(
            [{"role": role, "content": text} for role, text in said]  # type: ignore[misc]
        )
        self._script = Script(ai.language)
        self._thinking = Thinking(
            [
                MeteredMind(mind, events.on_use)
                for mind in providers.minds(ai, prompts.system(ai))
            ],
            memory.standing,
            filler=self._line("filler"),
            on_trouble=self._troubled,
            on_answer=self._answered,
            script=self._script,
        )
        offered = offer(
            self._thinking, ai, toolbox, control, events.on_tool_use, channel
        )
        if offered:
            self._context.set_tools(offered)
        self._speaking = Speaking(
            [MeteredVoice(voice, events.on_use) for voice in providers.voices(ai)],
            memory.standing,
            memory.phrases,
            ai.language,
            self._stopwatch,
            on_trouble=self._troubled,
            on_mute=self._give_up,
        )
        self._guess = Guess(
            self._context,
            self._thinking.first,
            ai.language,
            self._speaking.prepare,
            self._speaking.forget,
        )
        self._thinking.guess = self._guess
        self._watch = watch.Watch(ai)
        self._keys = Keys()
        self._on_key: Callable[[str], None] | None = None
        """Who is given the keys of a private pause, instead of the model."""
        self._stirred = asyncio.Event()
        self._failures = 0
        self._given_up = False
        self._leaving = False
        self._doing: set[asyncio.Task[None]] = set()

    def connect(
        self,
        ears: Ears,
        mouth: FrameProcessor,
        last_frame: Callable[[], float] | None = None,
    ) -> None:
        """`last_frame`: when sound of the caller last arrived, on the loop's clock."""
        self._ears = ears
        self._last_frame = last_frame
        ears.guessed = self._guess.heard
        ears.troubled = self._troubled
        ears.deaf = lambda: self._answered(False)
        ears.used = self._events.on_use
        self._attention = _Attention(self._noticed)
        user, assistant = LLMContextAggregatorPair(
            self._context,
            user_params=LLMUserAggregatorParams(
                user_turn_strategies=turns.strategies(),
                audio_idle_timeout=0,
                empty_user_turn=None,
            ),
            assistant_params=LLMAssistantAggregatorParams(
                enable_auto_context_summarization=True,
                auto_context_summarization_config=LONG,
            ),
        )
        user.add_event_handler("on_user_turn_stopped", self._caller_said)
        assistant.add_event_handler("on_assistant_turn_stopped", self._agent_said)
        self._worker = PipelineWorker(
            Pipeline(
                [
                    ears,
                    self._attention,
                    user,
                    self._thinking,
                    self._speaking,
                    mouth,
                    assistant,
                ]
            ),
            params=PipelineParams(
                audio_in_sample_rate=8000, audio_out_sample_rate=8000
            ),
            enable_rtvi=False,
            enable_turn_tracking=False,
            # Our own watch knows better what a quiet caller means.
            idle_timeout_secs=None,
            cancel_timeout_secs=5,
            check_dangling_tasks=False,
        )

    async def run(self) -> None:
        """Returns when the conversation was ended or cancelled."""
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self._worker)
        watching = asyncio.create_task(self._keep_watch(), name="watch")
        running = asyncio.create_task(runner.run(), name="conversation")
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            # Pipecat's runner would take its time, or all of it.
            await self.cancel()
            await running
            raise
        finally:
            watching.cancel()
            self._guess.drop()
            for task in self._doing:
                task.cancel()

    async def say(self, text: str, *, remember: bool = True) -> None:
        """`remember`: the model knows afterwards that it was said."""
        frame = TTSSpeakFrame(text, append_to_context=remember)
        if remember:
            self._script.begin(text)
            self._stopwatch.no_answer()  # but this
        # Not through the whole pipeline: the mind may be thinking, and what is behind
        # it would wait until it has finished.
        await self._speaking.queue_frame(frame)

    async def finish(self) -> None:
        """Say what is still to be said, and end."""
        self._leaving = True
        await self._worker.queue_frame(EndFrame())

    async def cancel(self) -> None:
        await self._worker.cancel()
        if self._leaving:
            # The worker does nothing else until it has ended, and it ends when the
            # last word was heard: maybe never.
            await self._ears.queue_frame(CancelFrame())

    async def be_silent(self) -> None:
        """What is being said ends here."""
        await self._attention.broadcast_interruption()  # type: ignore[no-untyped-call]

    # What happens around it.

    def answered(self) -> None:
        """The caller is there and hears us."""
        now = self._now()
        self._watch.answered(now)
        self._watch.media_ready(now)
        self._stir()

    def heard(self, what: Heard, ear: Ear) -> None:
        self._ears.heard(what, ear)

    def key(self, digit: str) -> None:
        if self._on_key is not None:
            self._on_key(digit)
            return
        self._keys.dictation = self._ears.dictating is not None
        now = self._now()
        self._keys.digit(digit, now)
        self._watch.caller_typed(now)
        self._stir()

    def hold(self) -> None:
        """The caller is elsewhere: nobody is asked, nothing is said or written down."""
        self._watch.hold(self._now())
        self._ears.close()
        self._stir()

    def resume(self) -> None:
        self._ears.open()
        self._watch.resume(self._now())
        self._stir()

    def be_private(self, on_key: Callable[[str], None]) -> None:
        """Until `be_public` nothing is heard, and who is told the keys is `on_key`.
        Those that were typed already are forgotten, too: they may be of the number."""
        self._on_key = on_key
        self._keys = Keys()
        self._ears.plug()
        self._watch.hold(self._now())
        self._stir()

    async def ask_for_keys(self) -> None:
        await self.say(self._line("private"), remember=False)

    async def be_public(self, told: str) -> None:
        """`told`: what the model is to go on with; empty: nothing."""
        self._on_key = None
        self._ears.unplug()
        if not self._ears.closed:
            self._watch.resume(self._now())
        self._stir()
        if told:
            await self._tell(told)

    # What the processors tell.

    def _noticed(self, frame: Frame) -> None:
        now = self._now()
        match frame:
            case BotStartedSpeakingFrame():
                self._watch.agent_started(now)
            case BotStoppedSpeakingFrame():
                self._watch.agent_stopped(now)
            case VADUserStartedSpeakingFrame():
                self._watch.caller_started(now)
            case VADUserStoppedSpeakingFrame():
                self._watch.caller_stopped(now)
                self._watch.asked(now)  # a slow recogniser is a wait, too
            case FunctionCallsStartedFrame():
                self._watch.tool_started(now)
            case FunctionCallResultFrame() | FunctionCallCancelFrame():
                self._watch.tool_finished(now)
                if _wants_no_answer(frame):
                    self._stopwatch.no_answer()
            case _:
                return
        self._stir()

    async def _caller_said(
        self, _: object, __: object, message: UserTurnStoppedMessage
    ) -> None:
        if not message.content:
            self._stopwatch.nothing_said()
            self._watch.answer_over(self._now())
            self._stir()
            return
        self._stopwatch.asked()
        self._watch.asked(self._now())
        self._watch.caller_said(goodbye=self._is_goodbye(message.content))
        self._stir()
        self._events.on_turn(_turn(Speaker.CALLER, message.content, message.timestamp))

    async def _agent_said(
        self, _: object, message: AssistantTurnStoppedMessage
    ) -> None:
        latency = self._stopwatch.take()
        self._watch.answer_over(self._now())
        self._stir()
        if not message.content:
            return
        spoken = ""
        if message.interrupted:
            spoken = self._script.interrupted(message.content)
        else:
            self._script.heard(message.content)
        if not message.interrupted and _same(message.content, self._ai.consent):
            heard_at = datetime.now(UTC).isoformat(timespec="seconds")
            self._control.variables[CONSENT] = heard_at
        self._ears.agent_said(message.content)
        # "Goodbye, and have a nice day": the model says more than a caller does.
        parts = re.split(r"[.!?,;]", message.content)
        self._watch.agent_said(goodbye=any(map(self._is_goodbye, parts)))
        self._stir()
        turn = _turn(Speaker.AGENT, message.content, message.timestamp)
        self._events.on_turn(
            replace(
                turn, interrupted=message.interrupted, latency=latency, spoken=spoken
            )
        )

    def _answered(self, well: bool) -> None:
        """Whether the caller's words came to an answer."""
        if not well:
            self._watch.answer_over(self._now())
            self._stopwatch.no_answer()
        self._failures = 0 if well else self._failures + 1
        if self._failures >= FAILURES:
            self._give_up()
        elif not well:
            self._do(self.say(self._line("failed"), remember=False))

    def _troubled(self, stage: str, provider: str, error: ProviderError) -> None:
        self._events.on_trouble(
            Trouble(stage, provider, error.cause, error.detail, datetime.now(UTC))
        )

    def _give_up(self) -> None:
        """Nobody is left to go on with: a human, or an end that says so."""
        if not self._given_up:
            self._given_up = True
            self._do(self._hand_over())

    async def _hand_over(self) -> None:
        if self._ai.human:
            try:
                await self._control.connect(self._ai.human, self._line("human"))
            except CallControlError as error:
                logger.error("[CALL] no human takes it: {}", error)
            else:
                return
        farewell = f"{self._line('failed')} {self._line('goodbye')}"
        await self._events.part(EndReason.PROVIDER_FAILED, farewell)

    # What nobody has to ask for.

    async def _keep_watch(self) -> None:
        while True:
            due = [at for at in (self._watch.due(), self._keys.due()) if at is not None]
            try:
                async with asyncio.timeout_at(min(due, default=None)):
                    await self._stirred.wait()
            except TimeoutError:
                pass
            self._stirred.clear()
            now = self._now()
            if self._last_frame is not None:
                self._watch.frames(self._last_frame())
            for action in self._watch.look(now):
                if not self._leaving:
                    await self._act(action)
            while (entry := self._keys.look(now)) is not None:
                dictation = self._ears.dictating is not None
                self._ears.typed(as_message(entry, dictation=dictation))

    async def _act(self, action: watch.Action) -> None:
        match action:
            case watch.Start():
                await self._begin()
            case watch.Filler():
                await self.say(self._line("filler"), remember=False)
            case watch.Reprompt():
                await self.say(self._line("reprompt"))
            case watch.EndingSoon():
                await self.say(self._line("ending_soon"))
            case watch.Goodbye():
                farewell = self._line("goodbye")
                await self._events.part(EndReason.CALLER_SILENT, farewell)
            case watch.Farewell():
                await self._events.part(EndReason.AGENT_HUNG_UP, "")
            case watch.TooLong():
                detail = f"{self._ai.max_minutes:g} minutes"
                await self._events.part(EndReason.TOO_LONG, "", detail)
            case watch.HoldHint():
                logger.info("[WS] the caller's audio has ceased: on hold")
                self._ears.close()
            case watch.HoldOver():
                logger.info("[WS] the caller's audio is back")
                self._ears.open()

    async def _begin(self) -> None:
        if self._ai.consent:
            self._script.begin(self._ai.consent)
            await self._worker.queue_frame(TTSSpeakFrame(self._ai.consent))
        if self._ai.start:
            await self._tell(f"(The caller is on the line. {self._ai.start})")
        elif self._ai.greeting:
            self._script.begin(self._ai.greeting)
            await self._worker.queue_frame(TTSSpeakFrame(self._ai.greeting))

    async def _tell(self, what: str) -> None:
        """What the model is to go on with, in the place of the caller's words."""
        await self._worker.queue_frame(
            LLMMessagesAppendFrame([{"role": "user", "content": what}], run_llm=True)
        )

    def _is_goodbye(self, text: str) -> bool:
        return is_goodbye(text, self._ai.language)

    def _line(self, name: str) -> str:
        return lines.line(name, self._ai.language, self._ai.lines)

    def _do(self, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(doing)
        self._doing.add(task)
        task.add_done_callback(self._doing.discard)

    def _stir(self) -> None:
        """Something changed: the watch may be due earlier."""
        self._stirred.set()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


class _Attention(FrameProcessor):
    """Sees who speaks: the caller's news go by, and what the mouth tells upstream."""

    def __init__(self, noticed: Callable[[Frame], None]) -> None:
        super().__init__(name="Attention")
        self._noticed = noticed

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self._noticed(frame)
        await self.push_frame(frame, direction)


def _wants_no_answer(frame: Frame) -> bool:
    """A tool's result after which the model is not asked: the tool was the answer."""
    if not isinstance(frame, FunctionCallResultFrame) or frame.properties is None:
        return False
    return frame.properties.run_llm is False


def _same(one: str, other: str) -> bool:
    """Whatever the white space."""
    return one.split() == other.split() != []


def _turn(speaker: Speaker, text: str, started: str) -> Turn:
    now = datetime.now(UTC)
    began = datetime.fromisoformat(started) if started else now
    return Turn(speaker, text.strip(), began, now)
