"""uvicorn's HTTP, which does not wait for ever for a request.

Whoever opens a connection and says nothing, or half of a request's head, would hold a
file descriptor of ours for as long as he likes, and a thousand of them all that calls
need.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from loguru import logger
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

DEADLINE = 5.0
"""Seconds from the connection, or from the first byte, to the end of the head."""
_TELL_AFTER = 1.0
"""Seconds in which all that are closed are one line of the log."""


class HttpProtocol(HttpToolsProtocol):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        self._go_on()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._go_on()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(DEADLINE, self._give_up)

    def _go_on(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            _closed.one_more(self.loop.call_later)
            self.transport.abort()


class _Closed:
    """Counts, and tells once in a while."""

    def __init__(self) -> None:
        self._count = 0

    def one_more(self, later: Callable[..., object]) -> None:
        self._count += 1
        if self._count == 1:
            later(_TELL_AFTER, self._tell)

    def _tell(self) -> None:
        count, self._count = self._count, 0
        logger.warning(
            "[SERVE] {} connections said nothing for {:g} s; closed", count, DEADLINE
        )


_closed = _Closed()
