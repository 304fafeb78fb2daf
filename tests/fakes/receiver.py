"""A receiver of webhooks, with the bad habits that receivers have.

It keeps all that arrives, and what it made of it. What it takes without saying so, or
while its answer is lost, will come again: that is no fault of the sender.
"""

import asyncio
import contextlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from socket import SO_LINGER, SOL_SOCKET


@dataclass(frozen=True, slots=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.0
    """Seconds."""


class Rude(Enum):
    RESET = "hangs up without a word"
    FORGETFUL = "takes it, and hangs up without a word"
    SILENT = "never answers"
    GARBLED = "does not speak HTTP"


@dataclass(frozen=True, slots=True)
class Arrival:
    path: str
    headers: Mapping[str, str]
    """Their names in small letters."""
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


Behave = Callable[[Arrival], Reply | Rude]


class Receiver:
    """`async with Receiver() as receiver`, then send to `receiver.url("/there")`."""

    def __init__(self, behave: Behave = lambda arrival: Reply()) -> None:
        self.behave = behave
        self.arrivals: list[Arrival] = []
        self.taken: list[Arrival] = []
        """Those it has made its own."""
        self.connections = 0
        self._port = 0
        self._changed = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self._port}{path}"

    async def __aenter__(self) -> "Receiver":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exception: object) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.close()
        await self._server.wait_closed()
        while self._writers:
            await asyncio.sleep(0.001)

    async def until(self, true: Callable[[], bool], within: float = 30.0) -> None:
        """Something has arrived, and now this is so."""
        async with asyncio.timeout(within):
            while not true():
                self._changed.clear()
                await self._changed.wait()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            self._writers.discard(writer)

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        arrival = await _read(reader)
        self.arrivals.append(arrival)
        match self.behave(arrival):
            case Reply() as reply:
                if 200 <= reply.status < 300:
                    self.taken.append(arrival)
                self._changed.set()
                await asyncio.sleep(reply.after)
                head = [f"HTTP/1.1 {reply.status} Whatever"]
                told = {"content-length": str(len(reply.body)), **reply.headers}
                head += [f"{name}: {value}" for name, value in told.items()]
                writer.write("\r\n".join([*head, "", ""]).encode() + reply.body)
                await writer.drain()
                return True
            case Rude.FORGETFUL:
                self.taken.append(arrival)
            case Rude.SILENT:
                self._changed.set()
                await reader.read()  # until the sender gives up
                return False
            case Rude.GARBLED:
                writer.write(b"220 mail.example ESMTP\r\n")
                await writer.drain()
                self._changed.set()
                return False
        self._changed.set()
        socket = writer.get_extra_info("socket")
        socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        return False


async def _read(reader: asyncio.StreamReader) -> Arrival:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    headers = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Arrival(first.split(" ")[1], headers, body)
