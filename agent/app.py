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
from agent.books import Books
from agent.calls.ai import AI
from agent.conversation import prompts
from agent.conversation.catalogue import LOCAL_EARS, LOCAL_MIND, LOCAL_VOICE
from agent.conversation.messages import HttpSender, Smtp
from agent.conversation.pipeline import Memory
from agent.conversation.providers import Providers
from agent.conversation.rehearsal import rehearse
from agent.conversation.served import Served
from agent.conversation.tools.offers import described
from agent.conversation.tools.toolbox import Toolbox
from agent.conversation.whisper import Whisper
from agent.jobs.process import keep_working
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
from agent.net import outside
from agent.observe import garbage
from agent.observe.config import TracesConfig
from agent.observe.traces import Traced, Traces
from agent.observe.watchdog import Watchdog
from agent.session import LiveCalls, Parts, Records
from agent.settings import Settings
from agent.storage.database import Database
from agent.storage.embeddings import Embeddings
from agent.storage.knowledge import Knowledge
from agent.storage.leftovers import Leftovers
from agent.storage.listening import Listening
from agent.storage.missing import Missing
from agent.storage.peaks import Peaks
from agent.storage.rejected import Rejected
from agent.storage.retention import Retention
from agent.storage.shelves import Shelves
from agent.telephony.ami import Ami
from agent.telephony.recording import Recorder
from agent.web import ais as ais_api
from agent.web import audiosocket, health, problems, telephony_dialplan, telephony_ws
from agent.web import calls as calls_api
from agent.web import customers as customers_api
from agent.web import events as events_api
from agent.web import ledger as ledger_api
from agent.web import numbers as numbers_api
from agent.web import recordings as recordings_api
from agent.web import usage as usage_api
from agent.web import webhooks as webhooks_api
from agent.web.intake import Intake
from agent.web.limits import Limits

ROUTERS = (
    *(health.router, calls_api.router, recordings_api.router, ledger_api.router),
    *(ais_api.router, numbers_api.router, usage_api.router),
    *(events_api.router, webhooks_api.router),
    *(customers_api.router, customers_api.keys_router),
    *(telephony_ws.router, telephony_dialplan.router),
)

_TRACES_WITHIN = 3.0
"""Seconds for those of the last calls to be sent."""

Checks = dict[str, health.Check]
"""What must be well before a call can be taken, by name; `/readyz` asks them."""


def create_app(settings: Settings) -> FastAPI:
    """The server; what it needs is opened when it starts, before it listens."""
    books = Books(settings)
    app = FastAPI(
        title="Offhook",
        version=__version__,
        # Its pages would have the browser fetch programs from elsewhere.
        docs_url=None,
        redoc_url=None,
        lifespan=functools.partial(_open, settings=settings, books=books),
    )
    books.show(app)
    app.state.telephony = settings.telephony
    app.state.operator_token = settings.operator_token
    app.state.country = settings.country
    app.state.live = LiveCalls(settings.max_calls)
    app.state.handover = telephony_dialplan.Handover()
    app.state.signing = settings.signing
    app.state.limits = Limits(settings.api_limits)
    app.state.webhook_networks = settings.work.config.deliveries.allow
    app.state.checks = {}
    problems.install(app)
    app.add_middleware(Intake)
    for router in ROUTERS:
        app.include_router(router)
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
    """The providers that the AIs of the file need, this machine's among them."""
    return settings.providers.used(settings.ais.by_name.values())


@asynccontextmanager
async def _open(app: FastAPI, settings: Settings, books: Books) -> AsyncIterator[None]:
    checks: Checks = app.state.checks
    async with AsyncExitStack() as house:
        await books.open(house, functools.partial(_keep, house))
        retention = _recordings(app, settings, books.database)

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
        toolbox = await _toolbox(house, settings, books)
        config = settings.providers
        mind, voice = await asyncio.gather(
            _local_mind(house, settings, store, checks, toolbox, books)
            if LOCAL_MIND in used
            else _no_mind(),
            open_voice(house, settings, store, checks)
            if LOCAL_VOICE in used
            else _nothing(),
        )
        if mind:
            config = config.with_local_mind(mind.url, settings.llm_model)
        if voice:
            config = config.with_piper(voice, [settings.voice_model])
        providers = Providers(config, whisper)
        house.push_async_callback(providers.close)
        noise = await asyncio.to_thread(_noise, settings, store)
        served = app.state.served = Served(
            config,
            providers,
            toolbox,
            whisper=settings.stt_model if whisper else "",
            noise=list(noise),
        )
        for ai in settings.ais.by_name.values():
            served.check(ai)
        memory = Memory()

        async def prepare(ai: AI) -> None:
            await toolbox.open([ai])
            if mind:
                await mind.reads([ai])
            await rehearse(ai, providers.voices(ai)[0], memory.phrases)

        books.directory.admit(served.check, prepare)
        ais = books.directory.ais()
        rehearsing = asyncio.create_task(_rehearse(ais, providers, memory))
        house.callback(rehearsing.cancel)

        watchdog = Watchdog()
        app.state.live.overload = functools.partial(
            _overload, settings, watchdog, whisper
        )
        app.state.parts = Parts(
            vad,
            settings.gate,
            providers,
            toolbox,
            await _traced(house, books.journal, settings.traces),
            turns=settings.turns,
            memory=memory,
            recorder=Recorder(Ami(settings.ami) if settings.ami else None),
            endings=endings,
            noise=noise,
            connect=app.state.handover.connect,
            prices=settings.prices,
            spend=books.budgets.add,
        )
        # web/server.py has drained before; this is for whoever is left.
        house.push_async_callback(app.state.live.drain, 0)
        if settings.audiosocket.port:
            server = await audiosocket.listen(
                settings.audiosocket,
                books.directory,
                app.state.live,
                app.state.parts,
                books.budgets,
            )
            house.callback(server.close)
        forever = (
            retention.run(lambda: datetime.now(UTC)),
            watchdog.run(),
            garbage.sweep(app.state.live),
        )
        for task in forever:
            _keep(house, task)
        if settings.work.inside:
            _work(house, settings.work.config.port)
        logger.info(
            "[SERVE] ready on {}:{}: {} calls at most, AIs: {}",
            settings.host,
            settings.port,
            settings.max_calls,
            ", ".join(ai.name for ai in ais),
        )
        garbage.settle()
        yield


async def _traced(
    house: AsyncExitStack, records: Records, config: TracesConfig | None
) -> Records:
    """Off, nothing of it is in the way."""
    if config is None:
        return records
    traces = Traces(config, await house.enter_async_context(httpx.AsyncClient()))
    _keep(house, traces.run())
    house.push_async_callback(traces.flush, _TRACES_WITHIN)
    return Traced(records, traces)


def _recordings(app: FastAPI, settings: Settings, database: Database) -> Retention:
    """What web/recordings.py needs, and who deletes what is too old."""
    config = settings.recordings
    shelves = Shelves(config.folder, config.s3)
    listening = Listening(database, shelves)
    app.state.listening = listening
    app.state.peaks = Peaks(database, listening)
    app.state.missing = Missing(database, listening, config.monitor, config.spool)
    left = Leftovers(config.monitor, config.spool)
    retention = Retention(
        database,
        shelves,
        config.retention_days,
        left.discard,
        event_days=settings.event_days,
        rejected=Rejected(settings.data / "journal"),
    )
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


class _LocalMind:
    """Our own language model, that has read the instructions before anybody calls."""

    def __init__(
        self, url: str, at_once: int, settings: Settings, toolbox: Toolbox
    ) -> None:
        self.url, self._at_once = url, at_once
        self._settings, self._toolbox = settings, toolbox

    async def reads(self, ais: Iterable[AI]) -> None:
        for ai in ais:
            if LOCAL_MIND in self._settings.providers.used([ai]):
                await warm_llm(
                    self.url,
                    self._settings.llm_model,
                    prompts.system(ai),
                    described(ai, self._toolbox),
                    at_once=self._at_once,
                )


async def _local_mind(
    house: AsyncExitStack,
    settings: Settings,
    store: Store,
    checks: Checks,
    toolbox: Toolbox,
    books: Books,
) -> _LocalMind | None:
    config = LlmServerConfig(
        model=next(store.path(settings.llm_model).glob("*.gguf")),
        threads=settings.llm_threads,
    )
    server = llm_server(config, free_port())
    mind = _LocalMind(server.url, config.parallel, settings, toolbox)
    await _start(house, server, checks, lambda: mind.reads(books.directory.ais()))
    return mind


async def _no_mind() -> None:
    return None


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


async def _toolbox(house: AsyncExitStack, settings: Settings, books: Books) -> Toolbox:
    http = await house.enter_async_context(httpx.AsyncClient())
    allow = settings.work.config.deliveries.allow
    guarded = await house.enter_async_context(outside.client(allow))
    embeddings = Embeddings(settings.embeddings, http) if settings.embeddings else None
    toolbox = Toolbox(
        http,
        emails=Smtp(settings.smtp) if settings.smtp else None,
        messages=HttpSender(settings.sender, http) if settings.sender else None,
        knowledge=Knowledge(books.database, embeddings),
        secrets=settings.secrets,
        region=settings.country,
        recorder=settings.ami is not None,
        guarded=guarded,
    )
    await toolbox.open(books.directory.ais())
    house.push_async_callback(toolbox.close)
    return toolbox


async def _rehearse(ais: Iterable[AI], providers: Providers, memory: Memory) -> None:
    for ai in ais:
        await rehearse(ai, providers.voices(ai)[0], memory.phrases)


def _work(house: AsyncExitStack, port: int) -> None:
    task = asyncio.create_task(keep_working(port))

    async def stop() -> None:
        task.cancel()
        await asyncio.wait({task})

    house.push_async_callback(stop)


def _keep(house: AsyncExitStack, forever: Coroutine[Any, Any, None]) -> None:
    """Runs it until the house is closed. It never ends by itself: if it does, we do."""
    task = asyncio.create_task(forever)

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            fault = task.exception()
            logger.critical("[SERVE] a part of the agent has died: {!r}", fault)
            os.kill(os.getpid(), signal.SIGTERM)

    task.add_done_callback(ended)
    house.callback(task.cancel)
