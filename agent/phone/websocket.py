"""A phone that reaches the agent without Asterisk: it opens the media websocket and
behaves on it as chan_websocket does, down to how queued audio is played.
"""

import asyncio
import base64
import secrets
from dataclasses import dataclass
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from agent.wire.dialect import Name
from agent.wire.events import Dtmf, Event, MediaStart, Stopped
from agent.wire.mirror import mirror
from agent.wire.playqueue import PlayQueue

from .ear import Ear, Heard
from .line import CallFailed, Line, Side
from .mouth import Press
from .ulaw import FRAME


@dataclass(frozen=True, slots=True)
class WebSocketConfig:
    username: str = "asterisk"
    password: str = ""
    caller: str = "15550100"
    called: str = "1000"
    ai: str = ""
    """Empty: the agent's default one."""
    dialect: Name = "json"
    answer_within: float = 10.0
    """Seconds."""


class WebSocketPhone:
    def __init__(self, config: WebSocketConfig) -> None:
        self._config = config

    async def dial(self, url: str, *, call_id: str = "") -> Line:
        """`ws://127.0.0.1:7860/telephony/ws`. CallFailed when it is refused."""
        config = self._config
        query = urlencode(
            {
                "call_id": call_id or f"test-{secrets.token_hex(4)}",
                "from": config.caller,
                "to": config.called,
                "ai": config.ai,
            }
        )
        login = base64.b64encode(f"{config.username}:{config.password}".encode())
        try:
            socket = await connect(
                f"{url}{'&' if '?' in url else '?'}{query}",
                subprotocols=[Subprotocol("media")],
                additional_headers={"Authorization": f"Basic {login.decode()}"}
                if config.password
                else None,
                open_timeout=config.answer_within,
                # As chan_websocket: neither compression, nor pings, nor a way round.
                compression=None,
                ping_interval=None,
                proxy=None,
            )
        except InvalidStatus as error:
            response = error.response
            raise CallFailed(
                f"refused: {response.status_code} {response.reason_phrase}: "
                f"{(response.body or b'').decode(errors='replace')[:200]}",
                response.status_code,
            ) from error
        except (OSError, TimeoutError, InvalidHandshake) as error:
            raise CallFailed(f"no answer from {url}: {error}") from error
        ear = Ear()
        carrier = _WebSocketCarrier(socket, ear, config.dialect)
        line = Line(carrier, ear, asyncio.get_running_loop().time())
        carrier.start(line)
        return line


class _WebSocketCarrier:
    def __init__(self, socket: ClientConnection, ear: Ear, dialect: Name) -> None:
        self._socket = socket
        self._ear = ear
        self._channel_id = f"{secrets.randbelow(10**10)}.1"
        self._mirror = mirror(dialect, channel_id=self._channel_id)
        self._queue = PlayQueue(FRAME, self._mirror, self._tell)
        self._ticks = 0
        self._was_silent = True
        self._outbox: asyncio.Queue[bytes | str] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, line: Line) -> None:
        self._line = line
        self._tell(
            MediaStart(
                channel_id=self._channel_id,
                format="ulaw",
                frame_size=FRAME,
                ptime=20,
                channel="WebSocket/ai_media/0x0",
                connection_id="ai_media",
            )
        )
        self._tasks = [
            asyncio.create_task(self._write()),
            asyncio.create_task(self._read()),
        ]

    def send(self, said: bytes | Press) -> None:
        match said:
            case Press(key, released=True):
                self._tell(Dtmf(key))
            case bytes():
                for message in self._mirror.audio(said):
                    self._outbox.put_nowait(message)
        # Asterisk plays by the same 20 ms.
        if frame := self._queue.tick():
            self._ear.hear(
                Heard(self._line.now, frame, self._ticks * FRAME, self._was_silent)
            )
        self._was_silent = frame is None
        self._ticks += 1

    async def hang_up(self) -> None:
        self._line.over(Side.CALLER)
        self._tell(Stopped())
        await self._outbox.join()
        await self._socket.close()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._socket.close()

    def _tell(self, event: Event) -> None:
        if (text := self._mirror.event(event)) is not None:
            self._outbox.put_nowait(text)

    async def _write(self) -> None:
        while True:
            message = await self._outbox.get()
            try:
                await self._socket.send(message)
            except ConnectionClosed:
                pass  # _read says so
            finally:
                self._outbox.task_done()

    async def _read(self) -> None:
        try:
            while not self._queue.hung_up:
                message = await self._socket.recv()
                if isinstance(message, bytes):
                    self._queue.audio(message)
                else:
                    self._queue.command(message)
        except ConnectionClosed:
            code, reason = self._socket.close_code, self._socket.close_reason
            self._line.over(Side.CALLED, f"closed with {code} {reason}".rstrip())
        else:
            self._line.over(Side.CALLED, "HANGUP")
            await self._socket.close()
