"""One call, from its first message to its last; and LiveCalls, those that are up.

Reads top to bottom as a call happens. There is one place where a call ends: whoever
wants that calls `end(EndReason.X)`, the first reason wins, and `run` does the rest.
"""

import asyncio
import json
from collections.abc import (
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

from loguru import logger

from agent.calls.ai import AI
from agent.calls.call import Call, CallEnd, EndReason
from agent.calls.control import CallControlError
from agent.calls.facts import (
    CallAnswered,
    CallBegan,
    CallEnded,
    Fact,
    ToolUsed,
    TroubleMet,
    TurnTaken,
    Used,
    VariablesKept,
)
from agent.calls.heard import Heard
from agent.calls.prices import Prices
from agent.calls.transcript import ToolUse, Trouble, Turn
from agent.calls.usage import Meter, Use
from agent.conversation import prompts
from agent.conversation.config import TurnsConfig
from agent.conversation.errors import ProviderError
from agent.conversation.hearing import Hearing, Manners
from agent.conversation.pipeline import Conversation, Memory
from agent.conversation.privacy import SECONDS, Privacy
from agent.conversation.providers import Providers
from agent.conversation.realtime import Realtime, Sound
from agent.conversation.stopwatch import Stopwatch
from agent.conversation.tools.offers import Offer, described
from agent.conversation.tools.toolbox import Toolbox
from agent.media.audio import DECODE, Resampler
from agent.media.config import GateConfig
from agent.media.ear import Ear
from agent.media.endings import Endings
from agent.media.link import (
    Introduction,
    Link,
    NoStartError,
    Socket,
    SocketLost,
    introduce,
)
from agent.media.mouth import Mouth
from agent.media.noise import MakeFilter
from agent.media.transport import AgentAudio
from agent.media.vad import Vad
from agent.observe import logs, metrics
from agent.observe.media import Media
from agent.telephony.recording import Recorder
from agent.wire.audio import Codec, codec
from agent.wire.errors import WireError
from agent.wire.events import MediaStart

FAREWELL_DEADLINE = 15.0
"""Seconds in which a goodbye must have been heard."""
CLOSE_DEADLINE = 2.0
"""Seconds that Asterisk has to close the socket after our HANGUP."""
TELLING = 1.0
"""Seconds that the dialplan has to say why a socket broke."""
IN_VAIN = 2.0
"""Seconds for an answer, from which on a caller who hangs up has lost patience."""
_AWAITED = {
    "stt": "the recogniser's words",
    "llm": "the model's first word",
    "tts": "the voice's first sound",
}
HELD_UP = 0.5
"""Seconds of delay on the way to us, from which on the account of a call tells it."""
_SOCKET_CLOSED = (EndReason.CALLER_HUNG_UP, EndReason.SOCKET_LOST)
"""Nobody is there any more who could be told to hang up."""


_TOKENS = {
    Meter.LLM_INPUT_TOKENS: "read",
    Meter.LLM_CACHED_TOKENS: "read",
    Meter.LLM_AUDIO_INPUT_TOKENS: "read",
    Meter.LLM_AUDIO_CACHED_TOKENS: "read",
    Meter.LLM_OUTPUT_TOKENS: "written",
    Meter.LLM_AUDIO_OUTPUT_TOKENS: "written",
}
"""As the metric has them."""


class Records(Protocol):
    """Where calls are written down; storage/journal.py fulfils it."""

    def note(self, fact: Fact) -> None:
        """In this order, without keeping anybody waiting; nothing is raised."""


class Talker(Protocol):
    """Whom the caller talks with: conversation/pipeline.py, or an echo."""

    async def run(self) -> None: ...
    def answered(self) -> None: ...
    def heard(self, what: Heard, ear: Ear) -> None: ...
    def key(self, digit: str) -> None: ...
    def hold(self) -> None: ...
    def resume(self) -> None: ...
    async def say(self, text: str) -> None: ...
    async def be_silent(self) -> None: ...
    async def finish(self) -> None: ...
    async def cancel(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What all calls of the process share."""

    vad: Vad
    gate: GateConfig
    providers: Providers
    toolbox: Toolbox
    records: Records
    turns: TurnsConfig = TurnsConfig()
    memory: Memory = field(default_factory=Memory)
    endings: Endings | None = None
    noise: Mapping[str, MakeFilter] = field(default_factory=dict)
    """What AIs may have instead of `off`, by its name in calls/ai.py."""
    recorder: Recorder = field(default_factory=Recorder)
    connect: Callable[[str, str], None] | None = None
    """Told the call's id and where the dialplan is to connect it to next."""
    prices: Prices = Prices()
    spend: Callable[[str, AI, datetime, float | None], None] = lambda *_: None
    """Told the customer, the AI, when the call began, and what something cost."""
    instead_of_ai: Callable[[Ear, Mouth], Talker] | None = None
    """The echo of echo.py: the media plane alone, to be measured."""


class LiveCalls:
    """The calls that are up, by id, and whether there is room for another."""

    def __init__(
        self, limit: int, overload: Callable[[], str | None] = lambda: None
    ) -> None:
        """`overload`: why the machine cannot take one more now, if it cannot."""
        self.limit = limit
        metrics.calls_limit.set(limit)
        self.overload = overload
        self._sessions: dict[str, Session] = {}
        self.ended = 0
        """Calls that were up and are not any more."""
        self._draining = False
        self._gone = asyncio.Event()
        """Set when the last call has left."""

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> "Iterator[Session]":
        return iter(list(self._sessions.values()))

    def refusal(self, call_id: str) -> str | None:
        """Why another call cannot be taken now; None when it can."""
        if self._draining:
            return "shutting_down"
        if call_id in self._sessions:
            return "duplicate_call_id"
        if len(self._sessions) >= self.limit:
            return "at_capacity"
        # An idle machine is never overloaded: a call must be able to prove it.
        return self.overload() if self._sessions else None

    def add(self, session: "Session") -> None:
        self._sessions[session.call.id] = session
        metrics.calls_accepted.inc()
        metrics.calls_live.set(len(self._sessions))

    def remove(self, session: "Session") -> None:
        self._sessions.pop(session.call.id, None)
        self.ended += 1
        metrics.calls_live.set(len(self._sessions))
        if not self._sessions:
            self._gone.set()

    def customer(self, call_id: str) -> str | None:
        """Whose it is; None when no such call is up."""
        session = self._sessions.get(call_id)
        return None if session is None else session.call.customer

    def end(self, call_id: str) -> bool:
        """Hangs up; False when no such call is up."""
        return self._tell(call_id, lambda call: call.end(EndReason.OPERATOR_HUNG_UP))

    def tell(self, call_id: str, *, line_cleared: bool) -> bool:
        """What the dialplan does next; False when no such call is up."""
        return self._tell(call_id, lambda call: call.told(line_cleared=line_cleared))

    def hold(self, call_id: str) -> bool:
        """The caller is elsewhere for a while; False when no such call is up."""
        return self._tell(call_id, lambda call: call.hold())

    def resume(self, call_id: str) -> bool:
        return self._tell(call_id, lambda call: call.resume())

    async def record_start(self, call_id: str) -> bool:
        return await self._ask(call_id, lambda call: call.record_start())

    async def record_stop(self, call_id: str) -> bool:
        return await self._ask(call_id, lambda call: call.record_stop())

    async def record_pause(self, call_id: str, seconds: float) -> bool:
        return await self._ask(call_id, lambda call: call.record_pause(seconds))

    async def record_resume(self, call_id: str) -> bool:
        return await self._ask(call_id, lambda call: call.record_resume())

    async def _ask(
        self, call_id: str, what: "Callable[[Session], Awaitable[None]]"
    ) -> bool:
        session = self._sessions.get(call_id)
        if session is not None:
            await what(session)
        return session is not None

    def _tell(self, call_id: str, what: "Callable[[Session], None]") -> bool:
        session = self._sessions.get(call_id)
        if session is not None:
            what(session)
        return session is not None

    async def drain(self, seconds: float) -> None:
        """No new calls; those that are up may finish in that time."""
        self._draining = True
        if not await self._empty(seconds):
            for session in self:
                session.end(EndReason.SHUTDOWN)
            await self._empty(CLOSE_DEADLINE + 3)

    async def _empty(self, seconds: float) -> bool:
        """Whether all calls were over within that time."""
        if not self._sessions:
            return True
        self._gone.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._gone.wait()
        except TimeoutError:
            return False
        return True


class Session:
    """It is the call's control for the tools (CallControl) and writes down what happens
    in the conversation (Events)."""

    def __init__(self, call: Call, ai: AI, socket: Socket, parts: Parts) -> None:
        self.call = call
        self._ai = ai
        self._socket = socket
        self._parts = parts
        self._end: CallEnd | None = None
        self._ended = asyncio.Event()
        self._told = asyncio.Event()
        self._cleared_at: datetime | None = None
        """When the dialplan told first of the caller's line that it is cleared."""
        self._parting = (EndReason.AGENT_HUNG_UP, "")
        """Why the call ends once the conversation is over."""
        self._answered_at: datetime | None = None
        self._channel = ""
        """The AI leg's name in Asterisk's log, once it is known."""
        self._stopwatch = Stopwatch()
        self._turns: list[Turn] = []
        self._variables = dict(ai.variables) | dict(call.variables)
        self._kept: Mapping[str, str] = {}
        self._talker: Talker | None = None
        keys_to = partial(parts.toolbox.deliver, ai, self) if ai.keys_to else None
        self._privacy = Privacy(call.id, parts.recorder, keys_to)

    def end(
        self, reason: EndReason, detail: str = "", at: datetime | None = None
    ) -> None:
        """The first reason is kept; calling again does nothing. `at`: if not now."""
        if self._end is None:
            self._end = CallEnd(reason, at or datetime.now(UTC), detail)
            self._ended.set()

    def told(self, *, line_cleared: bool) -> None:
        """By the dialplan, of the caller's line; the first word counts."""
        if not self._told.is_set():
            self._cleared_at = datetime.now(UTC) if line_cleared else None
            self._told.set()

    async def part(self, reason: EndReason, farewell: str, detail: str = "") -> None:
        """Say that, wait until it was heard, end the call."""
        if self._talker is None:
            self.end(reason, detail)
            return
        self._parting = (reason, detail)
        if farewell:
            await self._talker.say(farewell)
        await self._talker.finish()
        asyncio.get_running_loop().call_later(
            FAREWELL_DEADLINE, self.end, reason, detail or "goodbye took too long"
        )

    # What the tools may do.

    @property
    def variables(self) -> MutableMapping[str, str]:
        return self._variables

    @property
    def turns(self) -> Sequence[Turn]:
        return self._turns

    @property
    def caller(self) -> str:
        return self.call.caller

    @property
    def customer(self) -> str:
        return self.call.customer

    async def hang_up(self, farewell: str) -> None:
        await self.part(EndReason.AGENT_HUNG_UP, farewell)

    async def leave(self, farewell: str) -> None:
        await self.part(EndReason.AGENT_LEFT, farewell)

    async def connect(self, destination: str, announcement: str) -> None:
        if self._parts.connect is None:
            raise CallControlError("calls cannot be connected here")
        self._parts.connect(self.call.id, destination)
        await self.part(EndReason.CONNECTED, announcement, destination)

    async def stop_media(self) -> None:
        if self._talker is not None:
            await self._talker.be_silent()

    async def record_stop(self) -> None:
        with self._logged():
            await self._privacy.stop()

    async def record_start(self) -> None:
        with self._logged():
            await self._privacy.start()

    async def record_pause(self, seconds: float = SECONDS) -> None:
        with self._logged():
            await self._privacy.pause(seconds)

    async def record_resume(self) -> None:
        with self._logged():
            await self._privacy.resume()

    def hold(self) -> None:
        with self._logged():
            logger.info("[CALL] on hold")
            if self._talker is not None:
                self._talker.hold()

    def resume(self) -> None:
        with self._logged():
            logger.info("[CALL] the hold is over")
            if self._talker is not None:
                self._talker.resume()

    async def run(self) -> None:
        with self._logged():
            self._note(CallBegan(self.call))
            try:
                await self._answer()
            except Exception as error:  # noqa: BLE001 - ends this call, not the server
                with self._logged():
                    logger.exception("[CALL] failed")
                self.end(EndReason.AGENT_FAILED, repr(error))
            finally:
                with self._logged():
                    await self._put_down()

    def _logged(self) -> AbstractContextManager[None]:
        """Lines of the log are of this call, and those of tasks that begin meanwhile;
        an operator's request comes from elsewhere."""
        channel = {"channel": self._channel} if self._channel else {}
        return logger.contextualize(call=self.call.id, **channel)

    async def _answer(self) -> None:
        try:
            introduction = await introduce(self._socket)
        except NoStartError as error:
            logger.warning("[WS] no call came of this socket: {}", error)
            self.end(EndReason.NO_MEDIA_START, str(error))
            return
        start = introduction.start
        self._answered_at = datetime.now(UTC)
        self._channel = start.channel
        self._note(
            CallAnswered(
                self.call.id,
                self._answered_at,
                start.channel_id,
                start.format,
                introduction.dialect.name,
            )
        )
        with self._logged():
            logger.info(
                "[CALL] began: {} -> {}, AI {}, {} over {}",
                self.call.caller or "unknown",
                self.call.called or "unknown",
                self.call.ai,
                start.format,
                introduction.dialect.name,
            )
            try:
                await self._talk(introduction)
            except WireError as error:
                logger.error("[WS] cannot speak with this Asterisk: {}", error)
                self.end(EndReason.UNSUPPORTED_FORMAT, str(error))

    async def _talk(self, introduction: Introduction) -> None:
        start, dialect = introduction.start, introduction.dialect
        sound = codec(start.format)
        _check_frames(start, sound)
        mouth = Mouth(self._socket.send, dialect, sound, start.ptime or 20)
        noise = self._parts.noise.get(self._ai.noise)
        ear = Ear(sound, self._parts.vad, self._parts.gate, noise)
        self._talker = talker = self._choose_talker(ear, mouth)
        ear.on_heard = lambda what: self._now(talker).heard(what, ear)
        link = Link(
            self._socket, dialect, ear, mouth, lambda key: self._now(talker).key(key)
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                talking = tasks.create_task(self._converse(talker, ear, mouth))
                others = [
                    tasks.create_task(self._listen(link)),
                    tasks.create_task(mouth.run()),
                    tasks.create_task(self._limit_length()),
                ]
                talker.answered()
                await self._ended.wait()
                await self._now(talker).cancel()
                if self._end and self._end.reason not in _SOCKET_CLOSED:
                    mouth.hang_up()
                    await asyncio.wait([others[0]], timeout=CLOSE_DEADLINE)
                for task in others:
                    task.cancel()
                await asyncio.wait([talking], timeout=CLOSE_DEADLINE)
                talking.cancel()
        finally:
            packet = 1000 / (start.ptime or 20)
            media = Media(
                ear.frames,
                ear.seconds,
                ear.loud,
                ear.voiced,
                round(mouth.written * packet),
                mouth.written,
                mouth.heard,
                mouth.xoff,
                mouth.flushes,
                link.garbage,
                introduction.early,
                link.odd,
                ear.late if ear.late >= HELD_UP else 0.0,
            )
            logger.info("[WS] {}", media)
            ear.close()

    async def _listen(self, link: Link) -> None:
        try:
            await link.run()
        except SocketLost as error:
            at, waited = datetime.now(UTC), self._waited()
            if self._end is None and await self._is_cleared(at):
                # Asterisk had not read all we sent: a reset swallows its close.
                logger.info("[WS] no close came, and the caller has hung up")
                self.end(EndReason.CALLER_HUNG_UP, waited, at)
            else:
                logger.warning("[WS] the socket broke: {}", error)
                self.end(EndReason.SOCKET_LOST, str(error), at)
        else:
            self.end(EndReason.CALLER_HUNG_UP, self._waited())

    async def _is_cleared(self, at: datetime) -> bool:
        """Whether the dialplan says so of the caller's line, within a second before or
        after that. It may say nothing."""
        try:
            async with asyncio.timeout(TELLING):
                await self._told.wait()
        except TimeoutError:
            pass
        earliest = at - timedelta(seconds=TELLING)
        return self._cleared_at is not None and self._cleared_at > earliest

    def _waited(self) -> str:
        """For what a caller who hangs up now has waited in vain."""
        part, seconds = self._stopwatch.waiting() or ("", 0.0)
        if seconds < IN_VAIN:
            return ""
        return f"after waiting {seconds:.1f} s for {_AWAITED[part]}"

    def _now(self, talker: Talker) -> Talker:
        """Who talks by now, if another began."""
        return self._talker or talker

    def _choose_talker(self, ear: Ear, mouth: Mouth) -> Talker:
        if self._parts.instead_of_ai is not None:
            return self._parts.instead_of_ai(ear, mouth)
        if self._ai.mode == "realtime":
            return self._realtime(ear, mouth)
        return self._cascade(self._ai, ear, mouth)

    def _cascade(
        self,
        ai: AI,
        ear: Ear,
        mouth: Mouth,
        said: Sequence[tuple[str, str]] = (),
    ) -> Conversation:
        """Ears, mind and voice. `said`: what was said before, by role."""
        parts = self._parts

        def patience(seconds: float) -> None:
            ear.gate.stop = seconds

        stopwatch = self._stopwatch
        mouth.on_sound = stopwatch.heard
        hearing = Hearing(
            ai,
            parts.providers.recognisers(ai),
            parts.memory.standing,
            stopwatch,
            Manners(
                pause=mouth.pause,
                hold=mouth.keep,
                go_on=mouth.resume,
                patience=patience,
                unheard=lambda: mouth.unheard,
            ),
            parts.turns,
            judge=parts.endings.finished if parts.endings else None,
        )
        conversation = Conversation(
            ai,
            parts.providers,
            parts.toolbox,
            parts.memory,
            self,
            self,
            said=said,
            stopwatch=stopwatch,
        )
        conversation.connect(hearing, AgentAudio(mouth), lambda: ear.heard_at)
        self._privacy.listener = conversation
        return conversation

    def _realtime(self, ear: Ear, mouth: Mouth) -> Realtime:
        """One model that hears and speaks by itself."""
        ai, parts = self._ai, self._parts
        config = parts.providers.realtime(ai)
        offer = Offer(ai, parts.toolbox, self, self.on_tool_use)

        async def use(name: str, arguments: str) -> str:
            told = await offer.use(name, json.loads(arguments or "{}"))
            return str(told.result)

        def troubled(error: ProviderError) -> None:
            self.on_trouble(
                Trouble(
                    "llm", config.name, error.cause, error.detail, datetime.now(UTC)
                )
            )

        realtime = Realtime(
            ai,
            config,
            prompts.system(ai),
            mouth=mouth,
            sound=Sound(ear.codec, DECODE[ear.codec.name], Resampler),
            tools=described(ai, parts.toolbox),
            use_tool=use,
            on_turn=self.on_turn,
            on_trouble=troubled,
            on_use=self.on_use,
        )
        ear.on_audio = realtime.hear
        return realtime

    async def _converse(self, talker: Talker, ear: Ear, mouth: Mouth) -> None:
        try:
            await talker.run()
        except ProviderError as error:
            if not isinstance(talker, Realtime):
                raise
            logger.error("[LLM] no speech to speech, we go on without: {}", error.cause)
            ear.on_audio = None
            # It has introduced itself, and the ears and the voice of this machine need
            # no model that speaks: the default mind goes on.
            ai = replace(self._ai, greeting="", start="", engine_model="", voice="")
            self._talker = other = self._cascade(ai, ear, mouth, talker.history)
            other.answered()
            await other.run()
        self.end(*self._parting)

    async def _limit_length(self) -> None:
        """The conversation's watch ends it in time, and with a word; this is for those
        that have none."""
        await asyncio.sleep(self._ai.max_minutes * 60 + FAREWELL_DEADLINE)
        self.end(EndReason.TOO_LONG, f"{self._ai.max_minutes:g} minutes")

    # What is written down.

    def on_turn(self, turn: Turn) -> None:
        logger.info("[{}] {}", turn.speaker.upper(), _without_words(turn))
        logger.log(logs.words(), "[{}] {}", turn.speaker.upper(), turn.text)
        self._turns.append(turn)
        self._note(TurnTaken(self.call.id, turn))
        self._keep_variables()

    def on_tool_use(self, use: ToolUse) -> None:
        self._note(ToolUsed(self.call.id, use))
        self._keep_variables()

    def on_trouble(self, trouble: Trouble) -> None:
        stage, detail = trouble.stage.upper(), trouble.detail
        logger.error("[{}] {} {}", stage, trouble.provider, trouble.cause)
        # It may quote what was said, or a provider that does.
        logger.log(logs.words(), "[{}] {}", stage, detail)
        metrics.provider_errors.labels(
            trouble.stage, trouble.provider, trouble.cause
        ).inc()
        self._note(TroubleMet(self.call.id, trouble))

    def on_use(self, use: Use) -> None:
        use = self._parts.prices.priced(use)
        if (kind := _TOKENS.get(use.meter)) is not None:
            metrics.llm_tokens.labels(use.model, kind).inc(use.amount)
        self._parts.spend(self.call.customer, self._ai, self.call.started_at, use.cost)
        self._note(Used(self.call.id, (use,)))

    def _keep_variables(self) -> None:
        known = dict(self._variables)
        if known != self._kept:
            self._kept = known
            self._note(VariablesKept(self.call.id, known))

    def _note(self, fact: Fact) -> None:
        self._parts.records.note(fact)
        metrics.note(fact)

    async def _put_down(self) -> None:
        self.end(EndReason.CALLER_HUNG_UP)
        assert self._end is not None
        self._privacy.close()
        if self._answered_at is not None:
            up = (self._end.ended_at - self._answered_at).total_seconds()
            self.on_use(Use(Meter.CALL_SECONDS, "", max(up, 0.0)))
        self._note(CallEnded(self.call.id, self._end))
        await self._socket.close()
        seconds = (self._end.ended_at - self.call.started_at).total_seconds()
        metrics.calls.labels(self._end.reason).inc()
        metrics.call_seconds.observe(seconds)
        logger.info("[CALL] ended: {} after {:.1f} s", self._end.reason, seconds)


def _check_frames(start: MediaStart, sound: Codec) -> None:
    """Whether MEDIA_START contradicts itself: noise would be all that is heard."""
    ptime = start.ptime or 20
    expected = sound.frame_bytes(ptime)
    if start.frame_size not in (0, expected):
        logger.warning(
            "[WS] MEDIA_START says {}, whose {} ms have {} bytes, and frames of {}",
            *(sound.name, ptime, expected, start.frame_size),
        )


_PARTS = ("silence", "stt", "llm", "tts", "reply", "heard")


def _without_words(turn: Turn) -> str:
    seconds = (turn.ended_at - turn.started_at).total_seconds()
    told = f"{len(turn.text.split())} words, {seconds:.1f} s"
    if turn.interrupted:
        told += ", interrupted"
    took = ", ".join(
        f"{part} {turn.latency[part]:.2f}" for part in _PARTS if part in turn.latency
    )
    return f"{told}; {took}" if took else told
