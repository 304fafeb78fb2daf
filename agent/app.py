"""Puts the house together: opens what must be opened, in order, and closes it again."""

import asyncio
import functools
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI
from loguru import logger

from agent import __version__
from agent.conversation import prompts, tools
from agent.conversation.providers import LlmConfig, Providers
from agent.conversation.speech import SpeechConfig
from agent.conversation.whisper import Whisper
from agent.local.process import LocalServer, Supervised, free_port
from agent.local.servers import (
    LlmServerConfig,
    SpeechServerConfig,
    llm_server,
    speech_server,
)
from agent.local.warm import warm_llm
from agent.media.endings import Endings
from agent.media.gtcrn import Gtcrn
from agent.media.noise import InProcess, MakeFilter, NoiseService
from agent.media.vad import Vad
from agent.models.store import Store
from agent.observe import garbage
from agent.observe.watchdog import Watchdog
from agent.session import LiveCalls, Parts
from agent.settings import Settings
from agent.storage.calls import Calls
from agent.storage.database import Database
from agent.storage.errors import StorageError
from agent.storage.recordings import Recordings
from agent.web import audiosocket, health, problems, telephony_ws
from agent.web import calls as calls_api

COLLECT_EVERY = 2.0
"""Seconds between two looks into the spool of recordings."""

Checks = dict[str, health.Check]
"""What must be well before a call can be taken, by name; `/readyz` asks them."""


def create_app(settings: Settings) -> FastAPI:
    """The server; what it needs is opened when it starts, before it listens."""
    app = FastAPI(
        title="Offhook",
        version=__version__,
        lifespan=functools.partial(_open, settings=settings),
    )
    app.state.ais = settings.ais
    app.state.telephony = settings.telephony
    app.state.operator_token = settings.operator_token
    app.state.live = LiveCalls(settings.max_calls)
    app.state.checks = {}
    problems.install(app)
    app.include_router(health.router)
    app.include_router(calls_api.router)
    app.include_router(telephony_ws.router)
    return app


def find_models(settings: Settings) -> None:
    """A MissingModel, which says how to get it, rather than a half-started agent."""
    store = Store(settings.models)
    store.path("silero-vad")
    store.path(settings.stt_model)
    if settings.turn_model:
        store.path(settings.turn_model)
    if settings.llm is None:
        store.path(settings.llm_model)
    if settings.speech is None:
        store.path(settings.voice_model)


@asynccontextmanager
async def _open(app: FastAPI, settings: Settings) -> AsyncIterator[None]:
    checks: Checks = app.state.checks
    async with AsyncExitStack() as house:
        database = Database(settings.database_url)
        await database.open()
        house.push_async_callback(database.close)
        app.state.calls = calls = Calls(database)
        await calls.abandon_open("the agent died during the call", datetime.now(UTC))
        checks["database"] = database.check

        store = Store(settings.models)
        vad = await asyncio.to_thread(_vad, store)
        recogniser = await asyncio.to_thread(open_whisper, settings, store)
        house.callback(recogniser.close)
        endings = await asyncio.to_thread(_endings, settings, store)
        if endings is not None:
            house.callback(endings.close)
        llm, speech = await asyncio.gather(
            _llm(house, settings, store, checks),
            open_voice(house, settings, store, checks),
        )
        providers = Providers({llm[0]: llm[1]}, llm[0], speech, recogniser)
        house.push_async_callback(providers.close)
        for ai in settings.ais.by_name.values():
            providers.engine(ai)
            tools.check(ai)

        watchdog = Watchdog()
        app.state.live.overload = functools.partial(
            _overload, settings, watchdog, recogniser
        )
        noise = await asyncio.to_thread(_noise, settings, store)
        app.state.parts = Parts(vad, settings.gate, providers, calls, endings, noise)
        recordings = Recordings(settings.recordings, database)
        # web/server.py has drained before; this is for whoever is left.
        house.push_async_callback(app.state.live.drain, 0)
        if settings.audiosocket.port:
            server = await audiosocket.listen(
                settings.audiosocket, settings.ais, app.state.live, app.state.parts
            )
            house.callback(server.close)
        forever = (
            _collect(recordings),
            watchdog.run(),
            garbage.sweep(app.state.live),
        )
        for task in forever:
            _keep(house, task)
        logger.info(
            "ready on {}:{}: {} calls at most, AIs: {}",
            settings.host,
            settings.port,
            settings.max_calls,
            ", ".join(settings.ais.by_name),
        )
        garbage.settle()
        yield


def _overload(settings: Settings, watchdog: Watchdog, whisper: Whisper) -> str | None:
    if watchdog.lag > settings.max_lag:
        return "loop_lag"
    if whisper.waiting > settings.max_waiting:
        return "stt_queue"
    return None


def _vad(store: Store) -> Vad:
    vad = Vad(store.path("silero-vad") / "silero_vad.onnx")
    vad.warm()
    return vad


def _endings(settings: Settings, store: Store) -> Endings | None:
    if not settings.turn_model:
        return None
    return Endings(next(store.path(settings.turn_model).glob("*.onnx")))


def _noise(settings: Settings, store: Store) -> dict[str, MakeFilter]:
    """What the AIs ask for, and no more: a model that nobody uses need not be there."""
    asked = {ai.noise for ai in settings.ais.by_name.values()}
    made: dict[str, MakeFilter] = {}
    if "service" in asked:
        made["service"] = NoiseService(settings.noise).stream
    if "inprocess" in asked:
        made["inprocess"] = functools.partial(InProcess, Gtcrn(store.path("gtcrn")))
    return made


def open_whisper(settings: Settings, store: Store) -> Whisper:
    whisper = Whisper(replace(settings.whisper, folder=store.path(settings.stt_model)))
    # The first decoding allocates and is slow; not during a call.
    whisper.decode(bytes(16000), 8000, "en")
    return whisper


async def _start(
    house: AsyncExitStack,
    server: LocalServer,
    checks: Checks,
    after_start: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """A model server of our own, until the house is closed."""
    supervised = Supervised(server, after_start=after_start)
    await supervised.start()
    house.push_async_callback(supervised.stop)

    async def healthy() -> None:
        if not supervised.healthy:
            raise RuntimeError(f"the {server.name} process does not answer")

    checks[server.name] = healthy


async def _llm(
    house: AsyncExitStack, settings: Settings, store: Store, checks: Checks
) -> tuple[str, LlmConfig]:
    """The provider's name and where it is; one of our own when none was given."""
    if settings.llm is not None:
        return "openai", settings.llm
    config = LlmServerConfig(
        model=next(store.path(settings.llm_model).glob("*.gguf")),
        threads=settings.llm_threads,
    )
    server = llm_server(config, free_port())

    async def warm() -> None:
        for ai in settings.ais.by_name.values():
            await warm_llm(
                server.url,
                settings.llm_model,
                prompts.system(ai),
                tools.described(ai.tool_names),
                at_once=config.parallel,
            )

    await _start(house, server, checks, warm)
    return "local", LlmConfig(server.url, "", settings.llm_model)


async def open_voice(
    house: AsyncExitStack, settings: Settings, store: Store, checks: Checks
) -> SpeechConfig:
    if settings.speech is not None:
        return settings.speech
    folder = store.path(settings.voice_model)
    config = SpeechServerConfig(voice=next(folder.glob("*.onnx")))
    server = speech_server(config, free_port())
    await _start(house, server, checks)
    return SpeechConfig(server.url, rate=8000, asks_rate=True)


def _keep(house: AsyncExitStack, forever: Coroutine[Any, Any, None]) -> None:
    """Runs it until the house is closed. It never ends by itself: if it does, we do."""
    task = asyncio.create_task(forever)

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            logger.critical("a part of the agent has died: {!r}", task.exception())
            os.kill(os.getpid(), signal.SIGTERM)

    task.add_done_callback(ended)
    house.callback(task.cancel)


async def _collect(recordings: Recordings) -> None:
    while True:
        try:
            await recordings.collect(datetime.now(UTC))
        except StorageError as error:
            logger.error("[REC] {}", error)
        await asyncio.sleep(COLLECT_EVERY)
