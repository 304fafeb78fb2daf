"""Minds behind pipecat's services: OpenAI's API anywhere, Anthropic, Gemini.

A service knows how its provider wants a conversation and its tools written. What comes
back we read ourselves, event by event: only so is a cut stream told from a finished
one, and a tool whose arguments are broken not silently forgotten.
"""

import asyncio
import functools
import json
import re
import uuid
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Mapping,
)
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol, cast

import openai
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, Timeout
from openai.types.chat.chat_completion_chunk import ChoiceDeltaToolCall
from pipecat.frames.frames import FunctionCallFromLLM
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.utils.http import connection_limits

from .answers import LONGEST_DETAIL, shared_client
from .catalogue import Api, Endpoint, Patience
from .errors import Cause, ProviderError, cause_of_status
from .repetition import repeats
from .seams import Thought, Tokens

TEMPERATURE = 0.3
MOST_TOKENS = 300
MOST_TOKENS_WITH_THOUGHTS = 1000
"""Where what the model thinks before it speaks is counted too."""
LONGEST_ANSWER = 4000
"""Characters, for providers that do not care how many tokens we want."""
CONNECT_SECONDS = 2.0
COST_SECONDS = 1.0
"""So long we wait for the cost after the last word."""
_REASONS = re.compile(r"^(.*/)?(o[1-9]|gpt-5)")
"""Models of OpenAI's that refuse `temperature` and `max_tokens`."""


@dataclass(frozen=True, slots=True)
class ToolPart:
    """A tool that is wanted, or more of its arguments."""

    index: int | None
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The provider says that the answer is complete."""


Event = str | ToolPart | Tokens | Finish


class Model(Protocol):
    """A service of pipecat's, taught to hand over what its provider streams."""

    broken_transport: tuple[type[Exception], ...]
    broken_stream: type[Exception]
    """An error that the provider tells of in the middle of an answer."""

    def events(self, context: LLMContext) -> AsyncGenerator[Event, None]: ...


class StreamedMind:
    """One answer at a time or several; it keeps nothing between them."""

    def __init__(self, name: str, model: Model, patience: Patience) -> None:
        self.name = name
        self._model = model
        self._patience = patience

    async def think(self, context: LLMContext) -> AsyncGenerator[Thought, None]:
        answer = _Answer(self._patience, asyncio.get_running_loop().time())
        async with aclosing(self._model.events(context)) as events:
            while (event := await self._next(events, answer)) is not None:
                if isinstance(event, Tokens):
                    # At once: whatever becomes of the answer, it costs this much.
                    yield event
                    continue
                answer.add(event)
                if isinstance(event, str) and event:
                    yield event
        answer.check()
        if answer.tools:
            yield answer.calls(context)

    async def _next(
        self, events: AsyncIterator[Event], answer: "_Answer"
    ) -> Event | None:
        """None: there will be no more of them."""
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(answer.deadline(now)):
                return await anext(events)
        except StopAsyncIteration:
            return None
        except Exception as error:  # noqa: BLE001 - whatever it stumbles over has a name
            if answer.finished:
                return None  # it only owes us the cost
            raise self._failure(error, answer) from error

    def _failure(self, error: Exception, answer: "_Answer") -> ProviderError:
        detail = f"{type(error).__name__}: {error}"[:LONGEST_DETAIL]
        if isinstance(error, TimeoutError):
            return answer.too_late()
        status = _status(error)
        if status is None and isinstance(error, self._model.broken_stream):
            status = 500
        if isinstance(error, self._model.broken_transport):
            cause = Cause.CUT if answer.begun else Cause.UNREACHABLE
        elif status is not None:
            cause = _cause(status, str(error))
        else:
            # A chunk that is no JSON, or not the JSON that it should be.
            cause = Cause.CUT if answer.begun else Cause.NONSENSE
        return ProviderError(cause, detail)


class _Answer:
    """What has come so far, and how long we wait for more."""

    def __init__(self, patience: Patience, began: float) -> None:
        self._patience = patience
        self._began = began
        self._text = ""
        self._checked = 0
        self.tools: list[ToolPart] = []
        self.finished = False

    @property
    def begun(self) -> bool:
        return bool(self._text or self.tools)

    def deadline(self, now: float) -> float:
        if self.finished:
            return now + COST_SECONDS
        if not self.begun:
            return self._began + self._patience.first
        return min(now + self._patience.stall, self._began + self._patience.whole)

    def too_late(self) -> ProviderError:
        if not self.begun:
            within = f"no word within {self._patience.first:g} s"
            return ProviderError(Cause.TIMEOUT, within)
        return ProviderError(Cause.STALLED, f"silent after {self._text[-50:]!r}")

    def add(self, event: str | ToolPart | Finish) -> None:
        match event:
            case str():
                self._text += event
                self._check_text()
            case ToolPart():
                self._add_tool(event)
            case Finish():
                self.finished = True

    def _check_text(self) -> None:
        if len(self._text) > LONGEST_ANSWER:
            raise ProviderError(Cause.NONSENSE, f"over {LONGEST_ANSWER} characters")
        # Each look costs some microseconds, and a token has three characters.
        if len(self._text) >= self._checked + 20:
            self._checked = len(self._text)
            if repeats(self._text):
                said = self._text[-100:]
                raise ProviderError(Cause.NONSENSE, f"one phrase over and over: {said}")

    def _add_tool(self, part: ToolPart) -> None:
        # Some servers number all tools of an answer 0, or none of them.
        same = [
            n
            for n, tool in enumerate(self.tools)
            if tool.index == part.index and part.id in ("", tool.id)
        ]
        if not same:
            self.tools.append(part)
            return
        begun = self.tools[same[-1]]
        arguments = begun.arguments + part.arguments
        if len(arguments) > LONGEST_ANSWER:
            raise ProviderError(
                Cause.NONSENSE, f"over {LONGEST_ANSWER} characters: {begun.name}"
            )
        name = begun.name or part.name
        self.tools[same[-1]] = ToolPart(begun.index, begun.id, name, arguments)

    def check(self) -> None:
        """That it is whole, and of some use."""
        if not self.finished:
            if not self.begun:
                # Another server's page, or its JSON: none of it is an event.
                said = "no answer of a model; is its address right, with /v1?"
                raise ProviderError(Cause.NONSENSE, said)
            raise ProviderError(Cause.CUT, f"ends with {self._text[-50:]!r}")
        if not self.tools and not self._text.strip():
            raise ProviderError(Cause.NONSENSE, "an empty answer")

    def calls(self, context: LLMContext) -> list[FunctionCallFromLLM]:
        # Some servers begin to count anew in each answer; a result goes by its number.
        taken = {
            call["id"]
            for message in context.messages
            if isinstance(message, dict)
            for call in cast(Any, message.get("tool_calls")) or ()
        }
        return [
            FunctionCallFromLLM(
                function_name=tool.name,
                tool_call_id=(
                    tool.id
                    if tool.id and tool.id not in taken
                    else f"call_{uuid.uuid4().hex}"
                ),
                arguments=_arguments(tool),
                context=context,
            )
            for tool in self.tools
        ]


def _arguments(tool: ToolPart) -> dict[str, Any]:
    try:
        arguments = json.loads(tool.arguments or "{}")
    except ValueError:
        arguments = None
    if not tool.name or not isinstance(arguments, dict):
        asked = f"{tool.name or 'a tool without a name'}({tool.arguments})"
        raise ProviderError(Cause.NONSENSE, f"broken arguments: {asked:.200}")
    return arguments


def _status(error: Exception) -> int | None:
    """HTTP's, from the answer itself or from an error in the middle of a stream."""
    for status in (getattr(error, "status_code", None), getattr(error, "code", None)):
        try:
            if status is not None and int(status) >= 400:
                return int(status)
        except ValueError:
            continue
    return None


def _cause(status: int, said: str) -> Cause:
    # Anthropic and Gemini say these with a 400.
    if "credit balance is too low" in said:
        return Cause.NO_CREDIT
    if "API_KEY_INVALID" in said or "API key not valid" in said:
        return Cause.REFUSED
    return cause_of_status(status, said)


class OpenAIModel(OpenAILLMService):
    broken_transport: tuple[type[Exception], ...] = (openai.APIConnectionError, OSError)
    broken_stream: type[Exception] = openai.APIError
    # Hardly anybody but OpenAI knows it.
    supports_developer_role = False

    def __init__(self, client: AsyncOpenAI, model: str, system: str) -> None:
        self._shared = client
        settings = OpenAILLMService.Settings(model=model, system_instruction=system)
        if _REASONS.match(model):
            settings.max_completion_tokens = MOST_TOKENS_WITH_THOUGHTS
        else:
            settings.temperature = TEMPERATURE
            settings.max_tokens = MOST_TOKENS
        super().__init__(api_key="shared", settings=settings)

    def create_client(self, *args: Any, **kwargs: Any) -> AsyncOpenAI:
        # Stock pipecat opens one for each call: TLS set-up on the loop.
        return self._shared

    async def events(self, context: LLMContext) -> AsyncGenerator[Event, None]:
        stream = await self.get_chat_completions(context)
        async with stream:
            async for chunk in stream:
                if chunk.usage:
                    details = chunk.usage.prompt_tokens_details
                    yield Tokens(
                        chunk.usage.prompt_tokens,
                        chunk.usage.completion_tokens,
                        (details and details.cached_tokens) or 0,
                    )
                for choice in (chunk.choices or ())[:1]:
                    if choice.delta and choice.delta.content:
                        yield choice.delta.content
                    for part in (choice.delta and choice.delta.tool_calls) or ():
                        yield _tool_part(part)
                    if choice.finish_reason:
                        yield Finish()


def _tool_part(part: ChoiceDeltaToolCall) -> ToolPart:
    name = part.function and part.function.name
    arguments = part.function and part.function.arguments
    return ToolPart(part.index, part.id or "", name or "", arguments or "")


def _openai_client(endpoint: Endpoint) -> AsyncOpenAI:
    kept = 100 if endpoint.keeps_connections else 0
    return AsyncOpenAI(
        # Without one the client would send OPENAI_API_KEY to whoever this is.
        api_key=endpoint.key or "none",
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=Timeout(60, connect=CONNECT_SECONDS),
        http_client=DefaultAsyncHttpxClient(
            limits=connection_limits(
                max_keepalive_connections=kept, max_connections=1000
            )
        ),
    )


class Minds:
    """The clients of all endpoints, opened once: each has a pool of connections."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._endpoints = endpoints
        self._models: dict[str, Callable[[str, str], Model]] = {}
        self._closing: list[Callable[[], Awaitable[None]]] = []
        for name, endpoint in endpoints.items():
            self._connect(name, endpoint)

    def mind(self, provider: str, model: str, system: str) -> StreamedMind:
        return StreamedMind(
            f"{provider}.{model}",
            self._models[provider](model, system),
            self._endpoints[provider].patience,
        )

    async def close(self) -> None:
        for close in self._closing:
            await close()

    def _connect(self, name: str, endpoint: Endpoint) -> None:
        client: Any
        match endpoint.api:
            # Their libraries take a second each to import: only who uses them pays.
            case Api.ANTHROPIC:
                from .anthropic_mind import AnthropicModel, anthropic_client

                client = anthropic_client(endpoint)
                self._models[name] = functools.partial(AnthropicModel, client)
                self._closing.append(client.close)
            case Api.GEMINI:
                from .gemini_mind import GeminiModel, gemini_client

                http = shared_client()
                client = gemini_client(endpoint, http)
                self._models[name] = functools.partial(GeminiModel, client)
                self._closing.append(http.aclose)
            case _:
                client = _openai_client(endpoint)
                self._models[name] = functools.partial(OpenAIModel, client)
                self._closing.append(client.close)
