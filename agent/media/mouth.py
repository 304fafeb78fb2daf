"""What the caller is to hear, written a little ahead of his ear.

Asterisk owns the playout clock and plays its queue in real time. We keep that queue
`ahead` seconds long: enough to bridge any stall of ours, little enough that an
interruption throws away almost nothing. Marks tell what was really heard.

Positions are seconds on one axis: everything the caller has heard of us so far,
then what Asterisk holds, then what we hold. An interruption cuts the axis at `heard`.

Between our words we send silence. Asterisk from 22.9 on makes none: the caller's RTP
would stop, and with it a carrier's patience and MixMonitor's clock. Silence is on no
axis: when there is something to say, it is flushed first and delays no word.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import count

from loguru import logger

from agent.observe import metrics
from agent.wire import commands
from agent.wire.audio import Codec
from agent.wire.dialect import Dialect
from agent.wire.playout import Playout

from .audio import DECODE, ENCODE, rms
from .loudness import LOUD

AHEAD = 0.3
CHUNK = 0.2
"""Seconds in one message: 5 messages a second while speaking."""
MARK_EVERY = 1.0
STOOD_STILL = 1.0
"""Seconds by which a mark comes late where Asterisk did not play on."""
SILENCE = 0.5
"""Seconds of it in one message."""
BACKLOG = 0.1
"""Seconds that Asterisk may hold more than we know of."""
XON_DEADLINE = 3.0
"""Seconds from XOFF on in which XON is to come: a queue of 900 frames is down to 800
after two."""


class Mouth:
    def __init__(
        self,
        send: Callable[[bytes | str], Awaitable[None]],
        dialect: Dialect,
        codec: Codec,
        ptime: int,
        *,
        ahead: float = AHEAD,
        fill: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self._dialect = dialect
        self._codec = codec
        self._encode = ENCODE[codec.name]
        self._decode = DECODE[codec.name]
        self._frame = codec.frame_bytes(ptime)
        self._bytes_per_second: int = codec.rate * codec.bytes_per_sample
        self._chunk = max(1, int(CHUNK * 1000) // ptime) * self._frame
        self.ahead = ahead
        """Seconds that Asterisk may hold."""
        self._fill = fill
        self._clock = clock
        self._can_pause = dialect.command(commands.Pause()) is not None
        self._playout = Playout()
        self._pending = bytearray()
        self._commands: deque[str] = deque()
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._sent = 0.0
        """Position of the end of what Asterisk was given."""
        self._recent: deque[tuple[float, bytes]] = deque()
        """What Asterisk may still hold: the position of its end, and the sound."""
        self._marks: dict[str, float] = {}
        self._due: dict[str, float] = {}
        """When they are to be reached, by the clock, if Asterisk plays on."""
        self._stood_until = -math.inf
        """Asterisk stood still, and marks that were due before came late by that."""
        self._slipped = -math.inf
        """When we were late ourselves."""
        self._mark_names = count(1)
        self._marked_until = 0.0
        self._mark_due = False
        self.on_sound: Callable[[float], None] = lambda at: None
        """Told when, by the clock, the caller began to hear us: the first loud frame
        after all was silent, as Asterisk plays it."""
        self._quiet = True
        """Nothing loud was sent since all was silent."""
        self._sound_mark = ""
        """It stands in Asterisk's queue in front of the first loud frame."""
        self.written = 0.0
        """Seconds given to Asterisk, silence apart."""
        self.flushes = self.xoff = 0
        self._full: asyncio.TimerHandle | None = None
        """Runs from XOFF to XON."""
        self._paused = False
        self._kept = False
        self._asked = False
        """GET_STATUS is on its way, and nothing that would change the answer."""
        self._silent_until = 0.0
        """On the clock: the end of the silence that Asterisk was given."""
        self._hushed: float | None = None
        """When we decided to be silent; None: nothing of it is still to be sent."""

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
        if not self._quiet and self.unheard <= 0:
            self._quiet = True
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
        heard = self.heard
        if self._sent > heard or self._paused:
            self._command(commands.Flush())
            metrics.flushed_interrupted.inc()
            if not self._paused:
                self._hushed = self._clock()
        self._forget_sent(heard)
        self._pending.clear()
        self.resume()

    def pause(self) -> None:
        """Silence, for now: the caller may have begun to speak."""
        if self._paused or self._kept or self.unheard <= 0:
            return
        self._paused = True
        self._hushed = self._clock()
        if self._can_pause:
            self._command(commands.Pause())
            self._playout.paused(now=self._clock())
            self._due.clear()
        else:
            self._take_back()

    def keep(self) -> None:
        """Silence, for as long as it takes to understand why the caller speaks: what
        he has not heard of us, and what comes meanwhile, is said at `resume`."""
        if self._kept:
            return
        if self._sent > self.heard:
            self._take_back()
        self.resume()
        self._kept = True

    def resume(self) -> None:
        self._kept = False
        if self._paused:
            self._paused = False
            if self._can_pause:
                self._playout.continued(now=self._clock())
                self._command(commands.Continue())
        self._wake.set()

    def mark_reached(self, mark: str) -> None:
        self._wonder_at(self._due.pop(mark, math.inf))
        position = self._marks.pop(mark, None)
        if position is None:
            return
        if mark == self._sound_mark:
            self.on_sound(self._clock())
        self._playout.corrected(self._sent - position, now=self._clock())
        if position == self._sent and not self._pending:
            # All is heard: the moment to ask whether Asterisk thinks so, too.
            self._asked = True
            self._command(commands.GetStatus())
        self._wake.set()

    def queue_is(self, frames: int) -> None:
        """What STATUS says of Asterisk's queue. A backlog would be delay for ever."""
        if not self._asked:
            return
        self._asked = False
        known = self.unheard + max(0.0, self._silent_until - self._clock())
        behind = frames * self._frame / self._bytes_per_second - known
        metrics.queue_behind_seconds.observe(max(0.0, behind))
        if behind > BACKLOG and not self._pending:
            logger.warning("[WS] Asterisk is {:.2f} s behind; flushed", behind)
            metrics.backlogs.inc()
            metrics.flushed_backlog.inc()
            self._command(commands.Flush())
            self._forget_sent(self._sent)
            self._silent_until = 0.0

    def hold(self) -> None:
        metrics.xoffs.inc()
        self.xoff += 1
        self._playout.hold()
        if self._full is None and self._loop is not None:
            self._full = self._loop.call_later(XON_DEADLINE, self._still_full)

    def release(self) -> None:
        """XON, or a STATUS that says that there is room."""
        if self._full is not None:
            self._full.cancel()
            self._full = None
        self._playout.release()
        self._wake.set()

    def _still_full(self) -> None:
        """An XON may be lost, so we ask."""
        logger.warning("[WS] no XON for {:g} s: we may not speak", XON_DEADLINE)
        self._command(commands.GetStatus())

    def hang_up(self) -> None:
        self._command(commands.Hangup())

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake.set()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._commands:
                    await self._send(self._commands.popleft())
                if self._hushed is not None:
                    hushed, self._hushed = self._hushed, None
                    metrics.barge_in_reaction_seconds.observe(self._clock() - hushed)
                await self._write_ahead()
        finally:
            for timer in (self._timer, self._full):
                if timer is not None:
                    timer.cancel()

    async def _write_ahead(self) -> None:
        if self._paused:
            return
        if self._kept:
            if self._fill:
                await self._write_silence()
            return
        if len(self._pending) >= self._frame:
            await self._drop_silence()
        while len(self._pending) >= self._frame and not self._commands:
            wait = self._playout.wait(now=self._clock(), ahead=self.ahead)
            if wait is None:
                return
            if wait > 0.001:
                self._wake_in(wait)
                return
            await self._write_chunk()
        if self._mark_due and not self._pending:
            self._mark_due = False
            await self._mark()
        if self._fill and not self._pending:
            await self._write_silence()

    async def _write_chunk(self) -> None:
        size = min(self._chunk, len(self._pending) // self._frame * self._frame)
        messages: list[bytes | str] = []
        if self._quiet and (silent := self._silent_bytes(size)) < size:
            # The mark is told in the moment in which what follows it is played.
            if silent:
                size = silent
            else:
                messages += self._mark_sound()
        chunk = bytes(self._pending[:size])
        del self._pending[:size]
        seconds = size / self._bytes_per_second
        self.written += seconds
        self._asked = False
        self._sent += seconds
        self._playout.sent(seconds, now=self._clock())
        self._remember(chunk)
        messages += self._dialect.audio(chunk)
        for message in messages:
            await self._send(message)
            if self._commands:
                return  # a flush: the rest of this chunk is not wanted any more
        if self._sent - self._marked_until >= MARK_EVERY:
            await self._mark()

    def _silent_bytes(self, size: int) -> int:
        """How much of so many bytes that wait there is before the first loud frame."""
        for at in range(0, size, self._frame):
            if rms(self._decode(bytes(self._pending[at : at + self._frame]))) > LOUD:
                return at
        return size

    def _mark_sound(self) -> list[str]:
        self._quiet = False
        name = f"m{next(self._mark_names)}"
        text = self._dialect.command(commands.Mark(name))
        if text is None:
            now = self._clock()
            self.on_sound(now + self._playout.unheard(now=now))
            return []
        self._note_mark(name)
        self._sound_mark = name
        return [text]

    async def _write_silence(self) -> None:
        now = self._clock()
        if self._playout.wait(now=now, ahead=0) is None:
            return  # held: not even silence
        wait = max(self._playout.unheard(now=now), self._silent_until - now)
        if wait <= 0.001:
            frames = int(SILENCE * self._bytes_per_second) // self._frame
            silence = self._codec.silence * (frames * self._frame)
            wait = len(silence) / self._bytes_per_second
            self._silent_until = now + wait
            for message in self._dialect.audio(silence):
                await self._send(message)
        self._wake_in(wait)

    async def _drop_silence(self) -> None:
        if self._silent_until > self._clock():
            self._silent_until = 0.0
            self._asked = False
            flush = self._dialect.command(commands.Flush())
            if flush is not None:
                metrics.flushed_silence.inc()
                await self._send(flush)

    async def _mark(self) -> None:
        self._marked_until = self._sent
        name = f"m{next(self._mark_names)}"
        text = self._dialect.command(commands.Mark(name))
        if text is not None:
            self._note_mark(name)
            await self._send(text)

    def _note_mark(self, name: str) -> None:
        now = self._clock()
        self._marks[name] = self._sent
        self._due[name] = now + self._playout.unheard(now=now)

    def _wonder_at(self, due: float) -> None:
        """A mark that was due then has been reached now."""
        now = self._clock()
        if now - due < STOOD_STILL or due <= self._stood_until:
            return
        if now - self._slipped < STOOD_STILL or self._overdue() >= STOOD_STILL / 2:
            return  # it was us
        self._stood_until = now
        logger.warning("[WS] Asterisk stood still for {:.1f} s", now - due)

    def _remember(self, chunk: bytes) -> None:
        heard = self.heard
        while self._recent and self._recent[0][0] <= heard:
            self._recent.popleft()
        self._recent.append((self._sent, chunk))

    def _take_back(self) -> None:
        """Flush, and keep what was not heard."""
        heard = self.heard
        unheard = bytearray()
        for end, chunk in self._recent:
            size = round((end - heard) * self._bytes_per_second)
            whole = min(len(chunk), -(-size // self._frame) * self._frame)
            unheard += chunk[len(chunk) - whole :] if size > 0 else b""
        self._command(commands.Flush())
        metrics.flushed_held.inc()
        self._forget_sent(heard)
        self._pending[:0] = unheard
        self._mark_due = True

    def _forget_sent(self, heard: float) -> None:
        self._asked = False
        self._quiet = self._quiet or self._sound_mark in self._marks
        self._playout.flushed(now=self._clock())
        self._sent = self._marked_until = heard
        self._recent.clear()
        self._marks.clear()
        self._due.clear()
        self._mark_due = False

    def _command(self, command: commands.Command) -> None:
        """Nothing, when this dialect has no word for it."""
        self.flushes += isinstance(command, commands.Flush)
        text = self._dialect.command(command)
        if text is not None:
            self._commands.append(text)
            self._wake.set()

    def _wake_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        assert self._loop is not None  # we are in `run`
        self._timer = self._loop.call_later(seconds, self._woken)

    def _woken(self) -> None:
        if self._overdue() >= STOOD_STILL / 2:
            self._slipped = self._clock()
        self._timer = None
        self._wake.set()

    def _overdue(self) -> float:
        """Seconds by which our own timer is late."""
        if self._timer is None or self._loop is None:
            return 0.0
        return self._loop.time() - self._timer.when()
