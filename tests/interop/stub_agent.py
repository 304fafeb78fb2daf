"""An agent without a mind: takes calls from Asterisk and does what the test says."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Request, Response, ServerConnection, serve

from agent.wire.commands import Command, Hangup, encode
from agent.wire.dialect import MAX_AUDIO_BYTES, pieces
from agent.wire.events import Dtmf, Event, MediaStart, parse


@dataclass
class StubCall:
    path: str
    query: Mapping[str, str]
    socket: ServerConnection
    events: list[Event] = field(default_factory=list)
    heard: bytearray = field(default_factory=bytearray)
    """µ-law."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def id(self) -> str:
        return self.query["call_id"]

    @property
    def keys(self) -> str:
        return "".join(event.digit for event in self.events if isinstance(event, Dtmf))

    async def say(self, ulaw: bytes) -> None:
        """However long: one message of more than 65531 bytes would end the call."""
        for piece in pieces(ulaw, MAX_AUDIO_BYTES):
            await self.socket.send(piece)

    async def do(self, command: Command) -> None:
        await self.socket.send(encode(command, "json"))

    async def hang_up(self) -> None:
        await self.do(Hangup())


@dataclass
class StubAgent:
    username: str
    password: str
    calls: list[StubCall] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Authorization headers that were not the right one."""
    _arrived: asyncio.Queue[StubCall] = field(default_factory=asyncio.Queue)

    @asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator["StubAgent"]:
        async with serve(
            self._serve,
            "127.0.0.1",
            port,
            subprotocols=["media"],
            process_request=self._check,
            compression=None,
            ping_interval=None,
        ):
            yield self

    async def next_call(self) -> StubCall:
        """The next one, once media flows."""
        async with asyncio.timeout(10):
            call = await self._arrived.get()
            await call.started.wait()
        return call

    def _check(self, socket: ServerConnection, request: Request) -> Response | None:
        given = request.headers.get("Authorization", "")
        login = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        if given != f"Basic {login}":
            self.refused.append(given)
            return socket.respond(HTTPStatus.UNAUTHORIZED, "who are you?\n")
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        url = urlsplit(socket.request.path)
        query = {
            name: values[0]
            for name, values in parse_qs(url.query, keep_blank_values=True).items()
        }
        call = StubCall(url.path, query, socket)
        self.calls.append(call)
        self._arrived.put_nowait(call)
        try:
            async for message in socket:
                if isinstance(message, bytes):
                    call.heard += message
                    continue
                event = parse(message)
                call.events.append(event)
                if isinstance(event, MediaStart):
                    call.started.set()
        finally:
            call.over.set()
