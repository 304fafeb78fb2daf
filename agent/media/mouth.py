"""What the caller is to hear, written a little ahead of his ear.

Asterisk owns the playout clock and plays its queue in real time. We keep that queue
`ahead` seconds long: enough to bridge any stall of ours, little enough that an
interruption throws away almost nothing. Marks tell what was really heard.

Positions are seconds on one axis: everything the caller has heard of us so far,
then what Asterisk holds, then what we hold. An interruption cuts the axis at `heard`.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import count

from agent.wire import commands
from agent.wire.audio import Codec
from agent.wire.dialect import Dialect
from agent.wire.playout import Playout

from .audio import ENCODE

AHEAD = 0.3
CHUNK = 0.2
"""Seconds in one message: 5 messages a second while speaking."""
MARK_EVERY = 1.0


class Mouth:
    def __init__(
        self,
        send: Callable[[bytes | str], Awaitable[None]],
        dialect: Dialect,
        codec: Codec,
        ptime: int,
        *,
        ahead: float = AHEAD,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self._dialect = dialect
        self._codec = codec
        self._encode = ENCODE[codec.name]
        self._frame = codec.frame_bytes(ptime)
        self._bytes_per_second: int = codec.rate * codec.bytes_per_sample
        self._chunk = max(1, int(CHUNK * 1000) // ptime) * self._frame
        self._ahead = ahead
        self._clock = clock
        self._playout = Playout()
        self._pending = bytearray()
        self._commands: deque[str] = deque()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._sent = 0.0
        """Position of the end of what Asterisk was given."""
        self._marks: dict[str, float] = {}
        self._mark_names = count(1)
        self._marked_until = 0.0
        self._mark_due = False
        self._paused = False

    @property
    def rate(self) -> int:
        """Samples per second that `say` takes."""
        return self._codec.rate

    @property
    def position(self) -> float:
        """Where the next sample given to `say` will be."""
        return self._sent + len(self._pending) / self._bytes_per_second

    @property
    def heard(self) -> float:
        return self._sent - self._playout.unheard(now=self._clock())

    @property
    def unheard(self) -> float:
        return self.position - self.heard

    def say(self, pcm: bytes) -> None:
        self._pending += self._encode(pcm)
        self._wake.set()

    def finish(self) -> None:
        """The utterance is complete: its last frame is filled up with silence."""
        short = -len(self._pending) % self._frame
        self._pending += self._codec.silence * short
        self._mark_due = True
        self._wake.set()

    def interrupt(self) -> None:
        """Silence now; what was not heard never will be."""
        now = self._clock()
        if self._sent > self.heard or self._paused:
            self._command(commands.Flush())
        self._sent = self.heard
        self._playout.flushed(now=now)
        self._pending.clear()
        self._marks.clear()
        self._mark_due = False
        self._marked_until = self._sent
        self.resume()

    def pause(self) -> None:
        """Silence, for now: the caller may have begun to speak."""
        if self._paused or self.unheard <= 0 or not self._command(commands.Pause()):
            return
        self._paused = True
        self._playout.paused(now=self._clock())

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._playout.continued(now=self._clock())
            self._command(commands.Continue())
            self._wake.set()

    def mark_reached(self, mark: str) -> None:
        position = self._marks.pop(mark, None)
        if position is not None:
            self._playout.corrected(self._sent - position, now=self._clock())
            self._wake.set()

    def hold(self) -> None:
        self._playout.hold()

    def release(self) -> None:
        self._playout.release()
        self._wake.set()

    def hang_up(self) -> None:
        self._command(commands.Hangup())

    async def until(self, position: float) -> None:
        """Returns when the caller has heard everything before `position`."""
        # Polled, since the clock may be paused or put right meanwhile.
        while (left := position - self.heard) > 0.001:  # noqa: ASYNC110
            await asyncio.sleep(max(left, 0.02))

    async def run(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._commands:
                    await self._send(self._commands.popleft())
                await self._write_ahead()
        finally:
            if self._timer is not None:
                self._timer.cancel()

    async def _write_ahead(self) -> None:
        while len(self._pending) >= self._frame and not self._commands:
            wait = self._playout.wait(now=self._clock(), ahead=self._ahead)
            if wait is None:
                return
            if wait > 0.001:
                self._wake_in(wait)
                return
            await self._write_chunk()
        if self._mark_due and not self._pending:
            self._mark_due = False
            await self._mark()

    async def _write_chunk(self) -> None:
        size = min(self._chunk, len(self._pending) // self._frame * self._frame)
        chunk = bytes(self._pending[:size])
        del self._pending[:size]
        seconds = size / self._bytes_per_second
        self._sent += seconds
        self._playout.sent(seconds, now=self._clock())
        for message in self._dialect.audio(chunk):
            await self._send(message)
            if self._commands:
                return  # a flush: the rest of this chunk is not wanted any more
        if self._sent - self._marked_until >= MARK_EVERY:
            await self._mark()

    async def _mark(self) -> None:
        self._marked_until = self._sent
        name = f"m{next(self._mark_names)}"
        text = self._dialect.command(commands.Mark(name))
        if text is not None:
            self._marks[name] = self._sent
            await self._send(text)

    def _command(self, command: commands.Command) -> bool:
        """False when this dialect has no word for it."""
        text = self._dialect.command(command)
        if text is None:
            return False
        self._commands.append(text)
        self._wake.set()
        return True

    def _wake_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._wake.set)
