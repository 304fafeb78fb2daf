"""Our media plane with an echo in the AI's place, to be measured: `offhook bench`.

Everything between the socket and the pipeline is the real thing: /telephony/ws, the
session, link, ear, the one VAD, gate and mouth. Each frame goes through the ear (µ-law
to samples, VAD), and the mouth says it again (samples to µ-law, playout account).
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI
from loguru import logger

from agent.calls.ai import AI, AIs
from agent.calls.facts import Fact
from agent.calls.heard import Heard
from agent.conversation.config import ProvidersConfig
from agent.conversation.providers import Providers
from agent.conversation.seams import Transcript
from agent.conversation.tools.toolbox import Toolbox
from agent.media.audio import DECODE
from agent.media.config import GateConfig
from agent.media.ear import Ear
from agent.media.mouth import Mouth
from agent.media.vad import Vad
from agent.observe import garbage
from agent.observe.watchdog import Watchdog
from agent.session import LiveCalls, Parts, Talker
from agent.storage.directory import Directory
from agent.web import health, problems, telephony_ws
from agent.web.auth import NoKeys
from agent.web.config import ApiLimits, TelephonyConfig
from agent.web.limits import Limits
from agent.web.server import configured

CUSHION = 0.1
"""Seconds of silence said first, so that the mouth stays ahead of the caller's ear as
it does with a model's voice. Without it every frame that is late by a millisecond is a
gap: filled with silence, which the next frame has to flush. It holds no frame back on
its way to the socket."""


class Echo:
    def __init__(self, ear: Ear, mouth: Mouth) -> None:
        self._ear_hears = ear.hear
        self._mouth = mouth
        self._decode = DECODE["ulaw"]
        self._over = asyncio.Event()
        # The link asks the ear for `hear` with each frame, and so comes to us first.
        ear.hear = self._hear  # type: ignore[method-assign]
        # After a stall of the machine frames come in a burst: it is not held back.
        mouth.ahead = 60.0
        mouth.say(bytes(2 * int(CUSHION * mouth.rate)))

    def _hear(self, payload: bytes) -> None:
        self._ear_hears(payload)
        self._mouth.say(self._decode(payload))

    async def run(self) -> None:
        await self._over.wait()

    def answered(self) -> None: ...
    def heard(self, what: Heard, ear: Ear) -> None: ...
    def key(self, digit: str) -> None: ...
    def hold(self) -> None: ...
    def resume(self) -> None: ...
    async def say(self, text: str) -> None: ...
    async def be_silent(self) -> None: ...

    async def finish(self) -> None:
        self._over.set()

    async def cancel(self) -> None:
        self._over.set()


class _Unwritten:
    """Records that nobody keeps."""

    def note(self, fact: Fact) -> None: ...


class _Deaf:
    name = "none.none"

    async def transcribe(self, pcm: bytes, rate: int, language: str) -> Transcript:
        return Transcript("", language, 0.0)


def create_app(
    model: Path,
    login: TelephonyConfig,
    talker: Callable[[Ear, Mouth], Talker] | None = Echo,
) -> FastAPI:
    """`model`: silero_vad.onnx. Without a talker: an AI whose models do not answer."""
    app = FastAPI(lifespan=partial(_open, model=model, talker=talker))
    app.state.live = LiveCalls(100_000)
    echo = AI("echo", "Repeats what it hears.")
    app.state.directory = Directory(AIs("echo", {"echo": echo}))
    app.state.budgets = telephony_ws.Unlimited()
    app.state.keys = NoKeys()
    app.state.limits = Limits(ApiLimits())
    app.state.telephony = login
    app.state.checks = {}
    app.state.operator_token = ""
    problems.install(app)
    app.include_router(health.router)
    app.include_router(telephony_ws.router)
    return app


@asynccontextmanager
async def _open(
    app: FastAPI, model: Path, talker: Callable[[Ear, Mouth], Talker] | None
) -> AsyncIterator[None]:
    vad = Vad(model)
    vad.warm()
    nowhere = "http://127.0.0.1:9/v1"
    config = ProvidersConfig().with_local_mind(nowhere, "none").with_piper(nowhere, [])
    providers = Providers(config, _Deaf())
    http = httpx.AsyncClient()
    app.state.parts = Parts(
        vad,
        GateConfig(),
        providers,
        Toolbox(http),
        _Unwritten(),
        instead_of_ai=talker,
    )
    tasks = [
        asyncio.create_task(forever)
        for forever in (Watchdog().run(), garbage.sweep(app.state.live))
    ]
    garbage.settle()
    yield
    for task in tasks:
        task.cancel()
    await providers.close()
    await http.aclose()


def serve(model: Path, port: int, password: str) -> None:
    """On loopback, with what `offhook serve` has."""
    login = TelephonyConfig("asterisk", password)
    config = configured(create_app(model, login), "127.0.0.1", port)
    uvicorn.Server(config).run()


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
