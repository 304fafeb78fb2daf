"""Puts the house together: opens what must be opened, in order, and closes it again."""

import asyncio
import functools
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi import FastAPI
from loguru import logger

from agent import __version__
from agent.calls.ai import AI
from agent.conversation import prompts
from agent.conversation.catalogue import LOCAL_EARS, LOCAL_MIND, LOCAL_VOICE
from agent.conversation.messages import HttpSender, Smtp
from agent.conversation.pipeline import Memory
from agent.conversation.providers import Providers
from agent.conversation.rehearsal import rehearse
from agent.conversation.tools.offers import described
from agent.conversation.tools.toolbox import Toolbox
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
from agent.storage.embeddings import Embeddings
from agent.storage.knowledge import Knowledge
from agent.storage.ledger import DatabaseLedger
from agent.storage.leftovers import Leftovers
from agent.storage.listening import Listening
from agent.storage.missing import Missing
from agent.storage.peaks import Peaks
from agent.storage.recordings import Recordings, RecordingsConfig
from agent.storage.retention import Retention
from agent.storage.shelves import Shelves
from agent.telephony.ami import Ami
from agent.telephony.recording import Recorder
from agent.web import audiosocket, health, problems, telephony_dialplan, telephony_ws
from agent.web import calls as calls_api
from agent.web import ledger as ledger_api
from agent.web import recordings as recordings_api

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
    app.state.handover = telephony_dialplan.Handover()
    app.state.signing = settings.signing
    app.state.checks = {}
    problems.install(app)
    app.include_router(health.router)
    app.include_router(calls_api.router)
    app.include_router(ledger_api.router)
    app.include_router(recordings_api.router)
    app.include_router(telephony_ws.router)
    app.include_router(telephony_dialplan.router)
    return app


def find_models(settings: Settings) -> None:
    """A MissingModel, which says how to get it, rather than a half-started agent."""
    store = Store(settings.models)
    store.path("silero-vad")
    if settings.turn_model:
        store.path(settings.turn_model)
    used = _used(settings)
    if LOCAL_EARS in used:
        store.path(settings.stt_model)
    if LOCAL_MIND in used:
        store.path(settings.llm_model)
    if LOCAL_VOICE in used:
        store.path(settings.voice_model)


def _used(settings: Settings) -> frozenset[str]:
    """The providers that the AIs need, those of this machine among them."""
    return settings.providers.used(settings.ais.by_name.values())


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
        retention = _recordings(app, settings.recordings, database)

        store = Store(settings.models)
        vad = await asyncio.to_thread(_vad, store)
        endings = await asyncio.to_thread(_endings, settings, store)
        if endings is not None:
            house.callback(endings.close)
        used = _used(settings)
        whisper = None
        if LOCAL_EARS in used:
            whisper = await asyncio.to_thread(open_whisper, settings, store)
            house.callback(whisper.close)
        toolbox = await _toolbox(house, settings, database)
        config = settings.providers
        mind, voice = await asyncio.gather(
            _local_mind(house, settings, store, checks, toolbox)
            if LOCAL_MIND in used
            else _nothing(),
            open_voice(house, settings, store, checks)
            if LOCAL_VOICE in used
            else _nothing(),
        )
        if mind:
            config = config.with_local_mind(mind, settings.llm_model)
        if voice:
            config = config.with_piper(voice, [settings.voice_model])
        providers = Providers(config, whisper)
        house.push_async_callback(providers.close)
        ais = settings.ais.by_name.values()
        for ai in ais:
            providers.check(ai)
            toolbox.check(ai)
        memory = Memory()
        rehearsing = asyncio.create_task(_rehearse(ais, providers, memory))
        house.callback(rehearsing.cancel)

        watchdog = Watchdog()
        app.state.live.overload = functools.partial(
            _overload, settings, watchdog, whisper
        )
        noise = await asyncio.to_thread(_noise, settings, store)
        app.state.parts = Parts(
            vad,
            settings.gate,
            providers,
            toolbox,
            calls,
            turns=settings.turns,
            memory=memory,
            recorder=Recorder(Ami(settings.ami) if settings.ami else None),
            endings=endings,
            noise=noise,
            connect=app.state.handover.connect,
        )
        app.state.ledger = DatabaseLedger(database)
        recordings = Recordings(settings.recordings, app.state.ledger)
        # web/server.py has drained before; this is for whoever is left.
        house.push_async_callback(app.state.live.drain, 0)
        if settings.audiosocket.port:
            server = await audiosocket.listen(
                settings.audiosocket, settings.ais, app.state.live, app.state.parts
            )
            house.callback(server.close)
        forever = (
            recordings.run(functools.partial(datetime.now, UTC)),
            retention.run(lambda: datetime.now(UTC)),
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


def _recordings(
    app: FastAPI, config: RecordingsConfig, database: Database
) -> Retention:
    """What web/recordings.py needs, and who deletes what is too old."""
    shelves = Shelves(config.folder, config.s3)
    listening = Listening(database, shelves)
    app.state.listening = listening
    app.state.peaks = Peaks(database, listening)
    app.state.missing = Missing(database, listening, config.monitor, config.spool)
    left = Leftovers(config.monitor, config.spool)
    retention = Retention(database, shelves, config.retention_days, left.discard)
    app.state.retention = retention
    return retention


def _overload(
    settings: Settings, watchdog: Watchdog, whisper: Whisper | None
) -> str | None:
    if watchdog.lag > settings.max_lag:
        return "loop_lag"
    if whisper is not None and whisper.waiting > settings.max_waiting:
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


async def _local_mind(
    house: AsyncExitStack,
    settings: Settings,
    store: Store,
    checks: Checks,
    toolbox: Toolbox,
) -> str:
    """Where our own language model is, which then has read all instructions."""
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
                described(ai, toolbox),
                at_once=config.parallel,
            )

    await _start(house, server, checks, warm)
    return server.url


async def open_voice(
    house: AsyncExitStack, settings: Settings, store: Store, checks: Checks
) -> str:
    """Where Piper is, in a process of its own."""
    folder = store.path(settings.voice_model)
    config = SpeechServerConfig(voice=next(folder.glob("*.onnx")))
    server = speech_server(config, free_port())
    await _start(house, server, checks)
    return server.url


async def _nothing() -> str:
    return ""


async def _toolbox(
    house: AsyncExitStack, settings: Settings, database: Database
) -> Toolbox:
    http = await house.enter_async_context(httpx.AsyncClient())
    embeddings = Embeddings(settings.embeddings, http) if settings.embeddings else None
    toolbox = Toolbox(
        http,
        emails=Smtp(settings.smtp) if settings.smtp else None,
        messages=HttpSender(settings.sender, http) if settings.sender else None,
        knowledge=Knowledge(database, embeddings),
        secrets=settings.secrets,
        region=settings.country,
        recorder=settings.ami is not None,
    )
    await toolbox.open(settings.ais.by_name.values())
    house.push_async_callback(toolbox.close)
    return toolbox


async def _rehearse(ais: Iterable[AI], providers: Providers, memory: Memory) -> None:
    for ai in ais:
        await rehearse(ai, providers.voices(ai)[0], memory.phrases)


def _keep(house: AsyncExitStack, forever: Coroutine[Any, Any, None]) -> None:
    """Runs it until the house is closed. It never ends by itself: if it does, we do."""
    task = asyncio.create_task(forever)

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            logger.critical("a part of the agent has died: {!r}", task.exception())
            os.kill(os.getpid(), signal.SIGTERM)

    task.add_done_callback(ended)
    house.callback(task.cancel)
