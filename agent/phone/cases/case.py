"""What a case is, the server that it is tried on, and a call that plays Asterisk."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

from agent.phone.rawsocket import Answer, Frame, NoAnswer, Opcode, Wire, connect, frame
from agent.wire.audio import CODECS, Codec
from agent.wire.commands import Command, Ignored
from agent.wire.dialect import Audio
from agent.wire.events import Event, Format, MediaStart, Refused
from agent.wire.mirror import DriverMirror
from agent.wire.playqueue import PlayQueue

TICK = 0.02
FIRST_WORD = 5.0
"""Seconds in which a server that speaks first has begun."""
QUESTION = Path(__file__).parent.parent / "question.ulaw"

Severity = Literal["must", "should"]
"""must: calls fail or other calls suffer without it."""


class Failed(Exception):
    """What the server did, and what was expected."""


class Skipped(Exception):
    """Why the case could not be tried."""


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    why: str
    run: Callable[["Target"], Awaitable[str]]
    """Returns what was seen; Failed or Skipped."""
    severity: Severity = "must"
    speaks: bool = False
    """Needs a server that speaks before it is spoken to."""
    hostile: bool = False
    """Another call is watched meanwhile, and must not notice."""


def expect(kept: object, otherwise: str) -> None:
    if not kept:
        raise Failed(otherwise)


@dataclass(frozen=True, slots=True)
class Said:
    """A text of the server, as the driver understood it."""

    at: float
    text: str
    understood: Command | Ignored | Refused | Audio


class Call:
    """Asterisk's side of a call: speaks and plays, 20 ms by 20 ms."""

    def __init__(self, wire: Wire, format: Format, codec: Codec) -> None:
        self.wire = wire
        self.codec = codec
        self.frame_size = codec.frame_bytes()
        self.channel_id = f"{secrets.randbelow(10**10)}.1"
        self.mirror = DriverMirror(format, self.channel_id)
        self.queue = PlayQueue(self.frame_size, self.mirror, self.tell)
        self.audio: list[tuple[float, bytes]] = []
        """When it came, and what."""
        self.said: list[Said] = []
        self.played: list[bytes | None] = []
        """What the caller heard in each tick."""
        self.longest_queue = 0
        """Frames."""
        self.answers = True
        """Marks and statuses are answered, as Asterisk does."""
        self.muted = False
        """We say nothing by ourselves: what is written by hand stays in one piece."""
        self._to_say = b""
        self._clock: asyncio.Task[None] | None = None
        wire.on_frame = self._take

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def introduction(self) -> MediaStart:
        return MediaStart(
            channel_id=self.channel_id,
            format=self.codec.name,
            frame_size=self.frame_size,
            ptime=20,
            channel="WebSocket/ai_media/0x7fb4500075e0",
            connection_id="ai_media",
        )

    def start(self) -> None:
        """MEDIA_START, and from then on a frame of the caller every 20 ms."""
        self._send_event(self.introduction)
        self.run_clock()

    def run_clock(self) -> None:
        if self._clock is None:
            self._clock = asyncio.create_task(self._tick())

    def tell(self, event: Event) -> None:
        """What the play queue says by itself, or a case on purpose."""
        if self.answers and not self.muted:
            self._send_event(event)

    def say(self, speech: bytes) -> None:
        self._to_say += speech

    async def said_all(self) -> None:
        """Waits until the caller has said what he had to say."""
        await asyncio.sleep(len(self._to_say) / self.frame_size * TICK)

    def loud(self, payload: bytes) -> bool:
        return bool(set(payload) - _QUIET[self.codec.name])

    @property
    def words(self) -> list[tuple[float, bytes]]:
        """Of the audio what is not silence."""
        return [(at, payload) for at, payload in self.audio if self.loud(payload)]

    async def speech(self, within: float) -> None:
        """Waits for the server's first word."""
        if not await self.wire.until(lambda: self.words or self.wire.over, within):
            raise Failed(f"no word in {within:g} s")
        expect(self.words, f"closed with {self.wire.close_code} before its first word")

    async def alive(self, within: float) -> None:
        """The server still holds the call, and reads it."""
        mark = secrets.token_bytes(8)
        self.wire.write(frame(Opcode.PING, mark))

        def answered() -> bool:
            return any(
                one.opcode == Opcode.PONG and one.payload == mark
                for one in self.wire.frames
            )

        await self.wire.until(lambda: answered() or self.wire.over, within)
        expect(
            not self.wire.over,
            f"the server ended the call, close code {self.wire.close_code}",
        )
        expect(answered(), f"a ping was not answered in {within:g} s")

    async def end(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            await asyncio.gather(self._clock, return_exceptions=True)
        if not self.wire.over:
            self.wire.write(frame(Opcode.CLOSE, b"\x03\xe8"))
            await self.wire.until(lambda: self.wire.over, 0.5)
        await self.wire.end()

    def _send_event(self, event: Event) -> None:
        if (text := self.mirror.event(event)) is not None:
            self.wire.send(text)

    def _take(self, one: Frame) -> None:
        if one.opcode == Opcode.BINARY:
            self.audio.append((one.at, one.payload))
            self.queue.audio(one.payload)
            self.longest_queue = max(self.longest_queue, len(self.queue))
        elif one.opcode == Opcode.TEXT:
            text = one.payload.decode(errors="replace")
            self.said.append(Said(one.at, text, self.queue.command(text)))

    async def _tick(self) -> None:
        due = self.now
        size = self.frame_size
        while not self.wire.over:
            if not self.muted:
                said, self._to_say = self._to_say[:size], self._to_say[size:]
                self.wire.send(said.ljust(size, self.codec.silence[:1]))
            self.played.append(self.queue.tick())
            due += TICK
            await asyncio.sleep(max(0.0, due - self.now))


# Silence, and the least noise beside it.
_QUIET = {
    "ulaw": {0xFF, 0x7F, 0xFE, 0x7E},
    "alaw": {0xD5, 0x55, 0xD4, 0x54},
    "slin": {0x00, 0x01, 0xFF, 0xFE},
    "slin16": {0x00, 0x01, 0xFF, 0xFE},
}


@dataclass
class Target:
    """The server, and what is known of it."""

    url: str
    username: str = "asterisk"
    password: str = ""
    patience: float = 1.0
    """Times every limit; above 1 for machines that are busy with something else."""
    speaks: bool = True
    watched: Call | None = None
    """A call in which nothing is asked for: the first words of the server."""
    question: bytes = field(default_factory=QUESTION.read_bytes)
    """A human voice, 1.6 s of µ-law."""

    def limit(self, seconds: float) -> float:
        return seconds * self.patience

    def address(self, **query: str) -> str:
        asked = {
            "call_id": f"conf-{secrets.token_hex(6)}",
            "from": "15550100",
            "to": "1000",
            **query,
        }
        return f"{self.url}{'&' if '?' in self.url else '?'}{urlencode(asked)}"

    @property
    def login(self) -> dict[str, str]:
        return basic(self.username, self.password) if self.password else {}

    async def ask(
        self,
        url: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        protocols: Sequence[str] = ("media",),
        within: float = 5.0,
    ) -> Answer:
        """The answer to a handshake, and nothing after it."""
        wire = await connect(self.url, self.limit(within))
        try:
            return await wire.shake_hands(
                url or self.address(),
                headers=self.login if headers is None else headers,
                protocols=protocols,
                within=self.limit(within),
            )
        except NoAnswer as error:
            raise Failed(str(error)) from error
        finally:
            await wire.end()

    @asynccontextmanager
    async def wire(self, url: str = "") -> AsyncIterator[Wire]:
        """A socket that was let in, and on which nothing was said yet."""
        wire = await connect(self.url, self.limit(5))
        try:
            answer = await wire.shake_hands(
                url or self.address(), headers=self.login, within=self.limit(5)
            )
            expect(answer.status == 101, f"refused with {answer.status}")
            yield wire
        except NoAnswer as error:
            raise Failed(str(error)) from error
        finally:
            await wire.end()

    @asynccontextmanager
    async def call(
        self, *, format: Format = "json", codec: str = "ulaw", started: bool = True
    ) -> AsyncIterator[Call]:
        async with self.wire() as wire:
            call = Call(wire, format, CODECS[codec])
            if started:
                call.start()
            try:
                yield call
            finally:
                await call.end()

    async def serves(self) -> None:
        """A call that begins now is let in, and held."""
        async with self.call() as call:
            await call.alive(self.limit(2))


def basic(username: str, password: str) -> dict[str, str]:
    login = base64.b64encode(f"{username}:{password}".encode()).decode()
    return {"Authorization": f"Basic {login}"}
