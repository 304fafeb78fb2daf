"""Stands between the uploader and a store, and makes it a bad one.

A proxy in a thread of its own. Each request gets a connection to the store, and each
connection ends with its request, so that what `mood` says holds from the next one on.
"""

import asyncio
import random
import socket
import struct
import threading
from collections import Counter
from contextlib import suppress
from enum import StrEnum
from urllib.parse import urlsplit

_SLOW = 64 * 1024
"""Bytes a second and direction."""
_BLOCK = 16 * 1024


class Mood(StrEnum):
    WELL = "well"
    DOWN = "down"
    """Nobody listens: connections are reset at once."""
    SLOW = "slow"
    """Half a second for each request, then 64 kB/s."""
    FULL = "full"
    """507 to all that would write."""
    UNAVAILABLE = "503"
    """To every second request."""
    RESETS = "resets"
    """Every second connection is reset, somewhere in the request or the answer."""


class TroubledStore:
    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self.mood = Mood.WELL
        self.requests: Counter[Mood] = Counter()
        self.spoiled: Counter[Mood] = Counter()
        self._serving: set[asyncio.Task[None]] = set()
        self._chance = random.Random(5)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        listening = asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result()
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)
        # What was aborted is closed in the loop's next round.
        await asyncio.sleep(0)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        mood = self.mood
        self.requests[mood] += 1
        # Nobody else holds it when both connections are gone.
        if task := asyncio.current_task():
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        with suppress(
            *(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError),
            asyncio.CancelledError,  # by _end, and nobody waits for us after that
        ):
            if mood is Mood.DOWN:
                self.spoiled[mood] += 1
                self._reset(writer)
            else:
                await self._request(mood, reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def _request(
        self, mood: Mood, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writes = head.split(b" ", 1)[0] in (b"PUT", b"POST")
        if mood is Mood.FULL and writes:
            await self._refuse(writer, "507 Insufficient Storage", "EntityTooLarge")
            return
        if mood is Mood.UNAVAILABLE and self._chance.random() < 0.5:
            await self._refuse(writer, "503 Service Unavailable", "SlowDown")
            return
        # In bytes of both directions together; None: as many as there are.
        left = None
        if mood is Mood.RESETS and self._chance.random() < 0.5:
            length = _content_length(head)
            left = self._chance.randrange(len(head) + length + 600)
        if mood is Mood.SLOW:
            self.spoiled[mood] += 1
            await asyncio.sleep(0.5)
        upstream, store = await asyncio.open_connection(self._host, self._port)
        budget = _Budget(left, _SLOW if mood is Mood.SLOW else None)
        head = head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        try:
            store.write(head)
            async with asyncio.TaskGroup() as both:
                up = both.create_task(_relay(reader, store, budget))
                down = both.create_task(_relay(upstream, writer, budget))
                # The store is done, or one of them is gone.
                await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
                up.cancel()
                down.cancel()
        except* _Spent:
            self.spoiled[mood] += 1
            self._reset(writer)
        except* OSError:
            self._reset(writer)
        finally:
            self._reset(store)

    async def _refuse(
        self, writer: asyncio.StreamWriter, status: str, code: str
    ) -> None:
        self.spoiled[self.mood] += 1
        body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            + body
        )
        await writer.drain()

    def _reset(self, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        if sock is not None:
            with suppress(OSError):
                sock.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
        writer.transport.abort()


class _Spent(Exception):
    pass


class _Budget:
    def __init__(self, left: int | None, rate: int | None) -> None:
        self._left = left
        self._rate = rate

    async def spend(self, count: int) -> int:
        """How many of so many bytes may pass."""
        if self._rate is not None:
            await asyncio.sleep(count / self._rate)
        if self._left is None:
            return count
        passes = min(count, self._left)
        self._left -= passes
        return passes


async def _relay(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, budget: _Budget
) -> None:
    while block := await source.read(_BLOCK):
        passes = await budget.spend(len(block))
        target.write(block[:passes])
        await target.drain()
        if passes < len(block):
            raise _Spent


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0
