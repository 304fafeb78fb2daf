"""Our media plane with somebody who speaks: a second of words, half a second of none.

Each frame carries when it ought to be heard if nothing stood between mouth and ear. It
is given to the mouth a sentence at a time, as a synthesiser does.
"""

import asyncio
import sys
import time
from pathlib import Path

from loguru import logger

from agent.echo import create_app
from agent.media.ear import Ear
from agent.media.mouth import Mouth
from agent.phone import stamp, ulaw
from agent.web.config import TelephonyConfig
from agent.web.media_protocol import MediaProtocol
from bench.servers.telling import serve

SENTENCE = 50
"""Frames."""
PAUSE = 0.5
DIGITS = 4
"""A million milliseconds."""


def frame(due_ms: int) -> bytes:
    return stamp.write(due_ms, DIGITS).ljust(ulaw.FRAME, b"\xf0")


class Reciter:
    def __init__(self, ear: Ear, mouth: Mouth) -> None:
        self._mouth = mouth
        self._over = asyncio.Event()

    async def run(self) -> None:
        while not self._over.is_set():
            now = round(time.monotonic() * 1000)
            frames = b"".join(frame(now + 20 * n) for n in range(SENTENCE))
            self._mouth.say(ulaw.to_pcm(frames))
            self._mouth.finish()
            await self._mouth.until(self._mouth.position)
            await asyncio.sleep(PAUSE)

    async def greet(self) -> None: ...

    async def say(self, text: str) -> None: ...

    async def finish(self) -> None:
        self._over.set()

    async def cancel(self) -> None:
        self._over.set()


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    login = TelephonyConfig("asterisk", "bench")
    app = create_app(Path(sys.argv[2]), login, talker=Reciter)
    serve(app, int(sys.argv[1]), ws=MediaProtocol)
