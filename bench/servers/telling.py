"""What every server here tells of itself: GET /bench/lag and /bench/census.

The lag is milliseconds since somebody last asked. Its probe sleeps 10 ms at a time:
100 wake-ups a second, about 0.2 % of a core, the same for every server.
"""

import asyncio
import gc
import json
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

EVERY = 0.01


class Telling:
    """Answers for /bench/, passes everything else on. Costs nothing per message."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._late: list[float] = []
        self._watch: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/bench/"):
            await self._app(scope, receive, send)
            return
        if self._watch is None:
            self._watch = asyncio.create_task(self._probe())
        told = self._lag() if scope["path"] == "/bench/lag" else _census()
        body = json.dumps(told).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    def _lag(self) -> dict[str, float]:
        late, self._late = sorted(self._late), []
        if not late:
            return {}
        return {
            "p50": round(1000 * late[len(late) // 2], 2),
            "p99": round(1000 * late[len(late) * 99 // 100], 2),
            "max": round(1000 * late[-1], 2),
        }

    async def _probe(self) -> None:
        while True:
            due = time.perf_counter() + EVERY
            await asyncio.sleep(EVERY)
            self._late.append(max(0.0, time.perf_counter() - due))


def _census() -> dict[str, int]:
    gc.collect()
    return {
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "objects": len(gc.get_objects()),
    }


def serve(app: App, port: int, ws: Any = "websockets-sansio") -> None:
    """As `offhook serve` does: the peers get uvloop and the best of uvicorn, too."""
    uvicorn.run(
        Telling(app),
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        ws=ws,
        ws_per_message_deflate=False,
        log_level="error",
        access_log=False,
    )
