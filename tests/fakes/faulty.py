"""A provider that fails as told, request by request, over real HTTP on loopback.

It speaks what OpenAI's API has of ears, minds and voices. What it is to do next is in
`script`, whoever is asked, or in the one of `hearing`, `thinking` and `speaking` that
is asked; with nothing left there it does well.
"""

import asyncio
import io
import json
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from tests.fakes.provider import tone

ANSWER = "We are open from nine to five on weekdays."
HEARD = "what are your opening hours"
FOR_EVER = 3600.0


@dataclass(frozen=True)
class Ok:
    text: str = ANSWER


@dataclass(frozen=True)
class Heard:
    """What the caller is believed to have said."""

    text: str


@dataclass(frozen=True)
class WavFile:
    """A header in front of the samples, of so many channels."""

    channels: int = 1


@dataclass(frozen=True)
class Slow:
    """Says nothing, not even a status, for so many seconds."""

    seconds: float = FOR_EVER


@dataclass(frozen=True)
class Status:
    code: int
    message: str = "no"


@dataclass(frozen=True)
class Cut:
    """The connection breaks after so many pieces."""

    after: int


@dataclass(frozen=True)
class Unfinished:
    """The stream ends in good order after so many pieces, and nobody said why."""

    after: int


@dataclass(frozen=True)
class Stall:
    """So many pieces, and then silence."""

    after: int


@dataclass(frozen=True)
class Endless:
    """Never the same piece, and never an end."""


@dataclass(frozen=True)
class Repeated:
    """One phrase over and over."""

    phrase: str = "I am sorry, "


@dataclass(frozen=True)
class Tool:
    name: str
    arguments: str
    """As they are sent, broken or not."""


@dataclass(frozen=True)
class Tools:
    """Several, all in one piece, each of them with the same number."""

    tools: tuple[Tool, ...]


@dataclass(frozen=True)
class NotJson:
    """A page for humans, with status 200."""


@dataclass(frozen=True)
class BrokenChunk:
    """Begins well, then one piece is half a JSON."""


@dataclass(frozen=True)
class ErrorInside:
    """Begins well, then tells of an error within the stream."""

    code: int | None = None


@dataclass(frozen=True)
class Empty:
    """A success without content."""


Act = (
    Ok
    | Heard
    | WavFile
    | Slow
    | Status
    | Cut
    | Unfinished
    | Stall
    | Endless
    | Repeated
    | Tool
    | Tools
    | NotJson
    | BrokenChunk
    | ErrorInside
    | Empty
)


class _Broken(Exception):
    """Makes uvicorn drop the connection in the middle of an answer."""


@dataclass
class FaultyProvider:
    script: list[Act] = field(default_factory=list)
    hearing: list[Act] = field(default_factory=list)
    thinking: list[Act] = field(default_factory=list)
    speaking: list[Act] = field(default_factory=list)
    reply: Callable[[list[dict[str, Any]]], Act] | None = None
    """In place of `thinking`: sees the messages, as a mind does."""
    chats: list[dict[str, Any]] = field(default_factory=list)
    forms: list[dict[str, Any]] = field(default_factory=list)
    spoken: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    dropped: int = 0
    """Streams that the client did not read to their end."""

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/chat/completions")
        async def chat(request: Request) -> Response:
            self.chats.append(await request.json())
            said = self.chats[-1]["messages"]
            thinking = self.thinking if self.reply is None else [self.reply(said)]
            act = await self._next(request, thinking)
            early = _without_stream(act)
            return early or StreamingResponse(
                self._watched(_chat(act)), media_type="text/event-stream"
            )

        @app.post("/v1/audio/transcriptions")
        async def transcribe(request: Request) -> Response:
            async with request.form() as form:
                fields: dict[str, Any] = dict(form)
                fields["file"] = await fields["file"].read()
            self.forms.append(fields)
            act = await self._next(request, self.hearing)
            early = _without_stream(act)
            return early or StreamingResponse(
                self._watched(_transcript(act)), media_type="application/json"
            )

        @app.post("/v1/audio/speech")
        async def speech(request: Request) -> Response:
            self.spoken.append(await request.json())
            act = await self._next(request, self.speaking)
            early = _without_stream(act)
            return early or StreamingResponse(
                self._watched(_sound(act)), media_type="audio/pcm"
            )

        return app

    def do_well(self) -> None:
        """From now on."""
        for script in (self.script, self.hearing, self.thinking, self.speaking):
            script.clear()
        self.reply = None

    async def _next(self, request: Request, script: list[Act]) -> Act:
        self.headers.append(dict(request.headers))
        planned = script or self.script
        act = planned.pop(0) if planned else Ok()
        if isinstance(act, Slow):
            await asyncio.sleep(act.seconds)
            return Ok()
        return act

    async def _watched(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        done = False
        try:
            async for piece in pieces:
                yield piece
            done = True
        finally:
            self.dropped += not done


def _without_stream(act: Act) -> Response | None:
    match act:
        case Status():
            return JSONResponse({"error": {"message": act.message}}, act.code)
        case NotJson():
            return Response("<h1>It works!</h1>", media_type="text/html")
    return None


async def _chat(act: Act) -> AsyncIterator[bytes]:
    match act:
        case Ok():
            for word in act.text.split(" "):
                yield chunk({"content": word + " "})
            yield chunk({}, "stop")
            yield usage(12, 7)
        case Cut() | Stall() | Unfinished():
            for word in (ANSWER.split(" ") * 99)[: act.after]:
                yield chunk({"content": word + " "})
            await _break_off(act)
        case Endless():
            n = 0
            while True:
                yield chunk({"content": f"And number {n} is {n * 7919 % 1009}. "})
                n += 1
                await asyncio.sleep(0)  # or nobody else has a turn, ever
        case Repeated():
            while True:
                yield chunk({"content": act.phrase})
                await asyncio.sleep(0)
        case Tool():
            yield chunk({"tool_calls": [_tool(act, "")]})
            half = len(act.arguments) // 2
            for part in (act.arguments[:half], act.arguments[half:]):
                more = {"index": 0, "function": {"arguments": part}}
                yield chunk({"tool_calls": [more]})
            yield chunk({}, "tool_calls")
            yield usage(12, 7)
        case Tools():
            tools = [_tool(tool, tool.arguments) for tool in act.tools]
            yield chunk({"tool_calls": tools})
            yield chunk({}, "tool_calls")
        case BrokenChunk():
            yield chunk({"content": "We are "})
            yield b'data: {"id": "c", "choices": [{"del\n\n'
        case ErrorInside():
            yield chunk({"content": "We are "})
            error = {"message": "the engine died", "code": act.code}
            yield f"data: {json.dumps({'error': error})}\n\n".encode()
        case Empty():
            yield chunk({"content": ""}, "stop")
    yield b"data: [DONE]\n\n" if not isinstance(act, Unfinished) else b""


async def _transcript(act: Act) -> AsyncIterator[bytes]:
    text = {Ok: HEARD, Repeated: "thank you " * 40, Empty: ""}.get(type(act))
    if isinstance(act, Heard):
        text = act.text
    if text is not None:
        yield json.dumps({"text": text}).encode()
    elif isinstance(act, BrokenChunk):
        yield b'{"text": "what are'
    elif isinstance(act, ErrorInside):
        yield b'{"error": "the engine died"}'
    else:
        yield b'{"text": '
        await _break_off(act)


async def _sound(act: Act) -> AsyncIterator[bytes]:
    match act:
        case Ok():
            pcm = tone(0.1 * len(act.text.split()), 24000)
            # Odd pieces: a network knows nothing of samples.
            for begin in range(0, len(pcm), 3333):
                yield pcm[begin : begin + 3333]
        case Cut() | Stall():
            for _ in range(act.after):
                yield tone(0.1, 24000)
            await _break_off(act)
        case Endless() | Repeated():
            second = tone(1, 24000)
            while True:
                yield second
                await asyncio.sleep(0.001)
        case WavFile():
            file = io.BytesIO()
            with wave.open(file, "wb") as writer:
                writer.setparams((act.channels, 2, 24000, 0, "NONE", ""))
                writer.writeframes(tone(1, 24000))
            yield file.getvalue()
        case Empty():
            yield b""


async def _break_off(act: Act) -> None:
    match act:
        case Cut():
            raise _Broken
        case Stall():
            await asyncio.sleep(FOR_EVER)


def _tool(tool: Tool, arguments: str) -> dict[str, Any]:
    return {
        "index": 0,
        "id": f"call_{tool.name}",
        "type": "function",
        "function": {"name": tool.name, "arguments": arguments},
    }


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    return _event([{"index": 0, "delta": delta, "finish_reason": finish}], None)


def usage(read: int, written: int) -> bytes:
    cost = {"prompt_tokens": read, "completion_tokens": written}
    return _event([], cost | {"total_tokens": read + written})


def _event(choices: list[Any], cost: dict[str, int] | None) -> bytes:
    event = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "faulty",
        "choices": choices,
        "usage": cost,
    }
    return f"data: {json.dumps(event)}\n\n".encode()


@asynccontextmanager
async def hanging_up() -> AsyncIterator[str]:
    """A server that closes each connection as soon as it has been opened."""

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def nobody() -> AsyncIterator[str]:
    """An address where nobody listens."""
    async with hanging_up() as url:
        pass
    yield url
