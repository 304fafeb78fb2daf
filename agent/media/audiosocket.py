"""An AudioSocket connection that behaves as chan_websocket does.

Asterisk has no queue on this way: what we write is played when it arrives. So the
driver's queue is kept here, one frame leaves it every 20 ms, and its marks, flushes
and pauses are those of a media websocket: the session sees no difference.

Silence is written too, from the first moment on. Asterisk ends the call after two
seconds without a byte, and its channel reads a message to its end while it holds the
channel's lock: a peer that waits to be spoken to can be waited for by Asterisk
(asterisk#2089), and neither is ever heard.
"""

import asyncio
from collections.abc import Callable
from uuid import UUID

from loguru import logger

from agent.observe import metrics
from agent.wire import audiosocket as wire
from agent.wire.events import Dtmf, Event, MediaStart
from agent.wire.mirror import DriverMirror
from agent.wire.playqueue import PlayQueue

from .link import NoStartError

IDENTITY_DEADLINE = 2.0
"""Seconds in which a connection must say which call it is."""
SOUND_DEADLINE = 0.5
"""Seconds in which a caller's first frame tells the rate. After it: 8 kHz."""
FRAME_SECONDS = 0.02
CATCH_UP = 0.1
"""Seconds of lateness that are made up for: what a phone's jitter buffer hides."""

_NARROW = 8000
"""Samples a second where nothing else is known."""
_INBOX_FRAMES = 250
"""The caller's frames that may wait until the session takes them: 5 s."""
_MOST_UNSENT = 64_000
"""Bytes. A peer that does not read is not written to."""


class AudioSocket:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._messages = wire.Messages()
        self._rate = _NARROW
        self._queue: PlayQueue | None = None
        """None: the call has not begun, since its rate is not known."""
        self._mirror = DriverMirror("json")
        self._inbox: asyncio.Queue[bytes | str | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(_INBOX_FRAMES)
        self._take: Callable[[bytes], object] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._errors = 0

    async def identity(self) -> UUID:
        """Which call this is. NoStartError when it does not say so first."""
        try:
            async with asyncio.timeout(IDENTITY_DEADLINE):
                while received := await self._reader.read(1024):
                    if messages := self._messages.feed(received):
                        return self._identified(messages)
        except TimeoutError:
            raise NoStartError(f"no UUID in {IDENTITY_DEADLINE:g} s") from None
        except OSError as error:
            raise NoStartError(str(error)) from error
        raise NoStartError("closed before it began")

    async def receive(self) -> bytes | str | None:
        message = await self._inbox.get()
        if isinstance(message, bytes):
            self._room.release()
        return message

    def hand_over(self, take: Callable[[bytes], object]) -> None:
        self._take = take

    async def send(self, message: bytes | str) -> None:
        if self._queue is None:
            return
        if isinstance(message, bytes):
            self._queue.audio(message)
            return
        self._queue.command(message)
        if self._queue.hung_up:
            self._writer.write(wire.HANGUP)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._writer.transport.get_write_buffer_size():
            self._writer.transport.abort()
        else:
            self._writer.close()

    def _identified(self, messages: list[wire.Message]) -> UUID:
        first, *others = messages
        if not isinstance(first, wire.Identity):
            raise NoStartError(f"a call begins with its UUID, not {str(first)[:80]}")
        self._mirror.channel_id = str(first.id)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(SOUND_DEADLINE, self._begin, _NARROW)
        self._tasks = [
            asyncio.create_task(self._listen(others)),
            asyncio.create_task(pace(self._tick)),
        ]
        return first.id

    def _begin(self, rate: int) -> None:
        """The start that chan_websocket would have sent."""
        if self._queue is not None:
            return
        self._rate = rate
        frame_bytes = _frame_bytes(rate)
        self._queue = PlayQueue(frame_bytes, self._mirror, self._tell)
        host, port = self._writer.get_extra_info("peername")[:2]
        self._tell(
            MediaStart(
                channel_id=self._mirror.channel_id,
                # As Asterisk calls it: slin, slin12, slin16 ... We speak two of them.
                format="slin" if rate == _NARROW else f"slin{rate // 1000}",
                frame_size=frame_bytes,
                ptime=20,
                channel=f"AudioSocket/{host}:{port}",
            )
        )

    async def _listen(self, messages: list[wire.Message]) -> None:
        try:
            while await self._took(messages):
                received = await self._reader.read(4096)
                if not received:
                    return
                messages = self._messages.feed(received)
        except OSError as error:
            logger.debug("[WS] AudioSocket connection lost: {}", error)
        finally:
            self._inbox.put_nowait(None)

    async def _took(self, messages: list[wire.Message]) -> bool:
        """False when the peer has hung up."""
        for message in messages:
            match message:
                case wire.Sound(rate, pcm) if pcm:
                    await self._hear(rate, pcm)
                case wire.Key(digit) if self._queue is not None:
                    self._tell(Dtmf(digit))
                case wire.HungUp():
                    return False
                case wire.Failed(code):
                    self._complain(f"the peer reports error {code.hex() or 'unknown'}")
                case wire.Garbage(why):
                    self._complain(why)
                case _:
                    pass
        return True

    async def _hear(self, rate: int, pcm: bytes) -> None:
        self._begin(rate)
        if rate != self._rate:
            self._complain(f"sound at {rate} Hz after {self._rate} Hz")
        elif self._take is not None:
            self._take(pcm)
        else:
            await self._room.acquire()
            self._inbox.put_nowait(pcm)

    def _tick(self) -> None:
        queue, transport = self._queue, self._writer.transport
        if transport.is_closing() or (queue is not None and queue.hung_up):
            return
        frame = queue.tick() if queue is not None else None
        if transport.get_write_buffer_size() > _MOST_UNSENT:
            return
        size = _frame_bytes(self._rate)
        pcm = bytes(size) if frame is None else frame.ljust(size, b"\0")
        self._writer.write(wire.sound(pcm, self._rate))

    def _tell(self, event: Event) -> None:
        if (text := self._mirror.event(event)) is not None:
            self._inbox.put_nowait(text)

    def _complain(self, why: str) -> None:
        metrics.wire_errors.labels("garbage").inc()
        self._errors += 1
        if self._errors.bit_count() == 1:  # the 1st, 2nd, 4th, 8th ...
            logger.warning("[WS] AudioSocket, garbage no. {}: {}", self._errors, why)


async def pace(tick: Callable[[], None]) -> None:
    """Fifty times a second. What was missed by more than CATCH_UP stays missed."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        tick()
        due += FRAME_SECONDS
        now = loop.time()
        if now - due > CATCH_UP:
            due = now
        await asyncio.sleep(max(0.0, due - now))


def _frame_bytes(rate: int) -> int:
    return 2 * round(rate * FRAME_SECONDS)
