"""A small server for chan_websocket that is right, or wrong in one chosen way.

Not ours, and written against docs/protocol.md alone: that it passes shows that the
kit asks for nothing that only our server does.
"""

import asyncio
import base64
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

PASSWORD = "let me in"
FRAME_BYTES = {"ulaw": 160, "alaw": 160, "slin": 320, "slin16": 640}
CHUNK = 10
"""Frames in a message."""
LEAD = 0.3
"""Seconds."""


@contextmanager
def little_server(fault: str = "") -> Iterator[str]:
    """Its address. `fault`: which of its habits is bad. In a thread of its own, so that
    a server that stands still does not stop the kit's clock."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    stack = AsyncExitStack()
    try:
        entered = stack.enter_async_context(_serving(fault))
        yield asyncio.run_coroutine_threadsafe(entered, loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(stack.aclose(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@asynccontextmanager
async def _serving(fault: str) -> AsyncIterator[str]:
    names: set[str] = set()

    async def admit(ws: ServerConnection, request: Request) -> Response | None:
        if fault == "slow handshake":
            await asyncio.sleep(1.5)
        login = base64.b64encode(f"asterisk:{PASSWORD}".encode()).decode()
        given = request.headers.get_all("Authorization")
        if fault != "open door" and given != [f"Basic {login}"]:
            return ws.respond(HTTPStatus.UNAUTHORIZED, "unauthorised")
        call_id = request.path.partition("call_id=")[2].partition("&")[0]
        if call_id in names:
            return ws.respond(HTTPStatus.CONFLICT, "duplicate_call_id")
        return None

    async def talk(ws: ServerConnection) -> None:
        assert ws.request is not None
        call_id = ws.request.path.partition("call_id=")[2].partition("&")[0]
        names.add(call_id)
        try:
            await LittleCall(ws, fault).run()
        except ConnectionClosed:
            pass
        finally:
            names.discard(call_id)

    server = await serve(
        talk,
        "127.0.0.1",
        0,
        process_request=admit,
        select_subprotocol=lambda ws, offered: (
            offered[offered.index("media")]
            if "media" in offered and fault != "no sub-protocol"
            else None
        ),
        compression=None,
        ping_interval=None,
        max_size=1 << 20,
        close_timeout=0.5,
    )
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/media"


class LittleCall:
    def __init__(self, ws: ServerConnection, fault: str) -> None:
        self.ws = ws
        self.fault = fault
        self.json = True
        self.held = False
        self.quiet_until = 0.0
        """Of the clock: the caller speaks, or has just spoken."""
        self.sent_until = 0.0
        if fault == "no pongs":
            plainly = ws.protocol.send_frame

            def send_frame(frame: Frame) -> None:
                if frame.opcode is not Opcode.PONG:
                    plainly(frame)

            ws.protocol.send_frame = send_frame  # type: ignore[method-assign]

    async def run(self) -> None:
        try:
            async with asyncio.timeout(None if self.fault == "waits" else 2):
                first = await self.ws.recv()
                while isinstance(first, bytes):
                    first = await self.ws.recv()
            start = self.fields(first)
            self.frame = FRAME_BYTES[start["format"]]
        except (TimeoutError, KeyError, ValueError):
            return
        self.tone = bytes([0x10] if self.frame == 160 else [0x00, 0x10])
        speaking = asyncio.create_task(self.speak())
        try:
            async for message in self.ws:
                await self.hear(message)
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)

    def fields(self, text: str) -> dict[str, Any]:
        self.json = text.startswith("{")
        if self.json:
            return dict(json.loads(text))
        return dict(word.partition(":")[::2] for word in text.split(" ")[1:])

    async def hear(self, message: bytes | str) -> None:
        now = time.monotonic()
        if isinstance(message, str):
            if "MEDIA_X" in message and self.fault != "ignores XOFF":
                self.held = "MEDIA_XOFF" in message
            if self.fault == "strict" and "MEDIA_" not in message:
                await self.ws.close(1008)
            if self.fault == "stalls" and message.startswith("[["):
                time.sleep(6)
            return
        loud = len(set(message)) > 20
        if loud and self.fault != "deaf":
            if self.quiet_until < now:
                await self.flush()
            self.quiet_until = now + 0.4

    async def flush(self) -> None:
        self.sent_until = 0.0
        await self.command("FLUSH_MEDIA")
        if self.fault == "stale":
            await asyncio.sleep(0.3)
            await self.ws.send(self.tone * (self.frame * CHUNK // len(self.tone)))
        if self.fault == "pauses":
            await self.command("PAUSE_MEDIA")

    async def command(self, name: str, **more: str) -> None:
        if self.json:
            await self.ws.send(json.dumps({"command": name, **more}))
        else:
            await self.ws.send(" ".join((name, *more.values())))

    async def speak(self) -> None:
        number = 0
        try:
            while True:
                await asyncio.sleep(0.02)
                now = time.monotonic()
                lead = 30.0 if self.fault == "floods" else LEAD
                self.sent_until = max(self.sent_until, now)
                if self.held or self.quiet_until > now:
                    continue
                while self.sent_until < now + lead:
                    self.sent_until += CHUNK * 0.02
                    number += 1
                    await self.say(number)
        except ConnectionClosed:
            pass

    async def say(self, number: int) -> None:
        size = self.frame * CHUNK
        match self.fault:
            case "giant frames":
                size = self.frame * 500
            case "odd sizes":
                size -= 7
        sound = self.tone * (size // len(self.tone))
        if self.fault == "fragments":
            await self.ws.send([sound[:800], sound[800:]])
        else:
            await self.ws.send(sound)
        if number % 2 == 0:
            mark = "m" * 200 if self.fault == "long commands" else f"m{number}"
            name = "MARK_THIS" if self.fault == "unknown commands" else "MARK_MEDIA"
            await self.command(name, correlation_id=mark)
