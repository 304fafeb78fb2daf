"""The worker, for whoever starts it and watches it: `offhook serve`."""

import asyncio
import socket
import sys

from loguru import logger

from agent.local.process import (
    LOOPBACK,
    LocalServer,
    LocalServerError,
    Supervised,
    free_port,
)
from agent.observe import metrics

_PAUSE = 10.0


def worker(port: int) -> LocalServer:
    """It reads the same environment."""
    return LocalServer(
        "work",
        (sys.executable, "-m", "agent", "work", "--port", "{port}"),
        port,
        health_url=f"http://{LOOPBACK}:{{port}}/healthz",
        memory_mib=150,
    )


async def keep_working(port: int, pause: float = _PAUSE) -> None:
    """Until it is cancelled. Calls need no worker: nobody waits until it is up.
    Port 0: any. `pause`: seconds until it is tried again."""
    port = port or free_port()
    supervised = Supervised(worker(port))
    # A label that says nothing: without one there would be a 0 where it is another's.
    metrics.worker_up.labels("inside").set_function(lambda: supervised.healthy)
    try:
        await _until_free(port, pause)
        while True:
            try:
                await supervised.start()
            except LocalServerError as error:
                logger.error("[WORK] trying again: {}", error)
                await asyncio.sleep(pause)
                supervised = Supervised(worker(port))
            else:
                await asyncio.Event().wait()
    finally:
        await supervised.stop()


async def _until_free(port: int, pause: float) -> None:
    """Another agent's worker would answer for ours, which ended at once, again and
    again."""
    said = False
    while why := _taken(port):
        if not said:
            logger.error(
                "[WORK] cannot listen on {}:{} (OFFHOOK_WORK_PORT): {}; webhooks and"
                " uploads wait until it is free",
                *(LOOPBACK, port, why),
            )
        said = True
        await asyncio.sleep(pause)


def _taken(port: int) -> str:
    """Why nobody can listen there; empty: somebody can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            return error.strerror or str(error)
    return ""
