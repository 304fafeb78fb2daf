"""A websocket client without manners: every bit of a frame is the caller's to choose,
and every frame that comes is kept as it came.

Used where a test has to break the rules, or has to see whether they were kept.
"""

import asyncio
import base64
import hashlib
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from urllib.parse import urlsplit

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LONGEST_HEAD = 65_536
"""Bytes of an answer's status line and headers."""


class Opcode(IntEnum):
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


@dataclass(frozen=True, slots=True)
class Frame:
    opcode: int
    payload: bytes
    fin: bool
    reserved: int
    """The three reserved bits."""
    masked: bool
    at: float
    """Of the loop's clock."""


@dataclass(frozen=True, slots=True)
class Answer:
    """To the handshake."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    seconds: float
    accepts_key: bool


class NoAnswer(Exception):
    """Closed, or silent, before it had answered with HTTP."""


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    says_bytes: int | None = None,
) -> bytes:
    """`says_bytes`: a length that is not the payload's."""
    size = len(payload) if says_bytes is None else says_bytes
    mark = 0x80 if masked else 0
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    if size < 126:
        head += bytes([mark | size])
    elif size < 65_536:
        head += struct.pack("!BH", mark | 126, size)
    else:
        head += struct.pack("!BQ", mark | 127, size)
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + _masked(payload, key)


def _masked(payload: bytes, key: bytes) -> bytes:
    size = len(payload)
    long_key = (key * (size // 4 + 1))[:size]
    whole = int.from_bytes(payload, "big") ^ int.from_bytes(long_key, "big")
    return whole.to_bytes(size, "big")


def request(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    protocols: Sequence[str] = ("media",),
    key: str = "",
) -> bytes:
    """As Asterisk writes it, but for `headers`: they add to its own or replace them."""
    parts = urlsplit(url)
    lines = {
        "Sec-WebSocket-Version": "13",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Host": parts.netloc,
        **({"Sec-WebSocket-Protocol": ", ".join(protocols)} if protocols else {}),
        "Sec-WebSocket-Key": key or _new_key(),
        **(headers or {}),
    }
    query = f"?{parts.query}" if parts.query else ""
    head = f"GET {parts.path or '/'}{query} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return (head + "\r\n").encode()


async def connect(url: str, within: float) -> "Wire":
    """TCP only."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(within):
            streams = await asyncio.open_connection(parts.hostname, parts.port or 80)
    except (OSError, TimeoutError) as error:
        raise NoAnswer(f"no connection to {parts.netloc}: {error!r}") from error
    return Wire(*streams)


def _new_key() -> str:
    return base64.b64encode(os.urandom(16)).decode()


@dataclass
class Wire:
    """One TCP connection, as a websocket from `shake_hands` on."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    frames: list[Frame] = field(default_factory=list)
    """All that came, control frames too."""
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    """The other side has ended the TCP connection, or we have."""
    aborted: bool = False
    """It ended with a reset."""
    on_frame: Callable[[Frame], None] | None = None
    answers_close: bool = True
    _task: asyncio.Task[None] | None = None
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    async def shake_hands(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        protocols: Sequence[str] = ("media",),
        within: float = 5.0,
    ) -> Answer:
        key = _new_key()
        began = asyncio.get_running_loop().time()
        self.write(request(url, headers=headers, protocols=protocols, key=key))
        answer = await self.answer(began, key, within)
        if answer.status == 101:
            self._task = asyncio.create_task(self._read())
        return answer

    async def answer(self, began: float, key: str, within: float) -> Answer:
        try:
            async with asyncio.timeout(within):
                head = await self.reader.readuntil(b"\r\n\r\n")
                status, headers = _head(head)
                size = int(headers.get("content-length") or 0)
                body = await self.reader.readexactly(min(size, _LONGEST_HEAD))
        except TimeoutError:
            raise NoAnswer(f"no answer to the handshake in {within:g} s") from None
        except (
            OSError,
            ValueError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
        ) as error:
            raise NoAnswer(f"closed without an answer: {error!r}") from error
        seconds = asyncio.get_running_loop().time() - began
        proof = base64.b64encode(hashlib.sha1(f"{key}{_GUID}".encode()).digest())
        right = headers.get("sec-websocket-accept") == proof.decode()
        return Answer(status, headers, body, seconds, right)

    def write(self, raw: bytes) -> None:
        """Nothing, once the connection has ended."""
        if not self.writer.is_closing():
            self.writer.write(raw)

    def send(self, message: bytes | str) -> None:
        if isinstance(message, str):
            self.write(frame(Opcode.TEXT, message.encode()))
        else:
            self.write(frame(Opcode.BINARY, message))

    async def drained(self, within: float) -> bool:
        """Whether the other side has taken what we wrote."""
        try:
            async with asyncio.timeout(within):
                await self.writer.drain()
        except (TimeoutError, OSError):
            return False
        return True

    async def until(self, condition: Callable[[], object], within: float) -> bool:
        """Whether that came true, as frames come in or the connection ends."""
        try:
            async with asyncio.timeout(within):
                while not condition():
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            return bool(condition())
        return True

    @property
    def close_frame(self) -> Frame | None:
        return next((one for one in self.frames if one.opcode == Opcode.CLOSE), None)

    @property
    def close_code(self) -> int | None:
        """1005: a close frame without one. None: no close frame."""
        if self.close_frame is None:
            return None
        payload = self.close_frame.payload
        return int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005

    @property
    def over(self) -> bool:
        return self.closed.is_set() or self.close_frame is not None

    def pause_reading(self) -> None:
        """As an Asterisk that is stuck."""
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]

    def abort(self) -> None:
        """A reset rather than an end, where the kernel still has unread bytes."""
        self.writer.transport.abort()

    async def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.closed.set()
        self.writer.transport.abort()

    async def _read(self) -> None:
        try:
            while True:
                one = await self._frame()
                self.frames.append(one)
                if one.opcode == Opcode.PING:
                    self.write(frame(Opcode.PONG, one.payload))
                elif one.opcode == Opcode.CLOSE and self.answers_close:
                    self.write(frame(Opcode.CLOSE, one.payload[:2]))
                if self.on_frame is not None:
                    self.on_frame(one)
                self._came.set()
        except asyncio.IncompleteReadError:
            pass
        except OSError:
            self.aborted = True
        self.closed.set()
        self._came.set()

    async def _frame(self) -> Frame:
        read = self.reader.readexactly
        first, second = await read(2)
        size, masked = second & 0x7F, bool(second & 0x80)
        if size == 126:
            size = int.from_bytes(await read(2), "big")
        elif size == 127:
            size = int.from_bytes(await read(8), "big")
        key = await read(4) if masked else b""
        payload = await read(size)
        return Frame(
            first & 0x0F,
            _masked(payload, key) if masked else payload,
            fin=bool(first & 0x80),
            reserved=first >> 4 & 7,
            masked=masked,
            at=asyncio.get_running_loop().time(),
        )


def _head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *rest = head.decode("latin-1").split("\r\n")
    version, _, status = first.partition(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(f"not HTTP: {first[:80]!r}")
    pairs = (line.partition(":") for line in rest if line)
    return int(status[:3]), {
        name.strip().lower(): value.strip() for name, _, value in pairs
    }
