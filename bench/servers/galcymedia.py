"""galcymedia, the library for chan_websocket, with an echo for a provider. No VAD.

It brings its own websocket server, so the telling is on the next port, in its loop.
"""

import logging
import sys

import galcymedia
import uvicorn
import uvloop

from bench.servers.null import echo as nothing
from bench.servers.telling import Telling


class Echo:
    def __init__(self, session: galcymedia.Session) -> None:
        self._session = session

    async def start(self) -> None: ...

    async def send_audio(self, chunk: bytes) -> None:
        await self._session.send_audio(chunk)

    async def on_dtmf(self, digit: str) -> None: ...

    async def close(self) -> None: ...


async def main(port: int) -> None:
    telling = uvicorn.Config(
        Telling(nothing), host="127.0.0.1", port=port, log_level="error"
    )
    async with galcymedia.serve(Echo, port=port + 1):
        await uvicorn.Server(telling).serve()


if __name__ == "__main__":
    logging.disable(logging.ERROR)
    uvloop.run(main(int(sys.argv[1])))
