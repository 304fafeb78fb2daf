"""Models: the files of this machine, and the servers of others."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from agent.calls.ai import AI, AIError
from agent.conversation import catalogue, suitable
from agent.conversation.catalogue import (
    LOCAL_EARS,
    LOCAL_MIND,
    LOCAL_VOICE,
    Known,
)
from agent.conversation.config import ProvidersConfig
from agent.conversation.errors import Cause, ProviderError
from agent.models.errors import ModelError
from agent.models.store import Store
from agent.settings import Settings

from . import reach
from .finding import Finding, error, ok, warning
from .site import Site

if TYPE_CHECKING:  # pipecat and the clients of providers take their time to import
    from agent.conversation.providers import Providers
    from agent.conversation.seams import Transcript

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


_LOOKED_INTO = (Cause.UNREACHABLE, Cause.TIMEOUT, Cause.BAD_REQUEST, Cause.NONSENSE)


@dataclass(frozen=True, slots=True)
class Request:
    part: str
    name: str
    """`<provider>.<model>`"""
    known: Known | None
    model_variable: str
    ask: Callable[[float], Awaitable[float]]
    base_url: str = ""
    key: str = field(default="", repr=False)
    """Of a server that speaks OpenAI's API; it may be asked what it has."""

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
    config, ears = settings.whole_house, settings.whisper_name
    found: list[Finding] = []
    able: list[AI] = []
    for ai in settings.ais.by_name.values():
        try:
            suitable.check(ai, config, ears)
        except AIError:
            continue  # for which the settings are refused
        able.append(ai)
        found += _understood(settings, ai)
    if config.used(able) <= {LOCAL_MIND, LOCAL_EARS, LOCAL_VOICE}:
        return found
    return found + await _asked(config, ears, able, site.variables)


def _understood(settings: Settings, ai: AI) -> Iterator[Finding]:
    """Models of Whisper whose names end in .en know English only."""
    ears = (ai.stt or settings.providers.stt or LOCAL_EARS).partition(".")
    name = f"{LOCAL_EARS}-{ears[2]}" if ears[2] else settings.stt_model
    language = ai.hears.lower().partition("-")[0]
    if ears[0] == LOCAL_EARS and name.endswith(".en") and language != "en":
        yield error(
            f"AI {ai.name!r} hears {ai.hears}, and {name} knows English only",
            "OFFHOOK_STT_MODEL",
            "Take a model of `offhook models list` without .en, as whisper-base.",
        )


async def _asked(
    config: ProvidersConfig,
    ears: str,
    ais: Sequence[AI],
    environment: Mapping[str, str],
) -> list[Finding]:
    """Those servers that are somewhere else, each once."""
    house = (await asyncio.to_thread(_providers))(config, _Ears(ears))
    try:
        requests: dict[tuple[str, str], Request] = {}
        for ai in ais:
            for request in _requests(house, ai):
                requests.setdefault((request.part, request.name), request)
        asked = [
            _ask(_with_address(request, config), environment)
            for request in requests.values()
        ]
        return await asyncio.gather(*asked)
    finally:
        await house.close()


def _providers() -> "type[Providers]":
    from agent.conversation.providers import Providers

    return Providers


class _Ears:
    """Stands for Whisper, which is not started for this."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def transcribe(self, pcm: bytes, rate: int, language: str) -> "Transcript":
        raise NotImplementedError


def _requests(house: "Providers", ai: AI) -> Iterator[Request]:
    """Of the servers that are there already; our own are started by the agent."""
    from agent.conversation import trial

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


def _with_address(request: Request, config: ProvidersConfig) -> Request:
    there = {LANGUAGE_MODEL: config.minds, EARS: config.ears}.get(request.part)
    endpoint = (there or config.voices).get(_provider(request.name))
    if endpoint is None or endpoint.api is not catalogue.Api.OPENAI:
        return request
    return replace(request, base_url=endpoint.base_url, key=endpoint.key)


async def _ask(request: Request, environment: Mapping[str, str]) -> Finding:
    what = f"{request.part} {request.name}"
    try:
        seconds = await request.ask(_ASK_SECONDS)
    except ProviderError as failure:
        if reason := await _reason(request, failure.cause, environment):
            where = request.where(
                Cause.BAD_REQUEST if reason.model else Cause.UNREACHABLE
            )
            said = f"{what}: {failure.cause}: {reason.what}"
            return error(said, reason.variable or where, reason.fix)
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


async def _reason(
    request: Request, cause: Cause, environment: Mapping[str, str]
) -> reach.Reason | None:
    """What a look at the server itself says, where the failure leaves it open."""
    if not request.base_url or cause not in _LOOKED_INTO:
        return None
    model = "" if cause is Cause.UNREACHABLE else request.name.partition(".")[2]
    # A voice's name has the voice behind the model.
    model = model.partition("/")[0] if request.part == VOICE else model
    return await asyncio.to_thread(
        reach.why, request.base_url, environment, request.key, model
    )
