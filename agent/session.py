"""One call, from its first message to its last; and LiveCalls, those that are up.

Reads top to bottom as a call happens. There is one place where a call ends: whoever
wants that calls `end(EndReason.X)`, the first reason wins, and `run` does the rest.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from loguru import logger

from agent.calls.ai import AI
from agent.calls.call import Call, CallEnd, EndReason
from agent.calls.transcript import ToolUse, Turn
from agent.conversation.pipeline import Conversation
from agent.conversation.providers import Providers
from agent.media.ear import Ear
from agent.media.endings import Endings
from agent.media.gate import GateConfig, Heard
from agent.media.link import Introduction, Link, NoStartError, Socket, introduce
from agent.media.mouth import Mouth
from agent.media.noise import MakeFilter
from agent.media.transport import AgentAudio, CallerAudio
from agent.media.vad import Vad
from agent.observe import metrics
from agent.wire.audio import codec
from agent.wire.errors import WireError

FAREWELL_DEADLINE = 15.0
"""Seconds in which a goodbye must have been heard."""
UNFINISHED = 0.5
"""Probability of being done below which a caller is waited for longer."""
CLOSE_DEADLINE = 2.0
"""Seconds that Asterisk has to close the socket after our HANGUP."""


class Records(Protocol):
    """Where calls are written down; storage/calls.py fulfils it."""

    async def begin(self, call: Call) -> None: ...
    async def add_turn(self, call_id: str, turn: Turn) -> None: ...
    async def add_tool_use(self, call_id: str, use: ToolUse) -> None: ...
    async def end(self, call_id: str, end: CallEnd) -> None: ...


class Talker(Protocol):
    """Whom the caller talks with: conversation/pipeline.py, or an echo."""

    async def run(self) -> None: ...
    async def greet(self) -> None: ...
    async def say(self, text: str) -> None: ...
    async def finish(self) -> None: ...
    async def cancel(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What all calls of the process share."""

    vad: Vad
    gate: GateConfig
    providers: Providers
    records: Records
    endings: Endings | None = None
    noise: Mapping[str, MakeFilter] = field(default_factory=dict)
    """What AIs may have instead of `off`, by its name in calls/ai.py."""
    instead_of_ai: Callable[[Ear, Mouth], Talker] | None = None
    """The echo of echo.py: the media plane alone, to be measured."""


class LiveCalls:
    """The calls that are up, by id, and whether there is room for another."""

    def __init__(
        self, limit: int, overload: Callable[[], str | None] = lambda: None
    ) -> None:
        """`overload`: why the machine cannot take one more now, if it cannot."""
        self.limit = limit
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
        metrics.calls_live.set(len(self._sessions))

    def remove(self, session: "Session") -> None:
        self._sessions.pop(session.call.id, None)
        self.ended += 1
        metrics.calls_live.set(len(self._sessions))
        if not self._sessions:
            self._gone.set()

    def end(self, call_id: str) -> bool:
        """Hangs up; False when no such call is up."""
        session = self._sessions.get(call_id)
        if session is not None:
            session.end(EndReason.OPERATOR_HUNG_UP)
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
    def __init__(self, call: Call, ai: AI, socket: Socket, parts: Parts) -> None:
        self.call = call
        self._ai = ai
        self._socket = socket
        self._parts = parts
        self._end: CallEnd | None = None
        self._ended = asyncio.Event()
        self._notes: asyncio.Queue[Callable[[], Awaitable[None]] | None] = (
            asyncio.Queue()
        )
        self._conversation: Talker | None = None

    def end(self, reason: EndReason, detail: str = "") -> None:
        """The first reason is kept; calling again does nothing."""
        if self._end is None:
            self._end = CallEnd(reason, datetime.now(UTC), detail)
            self._ended.set()

    async def hang_up(self, farewell: str) -> None:
        """Say goodbye, wait until it was heard, end the call (CallControl)."""
        if self._conversation is None:
            self.end(EndReason.AGENT_HUNG_UP)
            return
        if farewell:
            await self._conversation.say(farewell)
        await self._conversation.finish()
        asyncio.get_running_loop().call_later(
            FAREWELL_DEADLINE,
            self.end,
            EndReason.AGENT_HUNG_UP,
            "goodbye took too long",
        )

    async def run(self) -> None:
        with logger.contextualize(call=self.call.id):
            writer = asyncio.create_task(self._write_notes())
            try:
                await self._answer()
            except Exception as error:  # noqa: BLE001 - ends this call, not the server
                logger.exception("the call failed")
                self.end(EndReason.AGENT_FAILED, repr(error))
            finally:
                await self._put_down(writer)

    async def _answer(self) -> None:
        try:
            introduction = await introduce(self._socket)
        except NoStartError as error:
            logger.warning("no call came of this socket: {}", error)
            self.end(EndReason.NO_MEDIA_START, str(error))
            return
        start = introduction.start
        self.call = replace(
            self.call,
            channel_id=start.channel_id,
            codec=start.format,
            dialect=introduction.dialect.name,
        )
        self._note(partial(self._parts.records.begin, self.call))
        logger.info(
            "call began: {} -> {}, AI {}, {} over {}",
            self.call.caller or "unknown",
            self.call.called or "unknown",
            self.call.ai,
            start.format,
            introduction.dialect.name,
        )
        try:
            await self._talk(introduction)
        except WireError as error:
            logger.error("cannot speak with this Asterisk: {}", error)
            self.end(EndReason.UNSUPPORTED_FORMAT, str(error))

    async def _talk(self, introduction: Introduction) -> None:
        start, dialect = introduction.start, introduction.dialect
        sound = codec(start.format)
        caller_audio = CallerAudio()
        mouth = Mouth(self._socket.send, dialect, sound, start.ptime or 20)

        def heard(what: Heard) -> None:
            if what is Heard.ONSET:
                mouth.pause()
            elif what is Heard.FALSE_ALARM:
                mouth.resume()
            elif what is Heard.SPEECH and mouth.unheard > 0:
                metrics.barge_in.inc()
            elif what is Heard.PAUSE and self._parts.endings is not None:
                tasks.create_task(self._judge(self._parts.endings, ear))
            caller_audio.heard(what, ear)

        noise = self._parts.noise.get(self._ai.noise)
        ear = Ear(sound, self._parts.vad, self._parts.gate, heard, noise)
        self._conversation = conversation = self._talker(ear, mouth, caller_audio)
        link = Link(self._socket, dialect, ear, mouth, caller_audio.digit)
        try:
            async with asyncio.TaskGroup() as tasks:
                talking = tasks.create_task(self._converse(conversation))
                others = [
                    tasks.create_task(self._listen(link)),
                    tasks.create_task(mouth.run()),
                    tasks.create_task(self._limit_length()),
                ]
                await conversation.greet()
                await self._ended.wait()
                await conversation.cancel()
                if self._end and self._end.reason is not EndReason.CALLER_HUNG_UP:
                    mouth.hang_up()
                    await asyncio.wait([others[0]], timeout=CLOSE_DEADLINE)
                for task in others:
                    task.cancel()
                await asyncio.wait([talking], timeout=CLOSE_DEADLINE)
                talking.cancel()
        finally:
            ear.close()

    async def _listen(self, link: Link) -> None:
        await link.run()
        self.end(EndReason.CALLER_HUNG_UP)

    async def _judge(self, endings: Endings, ear: Ear) -> None:
        """A caller who does not sound as if he had finished is waited for longer."""
        finished = await endings.finished(ear.speech(), ear.rate)
        if finished is not None and finished < UNFINISHED and ear.gate.paused:
            ear.gate.stop = self._parts.gate.stop_unfinished

    def _talker(self, ear: Ear, mouth: Mouth, caller_audio: CallerAudio) -> Talker:
        if self._parts.instead_of_ai is not None:
            return self._parts.instead_of_ai(ear, mouth)
        return Conversation(
            self._ai,
            self._parts.providers,
            ears=caller_audio,
            mouth=AgentAudio(mouth),
            control=self,
            on_turn=self._on_turn,
            on_tool_use=self._on_tool_use,
        )

    async def _converse(self, conversation: Talker) -> None:
        await conversation.run()
        self.end(EndReason.AGENT_HUNG_UP)

    async def _limit_length(self) -> None:
        await asyncio.sleep(self._ai.max_minutes * 60)
        self.end(EndReason.TOO_LONG, f"{self._ai.max_minutes:g} minutes")

    def _on_turn(self, turn: Turn) -> None:
        logger.info("[{}] {}", turn.speaker.upper(), turn.text)
        self._note(partial(self._parts.records.add_turn, self.call.id, turn))

    def _on_tool_use(self, use: ToolUse) -> None:
        self._note(partial(self._parts.records.add_tool_use, self.call.id, use))

    def _note(self, write: Callable[[], Awaitable[None]]) -> None:
        """Has it written down, in order, without keeping anybody waiting."""
        self._notes.put_nowait(write)

    async def _write_notes(self) -> None:
        while (note := await self._notes.get()) is not None:
            try:
                await note()
            except Exception as error:  # noqa: BLE001 - the call is worth more
                logger.error("not written down: {}", error)

    async def _put_down(self, writer: asyncio.Task[None]) -> None:
        self.end(EndReason.CALLER_HUNG_UP)
        assert self._end is not None
        await self._socket.close()
        if self.call.channel_id:
            self._note(partial(self._parts.records.end, self.call.id, self._end))
        self._notes.put_nowait(None)
        await writer
        seconds = (self._end.ended_at - self.call.started_at).total_seconds()
        metrics.calls.labels(self._end.reason).inc()
        metrics.call_seconds.observe(seconds)
        logger.info("call ended: {} after {:.1f} s", self._end.reason, seconds)
