"""A mischievous proxy on the wire between a real Asterisk and a real agent.

It stands where Asterisk looks for the agent and passes everything on, frame by frame,
but for the calls that it was told to do something to. What it does may be changed in
mid-call, in both directions.
"""

import asyncio
import re
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

Filter = Callable[[Frame], Iterable[Frame]]
"""What is passed on in place of a frame."""


def passes(frame: Frame) -> Iterable[Frame]:
    return (frame,)


def drops(frame: Frame) -> Iterable[Frame]:
    return ()


def text(said: str | bytes) -> Frame:
    data = said.encode() if isinstance(said, str) else said
    return Frame(Opcode.TEXT, data)


def is_audio(frame: Frame) -> bool:
    return frame.opcode is Opcode.BINARY


@dataclass(frozen=True, slots=True)
class Mischief:
    """What is done to one call from its beginning on."""

    to_agent: Filter = passes
    to_asterisk: Filter = passes
    request: Callable[[str], str] = str
    """Of the handshake: its head, as it is sent to the agent instead."""


class Passage:
    """One socket of Asterisk's, and ours to the agent for it."""

    def __init__(
        self,
        mischief: Mischief,
        head: str,
        asterisk: asyncio.StreamWriter,
        agent: asyncio.StreamWriter,
    ) -> None:
        self.to_agent, self.to_asterisk = mischief.to_agent, mischief.to_asterisk
        self.dead = False
        """Nothing passes any more, not even that a side has closed."""
        self.query = parse_qs(urlsplit(head.split(" ", 2)[1]).query)
        self._asterisk, self._agent = asterisk, agent

    def tell_agent(self, *frames: Frame) -> None:
        for frame in frames:
            self._agent.write(frame.serialize(mask=True))

    def tell_asterisk(self, *frames: Frame) -> None:
        for frame in frames:
            self._asterisk.write(frame.serialize(mask=False))

    def throw_at_agent(self, raw: bytes) -> None:
        """What no library would write."""
        self._agent.write(raw)

    def reset(self) -> None:
        """RST to both, as firewalls do it."""
        for writer in (self._asterisk, self._agent):
            _reset(writer)

    async def from_asterisk(self, reader: asyncio.StreamReader) -> None:
        async for frame in _frames(reader, masked=True):
            if not self.dead:
                self.tell_agent(*self.to_agent(frame))
        self._end(self._agent)

    async def from_agent(self, reader: asyncio.StreamReader) -> None:
        async for frame in _frames(reader, masked=False):
            if not self.dead:
                self.tell_asterisk(*self.to_asterisk(frame))
        self._end(self._asterisk)

    def _end(self, other: asyncio.StreamWriter) -> None:
        if not self.dead:
            other.close()


class Wire:
    def __init__(self, port: int, agent_port: int) -> None:
        """`port`: where Asterisk looks for the agent; `agent_port`: where it is."""
        self._port, self._agent_port = port, agent_port
        self.plan: deque[Mischief] = deque()
        """For the next calls, one each."""
        self.passages: list[Passage] = []
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def newest(self) -> Passage:
        return self.passages[-1]

    @asynccontextmanager
    async def up(self) -> AsyncIterator["Wire"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        try:
            yield self
        finally:
            server.close()
            for writer in self._writers:
                writer.transport.abort()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            there, agent = await asyncio.open_connection("127.0.0.1", self._agent_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, agent}
        try:
            await self._pass(reader, writer, there, agent)
        except (OSError, EOFError):
            pass  # one side has gone, and `finally` tells the other
        finally:
            for each in (writer, agent):
                self._writers.discard(each)
                each.close()

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        agent: asyncio.StreamWriter,
    ) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        if not re.search(r"^upgrade: websocket\r$", head, re.MULTILINE | re.IGNORECASE):
            # The dialplan's requests over HTTP.
            agent.write(head.encode("latin-1"))
            await _either(_pipe(reader, agent), _pipe(there, writer))
            return
        mischief = self.plan.popleft() if self.plan else Mischief()
        head = mischief.request(head)
        agent.write(head.encode("latin-1"))
        answer = await there.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if b" 101 " not in answer.partition(b"\r\n")[0]:
            await _pipe(there, writer)
            return
        passage = Passage(mischief, head, writer, agent)
        self.passages.append(passage)
        both = (passage.from_asterisk(reader), passage.from_agent(there))
        await asyncio.gather(*both)


async def _frames(
    reader: asyncio.StreamReader, *, masked: bool
) -> AsyncIterator[Frame]:
    """Until the other side has gone, in good order or not."""
    stream = StreamReader()
    parsing = Frame.parse(stream.read_exact, mask=masked)
    while data := await _some(reader):
        stream.feed_data(data)
        while True:
            try:
                next(parsing)
            except StopIteration as done:
                yield done.value
                parsing = Frame.parse(stream.read_exact, mask=masked)
            else:
                break


async def _some(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(1 << 16)
    except OSError:
        return b""


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await _some(reader):
        writer.write(data)


async def _either(*ways: asyncio.Future[None] | object) -> None:
    tasks = [asyncio.ensure_future(way) for way in ways]  # type: ignore[arg-type]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _reset(writer: asyncio.StreamWriter) -> None:
    found = writer.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


# Mischief that needs a memory.


def held(seconds_of_audio: float) -> Filter:
    """MEDIA_START comes only behind so much audio."""
    kept: list[Frame] = []
    frames = 0

    def hold(frame: Frame) -> Iterable[Frame]:
        nonlocal frames
        if frame.opcode is Opcode.TEXT and b"MEDIA_START" in frame.data and not frames:
            kept.append(frame)
            return ()
        if is_audio(frame):
            frames += 1
            if kept and frames > seconds_of_audio * 50:
                return (kept.pop(), frame)
        return (frame,)

    return hold


def reframed(*sizes: int) -> Filter:
    """The same bytes in messages of these sizes, again and again."""
    rest = bytearray()
    turn = 0

    def reframe(frame: Frame) -> Iterable[Frame]:
        nonlocal turn
        if not is_audio(frame):
            yield frame
            return
        rest.extend(frame.data)
        while len(rest) >= (size := sizes[turn % len(sizes)]):
            turn += 1
            yield Frame(Opcode.BINARY, bytes(rest[:size]))
            del rest[:size]

    return reframe


def fragmented(size: int) -> Filter:
    """Audio in pieces, each a frame of its own."""

    def fragment(frame: Frame) -> Iterable[Frame]:
        if not is_audio(frame) or len(frame.data) <= size:
            yield frame
            return
        data = bytes(frame.data)
        for at in range(0, len(data), size):
            yield Frame(
                Opcode.CONT if at else Opcode.BINARY,
                data[at : at + size],
                fin=at + size >= len(data),
            )

    return fragment


def bursts(frames: int) -> Filter:
    """Audio is kept back until there is so much of it."""
    kept: list[Frame] = []

    def burst(frame: Frame) -> Iterable[Frame]:
        if not is_audio(frame):
            return (frame,)
        kept.append(frame)
        if len(kept) < frames:
            return ()
        out = tuple(kept)
        kept.clear()
        return out

    return burst


def without(opcode: Opcode, *words: bytes) -> Filter:
    """Frames of that kind are lost; with words, those only that have one of them."""

    def lose(frame: Frame) -> Iterable[Frame]:
        wanted = not words or any(word in frame.data for word in words)
        return () if frame.opcode is opcode and wanted else (frame,)

    return lose


def rewritten(old: str, new: str) -> Filter:
    """In texts."""

    def rewrite(frame: Frame) -> Iterable[Frame]:
        if frame.opcode is not Opcode.TEXT:
            return (frame,)
        return (text(bytes(frame.data).decode().replace(old, new)),)

    return rewrite
