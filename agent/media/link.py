"""One call's socket, from its first message to its last.

Reads what Asterisk says and hands it on: frames to the ear, playout news to the mouth,
keys to whoever listens. Garbage is counted and logged, and never ends a call.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from loguru import logger

from agent.observe import metrics
from agent.wire import events
from agent.wire.dialect import Audio, Dialect, detect
from agent.wire.errors import WireError

from .ear import Ear
from .mouth import Mouth

START_DEADLINE = 2.0
"""Seconds in which a call must introduce itself."""
_UNKNOWN_EVENTS = 8
"""Names of which the log tells; a newer Asterisk has a few, garbage has many."""


class Socket(Protocol):
    """A websocket, seen from the call. Live: web/telephony_ws.py."""

    async def receive(self) -> bytes | str | None:
        """The next message; None when the other side has closed, SocketLost when it
        did not."""

    def hand_over(self, take: Callable[[bytes], object]) -> None:
        """From now on binary messages may come by `take`, in the moment in which they
        arrive, rather than by `receive`."""

    async def send(self, message: bytes | str) -> None: ...

    async def close(self) -> None: ...


class NoStartError(Exception):
    """The other side closed, or said nothing that begins a call."""


class SocketLost(Exception):
    """It is over, and the other side had not closed it; why, in words."""


@dataclass(frozen=True, slots=True)
class Introduction:
    dialect: Dialect
    start: events.MediaStart
    early: int = 0
    """Messages of audio that came before."""


async def introduce(socket: Socket) -> Introduction:
    """Waits for the message that begins a call; audio before it is dropped."""
    early = 0
    try:
        async with asyncio.timeout(START_DEADLINE):
            while (message := await socket.receive()) is not None:
                dialect = detect(message)
                if dialect is None:
                    metrics.wire_errors.labels("audio_before_start").inc()
                    early += 1
                    continue
                start = dialect.read(message)
                if isinstance(start, events.MediaStart):
                    return Introduction(dialect, start, early)
                raise NoStartError(f"first message is {message[:80]!r}")
    except TimeoutError:
        raise NoStartError(f"no start in {START_DEADLINE:g} s") from None
    except (WireError, SocketLost) as error:
        raise NoStartError(str(error)) from error
    raise NoStartError("closed before it began")


class Link:
    def __init__(
        self,
        socket: Socket,
        dialect: Dialect,
        ear: Ear,
        mouth: Mouth,
        on_digit: Callable[[str], None],
    ) -> None:
        self._socket = socket
        self._dialect = dialect
        self._ear = ear
        self._mouth = mouth
        self._on_digit = on_digit
        self.garbage = 0
        """Messages that made no sense."""
        self.odd = 0
        """Messages of audio that are no whole tens of milliseconds."""
        self._ten = ear.codec.frame_bytes(10)
        self._unknown: set[str] = set()

    async def run(self) -> None:
        """Returns when the other side has gone."""
        self._socket.hand_over(self._take)
        while (message := await self._socket.receive()) is not None:
            if self._take(message):
                return

    def _take(self, message: bytes | str) -> bool:
        """True when the other side says that the call is over."""
        try:
            value = self._dialect.read(message)
        except WireError as error:
            self._complain(error)
            return False
        if isinstance(value, Audio):
            metrics.frames_in.inc()
            self.odd += len(value.payload) % self._ten != 0
            self._ear.hear(value.payload)
            return False
        return self._told(value)

    def _told(self, event: events.Event) -> bool:
        """Acts on news from Asterisk; True when it says that the call is over."""
        match event:
            case events.MarkReached(mark):
                self._mouth.mark_reached(mark)
            case events.Dtmf(digit):
                logger.info("[DTMF] a key")  # which one may be a card number
                self._on_digit(digit)
            case events.Xoff():
                self._mouth.hold()
                if self._mouth.xoff.bit_count() == 1:
                    logger.warning("[WS] Asterisk's queue is nearly full (XOFF)")
            case events.Xon():
                self._mouth.release()
            case events.Status():
                if not event.queue_full:
                    self._mouth.release()
                self._mouth.queue_is(event.queue_length)
            case events.Stopped():
                return True
            case events.Refused(text):
                logger.warning("[WS] Asterisk refused a command: {}", text)
            case events.Unrecognised(name):
                self._wonder(name)
            case _:
                pass
        return False

    def _wonder(self, name: str) -> None:
        if name not in self._unknown and len(self._unknown) < _UNKNOWN_EVENTS:
            self._unknown.add(name)
            logger.warning("[WS] unknown event {!r}, ignored", name)

    def _complain(self, error: WireError) -> None:
        metrics.wire_errors.labels("garbage").inc()
        self.garbage += 1
        if self.garbage.bit_count() == 1:  # the 1st, 2nd, 4th, 8th ...
            logger.warning("[WS] garbage no. {} on the wire: {}", self.garbage, error)
