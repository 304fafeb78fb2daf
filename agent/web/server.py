"""uvicorn, but it lets calls finish before it goes.

Told to stop, uvicorn closes every websocket at once: the caller would be cut off in
mid-sentence, and a deploy would be heard. Here new calls are refused, those that are up
have their time, and then uvicorn stops. A second signal does not wait.
"""

import asyncio
from types import FrameType
from typing import Protocol

import uvicorn
from fastapi import FastAPI
from loguru import logger

from agent.session import LiveCalls

from .http_protocol import HttpProtocol
from .media_protocol import MediaProtocol


def configured(app: FastAPI, host: str, port: int) -> uvicorn.Config:
    """How we have uvicorn serve, whatever it is that we serve."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=HttpProtocol,
        ws=MediaProtocol,
        # Asterisk offers no compression, and its audio would not shrink.
        ws_per_message_deflate=False,
        ws_max_size=1 << 20,
        log_config=None,
        access_log=False,
        # A client that has stopped to read cannot be told that it is over.
        timeout_graceful_shutdown=10,
    )


class Streams(Protocol):
    def close(self) -> None:
        """All end, and no other begins."""


class Server(uvicorn.Server):
    def __init__(
        self,
        config: uvicorn.Config,
        live: LiveCalls,
        drain_seconds: float,
        streams: Streams | None = None,
    ) -> None:
        """`streams`: of events, which would never end by themselves."""
        super().__init__(config)
        self._live = live
        self._streams = streams
        self._drain_seconds = drain_seconds
        self._draining: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, *arguments: object, **options: object) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(*arguments, **options)  # type: ignore[arg-type]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._loop is None or self._draining is not None:
            super().handle_exit(sig, frame)
        else:
            self._loop.call_soon_threadsafe(self._begin_to_drain, sig, frame)

    def _begin_to_drain(self, sig: int, frame: FrameType | None) -> None:
        self._draining = asyncio.create_task(self._drain(sig, frame))

    async def _drain(self, sig: int, frame: FrameType | None) -> None:
        logger.info(
            "[SERVE] stopping: {} calls may go on for {:g} s",
            *(len(self._live), self._drain_seconds),
        )
        await self._live.drain(self._drain_seconds)
        if self._streams is not None:
            self._streams.close()
        super().handle_exit(sig, frame)
