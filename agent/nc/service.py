"""The websocket, and what an operator asks: /health, /metrics.

The network runs on the loop: a block of 16 ms takes 0.7 ms, so a thread would cost more
than it frees, and one process serves as many streams as one core has time for.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from fastapi import FastAPI, WebSocket
from loguru import logger
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    generate_latest,
)
from starlette.responses import JSONResponse, Response

RATES = (8000, 16000)
LONGEST_FRAME = 0.1
"""Seconds."""


class Stream(Protocol):
    def clean(self, pcm: bytes) -> bytes: ...


class Model(Protocol):
    """media/gtcrn.py fulfils it."""

    def stream(self, rate: int) -> Stream: ...


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    streams: int = 10
    """At once; one more is refused with 503."""
    report_seconds: float = 10.0
    """Between two lines in the log."""


class Account:
    """What was done since the start, and since the last line in the log."""

    def __init__(self) -> None:
        # Of its own: the agent's metrics are another process.
        self.registry = CollectorRegistry()
        self.streams = Gauge(
            "offhook_nc_streams", "Streams that are open.", registry=self.registry
        )
        self.frames = Counter(
            "offhook_nc_frames", "Frames that were cleaned.", registry=self.registry
        )
        self.errors = Counter(
            "offhook_nc_errors",
            "Frames that were none, and frames that the model failed on.",
            registry=self.registry,
        )
        self.refused = Counter(
            "offhook_nc_refused", "Streams that were not taken.", registry=self.registry
        )
        self.rtf = Gauge(
            "offhook_nc_rtf",
            "Seconds of work for a second of sound, of late. At 1 the core is full.",
            registry=self.registry,
        )
        self.open = 0
        self._frames = self._errors = 0
        self._worked = self._sound = 0.0

    def cleaned(self, worked: float, sound: float) -> None:
        self.frames.inc()
        self._frames += 1
        self._worked += worked
        self._sound += sound

    def failed(self) -> None:
        self.errors.inc()
        self._errors += 1

    def line(self, seconds: float) -> str:
        """For the log; and begins anew."""
        rtf = self._worked / self._sound if self._sound else 0.0
        self.rtf.set(rtf)
        said = (
            f"rtf={rtf:.4f} streams={self.open} frames={self._frames}"
            f" errors={self._errors} busy={100 * self._worked / seconds:.1f}%"
            f" in {seconds:g} s"
        )
        self._frames = self._errors = 0
        self._worked = self._sound = 0.0
        return said


def create_service(config: ServiceConfig, model: Model) -> FastAPI:
    account = Account()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        reporting = asyncio.create_task(_report(account, config.report_seconds))
        yield
        reporting.cancel()

    app = FastAPI(title="Offhook noise cancellation", lifespan=lifespan)
    app.state.account = account

    @app.get("/health")
    async def health() -> Response:
        full = account.open >= config.streams
        told = {
            "status": "full" if full else "ready",
            "streams": account.open,
            "limit": config.streams,
        }
        return JSONResponse(told)

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(
            generate_latest(account.registry), media_type=CONTENT_TYPE_LATEST
        )

    @app.websocket("/")
    async def stream(websocket: WebSocket, rate: str = "8000") -> None:
        if rate not in map(str, RATES):
            await _refuse(websocket, 400, f"the rate is {rate!r}, not 8000 or 16000")
        elif account.open >= config.streams:
            account.refused.inc()
            logger.warning("[NC] a stream refused: {} are open", account.open)
            await _refuse(websocket, 503, f"{config.streams} streams are open")
        else:
            account.open += 1
            account.streams.set(account.open)
            try:
                await websocket.accept()
                await _serve(websocket, model.stream(int(rate)), int(rate), account)
            finally:
                account.open -= 1
                account.streams.set(account.open)

    return app


async def _serve(
    websocket: WebSocket, stream: Stream, rate: int, account: Account
) -> None:
    longest = int(2 * rate * LONGEST_FRAME)
    while True:
        message: Mapping[str, Any] = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        pcm = message.get("bytes")
        if not pcm or len(pcm) % 2 or len(pcm) > longest:
            account.failed()
            size = "text" if pcm is None else f"{len(pcm)} bytes"
            logger.warning(
                "[NC] a frame is {}: expected samples, {} at most", size, longest
            )
            await websocket.close(1003, "a frame is 16-bit samples, 0.1 s at most")
            return
        before = time.perf_counter()
        try:
            cleaned = stream.clean(pcm)
        except Exception as error:  # noqa: BLE001 - ends this stream, not the process
            account.failed()
            logger.error("[NC] the model failed: {!r}", error)
            await websocket.close(1011, "the model failed")
            return
        account.cleaned(time.perf_counter() - before, len(pcm) / (2 * rate))
        try:
            await websocket.send_bytes(cleaned)
        except (RuntimeError, OSError):  # closed by the other side in this moment
            return


async def _report(account: Account, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        logger.info("[NC] {}", account.line(seconds))


async def _refuse(websocket: WebSocket, status: int, why: str) -> None:
    await websocket.send_denial_response(Response(why, status_code=status))
