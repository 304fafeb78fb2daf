"""A call's websocket in memory: the agent has one end, the test plays Asterisk.

Time does not pass by itself: `advance` plays so many frames of what the agent sent.
Nothing sleeps, so it serves virtual clocks as well as no clock at all.
"""

import asyncio
from collections.abc import Callable, Mapping

from agent.wire.audio import CODECS
from agent.wire.commands import Command, Ignored
from agent.wire.dialect import Audio, Name
from agent.wire.events import Dtmf, Event, MediaStart, Refused, Stopped
from agent.wire.mirror import Mirror, mirror
from agent.wire.playqueue import PlayQueue

# A frame of more than 65535 bytes, its 4 of header included, ends the call.
MAX_MESSAGE = 65_531


class FakeAsterisk:
    def __init__(self) -> None:
        self.commands: list[Command | Ignored | Refused] = []
        """Every text the agent sent, as the driver understood it."""
        self.messages: list[bytes | str] = []
        """Every message the agent sent, as it came."""
        self.closed: int | None = None
        """The code the agent closed with."""
        self.over = False
        self.queue = PlayQueue(say=self._say)
        self._mirror: Mirror = self.queue.mirror
        self._heard = bytearray()
        self._answered = False
        self._inbox: asyncio.Queue[bytes | str | None] = asyncio.Queue()

    async def receive(self) -> bytes | str | None:
        message = await self._inbox.get()
        if message is None:
            self._inbox.put_nowait(None)
        return message

    def hand_over(self, take: Callable[[bytes], object]) -> None:
        """All comes by `receive`, in the order in which it was told."""

    async def send(self, message: bytes | str) -> None:
        """After the end it goes nowhere, as on a closed socket."""
        if self.over:
            return
        self.messages.append(message)
        if len(message) > MAX_MESSAGE:
            self._end()
        elif isinstance(message, bytes):
            self.queue.audio(message)
        else:
            understood = self.queue.command(message)
            if not isinstance(understood, Audio):
                self.commands.append(understood)
        if self.queue.hung_up:
            self._end()

    async def close(self, code: int = 1000) -> None:
        if self.closed is None and not self.over:
            self.closed = code
        self._end()

    @property
    def heard(self) -> bytes:
        """What `advance` played to the caller. Silence leaves no trace."""
        return bytes(self._heard)

    def start(
        self,
        format: str = "ulaw",
        dialect: Name = "json",
        variables: Mapping[str, str] | None = None,
        *,
        channel_id: str = "1795245062.1",
        answered: bool = True,
    ) -> MediaStart:
        """MEDIA_START. Not `answered`: the caller is not heard before ANSWER."""
        known = CODECS.get(format)
        start = MediaStart(
            channel_id,
            format,
            frame_size=known.frame_bytes(20) if known else 0,
            ptime=20,
            channel="WebSocket/ai_media/0x7fb4500075e0",
            connection_id="ai_media",
            variables=variables or {},
        )
        self._mirror = mirror(dialect, channel_id=channel_id)
        self._answered = answered
        self.queue = PlayQueue(start.frame_size or 160, self._mirror, self._say)
        self._say(start)
        return start

    def speak(self, payload: bytes) -> None:
        """In the call's codec; one message per frame, the last may be short."""
        if not (self._answered or self.queue.answered) or self.queue.direction == "out":
            return
        size = self.queue.frame_size
        for at in range(0, len(payload), size):
            for message in self._mirror.audio(payload[at : at + size]):
                self.tell(message)

    def dtmf(self, digit: str) -> None:
        self._say(Dtmf(digit))

    def hang_up(self) -> None:
        """The caller's BYE: the driver just closes, the envelope says stop first."""
        self._say(Stopped())
        self._end()

    def tell(self, message: bytes | str) -> None:
        """Anything at all, garbage too."""
        if not self.over:
            self._inbox.put_nowait(message)

    def advance(self, frames: int = 1) -> bytes:
        """So many ticks of 20 ms. Returns what the caller heard in them."""
        before = len(self._heard)
        for _ in range(frames):
            self._heard += self.queue.tick() or b""
        return bytes(self._heard[before:])

    def _say(self, event: Event) -> None:
        if (text := self._mirror.event(event)) is not None:
            self.tell(text)

    def _end(self) -> None:
        if not self.over:
            self.over = True
            self._inbox.put_nowait(None)
