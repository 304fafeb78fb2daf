"""uvicorn's websocket protocol, with a short way for audio.

A caller's frame comes 50 times a second. On the long way it is parsed by a generator,
put into a queue, wakes a task, and stops and starts the reading of the socket, two
system calls each. Here a whole, masked BINARY frame, which is all that Asterisk sends
of audio, is unmasked in C and handed over at once. Everything else, and everything
odd, goes the long way: that code knows the RFC, and keeps knowing it.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import (
    WebSocketsSansIOProtocol,
)
from websockets.frames import CloseCode
from websockets.http11 import Request
from websockets.speedups import apply_mask

EXTENSION = "offhook.audio"
"""Key in the ASGI scope's extensions under which the endpoint finds this protocol."""

_BINARY = 0x82
"""FIN and the opcode: a message in one frame."""
_MASKED = 0x80
_IN_ORDER = (CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.NO_STATUS_RCVD)
_BROKEN: Mapping[int, str] = {
    CloseCode.PROTOCOL_ERROR: "what came breaks the WebSocket protocol",
    CloseCode.INVALID_DATA: "a text came that is not UTF-8",
    CloseCode.INTERNAL_ERROR: "it has gone silent, without a word: no ping is answered",
}


class MediaProtocol(WebSocketsSansIOProtocol):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._take: Callable[[bytes], object] | None = None
        self._rest = b""
        """The beginning of a frame whose end has not come yet."""
        self.pings = 0
        """That came."""
        self._odd = False
        """A frame was too long, or wrong: all is the library's from there on."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            extensions: dict[str, Any] = dict(self.scope.get("extensions") or {})
            self.scope["extensions"] = extensions | {EXTENSION: self}

    def hand_over(self, take: Callable[[bytes], object] | None) -> None:
        """Audio goes to `take`, in the moment in which it comes; None: as usual."""
        self._take = take

    def send_audio(self, payload: bytes) -> None:
        """One unfragmented BINARY frame, in one write. Nothing once it is over."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        size = len(payload)
        head = (
            struct.pack("!BB", _BINARY, size)
            if size < 126
            else struct.pack("!BBH", _BINARY, 126, size)
        )
        self.transport.write(head + payload)

    @property
    def backlog(self) -> int:
        """Bytes that the other side has not read yet."""
        return self.transport.get_write_buffer_size()

    @property
    def broken(self) -> str:
        """Why it is over, if the other side has not closed it in good order."""
        ours, theirs = self.conn.close_sent, self.conn.close_rcvd
        if theirs is not None:
            why = f" {theirs.reason}" if theirs.reason else ""
            said = (
                f"Asterisk closed it with {theirs.code}{why}: it did not take a frame"
            )
            return "" if theirs.code in _IN_ORDER else said
        if ours is None:
            return "it broke off without a close"
        if ours.code == CloseCode.MESSAGE_TOO_BIG:
            return f"a message came that is longer than {self.config.ws_max_size} bytes"
        return _BROKEN.get(ours.code, "")

    def handle_ping(self) -> None:
        self.pings += 1
        super().handle_ping()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        # Nobody reads: closing would wait for ever until the rest has gone out.
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        # From the first frame on, not from `hand_over` on: the library would keep the
        # half of a frame that came just before it.
        if not self.handshake_initiated or self._odd:
            super().data_received(data)
            return
        data = self._rest + data if self._rest else data
        at, end = 0, len(data)
        while end - at >= 6:
            length, head = data[at + 1] - _MASKED, 6
            if length < 0 or length == 127:
                self._long_way(data[at:])
                return
            if length == 126:
                length, head = data[at + 2] << 8 | data[at + 3], 8
            if end - at < head + length:
                break
            body = at + head
            if data[at] == _BINARY and self._take is not None:
                mask = data[body - 4 : body]
                self._take(apply_mask(data[body : body + length], mask))
            else:
                super().data_received(data[at : body + length])
            at = body + length
        self._rest = data[at:] if at < end else b""

    def _long_way(self, data: bytes) -> None:
        self._odd, self._rest = True, b""
        super().data_received(data)
