"""The worker, for whoever starts it and watches it: `offhook serve`."""

import asyncio
import sys

from loguru import logger

from agent.local.process import LOOPBACK, LocalServer, LocalServerError, Supervised

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


async def keep_working(port: int) -> None:
    """Until it is cancelled. Calls need no worker: nobody waits until it is up."""
    supervised = Supervised(worker(port))
    try:
        while True:
            try:
                await supervised.start()
            except LocalServerError as error:
                logger.error("[WORK] {}; trying again", error)
                await asyncio.sleep(_PAUSE)
                supervised = Supervised(worker(port))
            else:
                await asyncio.Event().wait()
    finally:
        await supervised.stop()
