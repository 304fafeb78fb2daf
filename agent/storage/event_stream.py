"""Events live: one reader of the database for all who listen in this process.

Nobody listens: nothing is read. Whoever comes is given first what he has missed, then
what comes; whoever reads too slowly is sent away and comes back with his last number.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from loguru import logger

from agent.calls.event import KeptEvent, numbered
from agent.observe import metrics

from .errors import StorageError
from .events import Events, Wanted


@dataclass(frozen=True, slots=True)
class StreamConfig:
    poll: float = 1.0
    """Seconds until events of other processes are looked for."""
    at_once: int = 200
    """Events in one look into the database."""
    behind: int = 1000
    """Events that a listener may have before it is sent away."""
    most: int = 50
    """Listeners of one customer."""
    sign_of_life: float = 15.0
    """Seconds of silence after which a client is told that the stream is there."""
    stalled: float = 30.0
    """Seconds that a client may read nothing at all."""
    ask_again: float = 10.0
    """Seconds after which it is asked again whether a key is good."""


class Over(StrEnum):
    """Why a stream is over."""

    BEHIND = "behind"
    """Its client reads too slowly."""
    STOPPING = "stopping"
    """The agent is."""
    KEY = "key"
    """It is not good any more."""
    TALKATIVE = "talkative"
    """Its client sends more than it should."""
    GONE = "gone"
    """Its client is."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Some may have been there that cannot be told any more."""

    after: int
    """The last number that the client knows."""
    resumed: int
    """The number after which it goes on."""


@dataclass(frozen=True, slots=True)
class Line:
    """An event as everybody is told of it; made once for all listeners."""

    number: int
    type: str
    text: str
    """JSON, in one line."""


class TooManyListeners(Exception):
    """This customer has as many as it may have."""


class EventStream:
    """Of one process: reads each new event once, and hands it to all who listen.

    Nobody listens: nothing is read. The database is away: they wait, and it is caught
    up with when it is back."""

    def __init__(self, events: Events, config: StreamConfig = StreamConfig()) -> None:
        self.config = config
        self._events = events
        self._open: set[Listener] = set()
        self._joined: set[Listener] = set()
        """Those that have read what they had missed."""
        self._position: int | None = None
        """All up to this number was handed out; None: nobody listens."""
        self._news = asyncio.Event()
        self._joining = asyncio.Lock()
        self._closed = False

    def kick(self) -> None:
        """Something was committed here: there may be events."""
        self._news.set()

    def close(self) -> None:
        """Every stream ends, and no other begins."""
        self._closed = True
        for listener in self._open:
            listener.end(Over.STOPPING)

    async def run(self) -> None:
        """Until it is cancelled."""
        away = False
        while True:
            more = False
            try:
                more = await self._hand_out()
                away = False
            except StorageError as error:
                if not away:
                    logger.warning("[EVENTS] streams wait for the database: {}", error)
                away = True
            if not more:
                await self._wait()

    async def listen(self, wanted: Wanted, after: int | None = None) -> "Listener":
        """`after`: the last number that the client knows; None: what comes from now
        on. To be closed. Raises StorageError, or TooManyListeners."""
        of_customer = [
            each for each in self._open if each.wanted.customer == wanted.customer
        ]
        if len(of_customer) >= self.config.most:
            raise TooManyListeners
        listener = Listener(self, self._events, wanted)
        self._open.add(listener)
        metrics.event_streams.set(len(self._open))
        try:
            await listener.open(after)
        except BaseException:
            listener.close()
            raise
        if self._closed:
            listener.end(Over.STOPPING)
        return listener

    async def join(self, listener: "Listener") -> int:
        """From the next event on it is told; returns the number of the last before."""
        async with self._joining:
            if self._position is None:
                self._position = (await self._events.span()).newest
                self._news.set()
            self._joined.add(listener)
            return self._position

    def leave(self, listener: "Listener") -> None:
        self._open.discard(listener)
        metrics.event_streams.set(len(self._open))
        self._joined.discard(listener)
        if not self._joined:
            self._position = None

    def __len__(self) -> int:
        return len(self._open)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self.config.poll if self._joined else None):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()

    async def _hand_out(self) -> bool:
        """Whether there may be more."""
        position = self._position
        if position is None:
            return False
        found = await self._events.after(position, self.config.at_once)
        # Meanwhile the last may have gone, and another have come.
        if self._position != position:
            return self._position is not None
        if not found:
            return False
        self._position = found[-1].number
        for kept_event in found:
            told = None
            for listener in list(self._joined):
                if kept_event.event in listener.wanted:
                    told = told or line(kept_event)
                    listener.tell(told)
        return len(found) == self.config.at_once


def line(kept_event: KeptEvent) -> Line:
    # In ASCII: some clients end a line at more characters than SSE does.
    text = json.dumps(numbered(kept_event), separators=(",", ":"))
    return Line(kept_event.number, kept_event.event.type.value, text)


class Listener:
    """One client: first what it has missed, then what comes.

    It reads pages until one is not full, then it joins. What was committed up to that
    moment is read once more, what comes after it is told: no event twice, none never.
    """

    def __init__(self, stream: EventStream, events: Events, wanted: Wanted) -> None:
        self.wanted = wanted
        self._stream = stream
        self._events = events
        self._number = 0
        """The last number that was given."""
        self._joined: int | None = None
        """The number up to which is read; None: not joined yet."""
        self._gap: Gap | None = None
        self._lines: deque[Line] = deque()
        self._news = asyncio.Event()
        self._closed = False
        self._when_over: Callable[[], object] | None = None
        self.over: Over | None = None
        self.began_at: int | None = None
        """The number after which it listens, if it did not say one itself."""

    async def open(self, after: int | None) -> None:
        if after is None:
            self._number = self._joined = await self._stream.join(self)
            self.began_at = self._number
            return
        self._number = after
        newest = (await self._events.span()).newest
        if after > newest:
            # Another database, or an older copy of this one.
            self._number = newest
            self._gap = Gap(after, newest)

    async def next(self, seconds: float) -> Sequence[Line | Gap]:
        """What is to be sent; nothing after that time, or when it is over."""
        try:
            async with asyncio.timeout(seconds):
                while self.over is None:
                    if ready := await self._ready():
                        return ready
        except TimeoutError:
            pass
        return ()

    async def _ready(self) -> Sequence[Line | Gap]:
        if self._gap is not None:
            gap, self._gap = self._gap, None
            return (gap,)
        if self._joined is None or self._number < self._joined:
            return await self._missed()
        self._news.clear()
        if not self._lines:
            await self._news.wait()
        ready = tuple(self._lines)
        self._lines.clear()
        return ready

    async def _missed(self) -> Sequence[Line | Gap]:
        """Nothing changes before the last await: who is cancelled, or fails, reads
        the same again."""
        limit = self._stream.config.at_once
        try:
            found = await self._events.after(
                self._number, limit, self.wanted, until=self._joined
            )
            before = (await self._events.span()).oldest - 1
            if self._number < before:
                gap, self._number = Gap(self._number, before), before
                return (gap,)
            if len(found) < limit and self._joined is None:
                self._joined = await self._stream.join(self)
            elif len(found) < limit:
                self._number = self._joined or 0
        except StorageError:
            # The stream's own reader says so in the log.
            await asyncio.sleep(self._stream.config.poll)
            return ()
        if found:
            self._number = max(self._number, found[-1].number)
        return [line(each) for each in found]

    def tell(self, told: Line) -> None:
        # What it has read already may be new to the stream.
        if self.over is not None or told.number <= self._number:
            return
        if len(self._lines) >= self._stream.config.behind:
            self.end(Over.BEHIND)
            return
        self._lines.append(told)
        self._news.set()

    def end(self, why: Over) -> None:
        """The first reason stays."""
        if self.over is None:
            self.over = why
            metrics.event_streams_over.labels(why.value).inc()
            self._lines.clear()
            self._news.set()
            if self._when_over is not None:
                self._when_over()

    @asynccontextmanager
    async def patience(self, seconds: float) -> AsyncIterator[None]:
        """TimeoutError when the block lasts longer, or when it is over meanwhile."""
        async with asyncio.timeout(seconds) as limit:

            def give_up() -> None:
                if not limit.expired():
                    limit.reschedule(0)

            self._when_over = give_up
            try:
                yield
            finally:
                self._when_over = None

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._stream.leave(self)
            self.end(Over.GONE)
