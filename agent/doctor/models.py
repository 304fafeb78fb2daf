"""Models: the files of this machine, and the servers of others."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from agent.calls.ai import AI, AIError
from agent.conversation import catalogue, trial
from agent.conversation.catalogue import (
    LOCAL_EARS,
    LOCAL_MIND,
    LOCAL_VOICE,
    Known,
)
from agent.conversation.errors import Cause, ProviderError
from agent.conversation.providers import Providers, ProvidersConfig
from agent.conversation.seams import Transcript
from agent.models.errors import ModelError
from agent.models.store import Store
from agent.settings import Settings

from .finding import Finding, error, ok, warning
from .site import Site

_READ_SECONDS = 7.0
_ASK_SECONDS = 6.0
LANGUAGE_MODEL, EARS, VOICE = "language model", "speech to text", "voice"
_SLOW = {LANGUAGE_MODEL: 2.0, EARS: 2.0, VOICE: 1.5}
"""Seconds, from which on callers notice."""
_FIXES = {
    Cause.UNREACHABLE: "Start this server, or correct its address.",
    Cause.TIMEOUT: "Look at this server's load, or take another one.",
    Cause.STALLED: "Look at this server's load, or take another one.",
    Cause.CUT: "Look at this server's log: it breaks off.",
    Cause.THROTTLED: "Ask the provider for a higher limit, or take another one.",
    Cause.NO_CREDIT: "Pay the provider, or take another one.",
    Cause.REFUSED: "Write the key that this provider gave out.",
    Cause.BAD_REQUEST: "Name a model that this provider has.",
    Cause.SERVER_ERROR: "Look at this server's log.",
    Cause.NONSENSE: "Check that the address is one of OpenAI's API, and ends in /v1.",
}


@dataclass(frozen=True, slots=True)
class Request:
    part: str
    name: str
    """`<provider>.<model>`"""
    known: Known | None
    model_variable: str
    ask: Callable[[float], Awaitable[float]]

    def where(self, cause: Cause) -> str:
        """The variable to look at."""
        if cause is Cause.BAD_REQUEST:
            return self.model_variable
        if self.known is None:
            return "OFFHOOK_ENDPOINTS"
        key_first = cause in (Cause.REFUSED, Cause.NO_CREDIT, Cause.THROTTLED)
        names = (self.known.key, self.known.url)
        found = [name for name in (names if key_first else names[::-1]) if name]
        return found[0] if found else self.model_variable


class _Late(Exception):
    pass


class _Clock:
    """Progress that ends the reading of files when it takes too long."""

    def __init__(self) -> None:
        self._until = perf_counter() + _READ_SECONDS
        self.given_up = threading.Event()

    def at(self, label: str, done: int, total: int) -> None:
        if perf_counter() > self._until or self.given_up.is_set():
            raise _Late

    def said(self, line: str) -> None:
        pass


async def files(site: Site) -> list[Finding]:
    """Those that are used are there, and are the ones of models.lock."""
    settings = site.settings
    if settings is None:
        return []
    clock = _Clock()
    try:
        return await asyncio.to_thread(lambda: list(_files(settings, clock)))
    finally:
        clock.given_up.set()


def _files(settings: Settings, clock: _Clock) -> Iterator[Finding]:
    store, well = Store(settings.models), True
    for variable, name in _wanted(settings):
        try:
            faults = store.verify([name], clock)
        except _Late:
            yield ok(
                f"the models' files could not all be read in {_READ_SECONDS:g} s:"
                " offhook models verify does"
            )
            return
        except ModelError as failure:
            well = False
            yield error(
                str(failure), variable, "Name a model of `offhook models list`."
            )
            continue
        for fault in faults:
            well = False
            yield error(
                f"model {fault}",
                store.config.folder / name / fault.file,
                f"Run offhook models fetch {name}.",
            )
    if well:
        yield ok("the models' files are the ones of models.lock", store.config.folder)


def _wanted(settings: Settings) -> Iterator[tuple[str, str]]:
    used = settings.providers.used(settings.ais.by_name.values())
    yield "OFFHOOK_MODELS", "silero-vad"
    if settings.turn_model:
        yield "OFFHOOK_TURN_MODEL", settings.turn_model
    if LOCAL_EARS in used:
        yield "OFFHOOK_STT_MODEL", settings.stt_model
    if LOCAL_MIND in used:
        yield "OFFHOOK_LLM_MODEL", settings.llm_model
    if LOCAL_VOICE in used:
        yield "OFFHOOK_VOICE_MODEL", settings.voice_model


async def providers(site: Site) -> list[Finding]:
    """Each server that an AI uses answers one tiny request, and fast enough."""
    settings = site.settings
    if settings is None:
        return []
    found: list[Finding] = []
    config = _whole(settings)
    house = Providers(config, _Ears(settings.stt_model))
    try:
        requests: dict[tuple[str, str], Request] = {}
        for ai in settings.ais.by_name.values():
            try:
                house.check(ai)
            except AIError as failure:
                found.append(
                    error(
                        str(failure),
                        "OFFHOOK_AIS",
                        "Give this provider its address and key, or name another.",
                    )
                )
            else:
                for request in _requests(house, ai):
                    requests.setdefault((request.part, request.name), request)
        found += await asyncio.gather(*map(_ask, requests.values()))
    finally:
        await house.close()
    return found


class _Ears:
    """Stands for Whisper, which is not started for this."""

    def __init__(self, model: str) -> None:
        self.name = f"{LOCAL_EARS}.{model}"

    async def transcribe(self, pcm: bytes, rate: int, language: str) -> Transcript:
        raise NotImplementedError


def _whole(settings: Settings) -> ProvidersConfig:
    """With what the agent starts on this machine itself, for `check` alone."""
    nowhere = "http://127.0.0.1:9/v1"
    config = settings.providers.with_local_mind(nowhere, settings.llm_model)
    return config.with_piper(nowhere, [settings.voice_model])


def _requests(house: Providers, ai: AI) -> Iterator[Request]:
    """Of the servers that are there already; our own are started by the agent."""
    if ai.mode == "realtime":
        return
    for mind in house.minds(ai, ""):
        if (provider := _provider(mind.name)) != LOCAL_MIND:
            variable = "OFFHOOK_ENGINE_MODEL"
            if provider == "openai":
                variable = "OPENAI_MODEL"
            known = catalogue.MINDS.get(provider)
            ask = partial(trial.think, mind)
            yield Request(LANGUAGE_MODEL, mind.name, known, variable, ask)
    ears = house.recognisers(ai)[0]
    if (provider := _provider(ears.name)) != LOCAL_EARS:
        known = catalogue.EARS.get(provider)
        yield Request(EARS, ears.name, known, "OFFHOOK_STT", partial(trial.hear, ears))
    voice = house.voices(ai)[0]
    if (provider := _provider(voice.name)) != LOCAL_VOICE:
        known = catalogue.VOICES.get(provider)
        ask = partial(trial.speak, voice)
        yield Request(VOICE, voice.name, known, "OFFHOOK_TTS_MODEL", ask)


def _provider(name: str) -> str:
    return name.partition(".")[0]


async def _ask(request: Request) -> Finding:
    what = f"{request.part} {request.name}"
    try:
        seconds = await request.ask(_ASK_SECONDS)
    except ProviderError as failure:
        return error(
            f"{what}: {failure.cause}: {failure.detail[:200]}",
            request.where(failure.cause),
            _FIXES[failure.cause],
        )
    if seconds > _SLOW[request.part]:
        return warning(
            f"{what} took {seconds:.1f} s: callers wait so long",
            request.where(Cause.TIMEOUT),
            "Take a faster model or machine, or one that is nearer.",
        )
    return ok(f"{what} answers in {seconds:.2f} s")
