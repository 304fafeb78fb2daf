"""A provider of models in memory: OpenAI's chat and speech over HTTP, on loopback.

What it answers is scripted, and so is how it fails.
"""

import asyncio
import json
import math
import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from agent.conversation.whisper import Transcript


def tone(seconds: float, rate: int, hertz: int = 440) -> bytes:
    samples = range(int(seconds * rate))
    return struct.pack(
        f"<{len(samples)}h",
        *(int(12000 * math.sin(2 * math.pi * hertz * n / rate)) for n in samples),
    )


@dataclass
class ToolCall:
    name: str
    arguments: dict[str, Any]


@dataclass
class FakeProvider:
    """`answers` are given in turn: text, a tool call, or an HTTP status. Who needs to
    be sure which question is answered gives `reply` instead: it sees the messages, and
    is asked again for a guess that was dropped."""

    answers: list[str | ToolCall | int] = field(default_factory=list)
    reply: Callable[[list[dict[str, Any]]], str | ToolCall | int] | None = None
    seconds_per_word: float = 0.1
    chats: list[dict[str, Any]] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    delay: Callable[[], float] = lambda: 0.0
    speech_status: int = 200

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/chat/completions")
        async def chat(request: Request) -> Response:
            self.chats.append(await request.json())
            await asyncio.sleep(self.delay())
            answer = self._answer(self.chats[-1]["messages"])
            if isinstance(answer, int):
                return JSONResponse({"error": {"message": "no"}}, status_code=answer)
            return StreamingResponse(
                self._stream(answer), media_type="text/event-stream"
            )

        @app.post("/v1/audio/speech")
        async def speech(request: Request) -> Response:
            asked = await request.json()
            if self.speech_status != 200:
                return JSONResponse({"error": "no"}, status_code=self.speech_status)
            self.spoken.append(asked["input"])
            seconds = self.seconds_per_word * len(asked["input"].split())
            return Response(tone(seconds, asked.get("sample_rate", 24000)))

        return app

    def _answer(self, messages: list[dict[str, Any]]) -> str | ToolCall | int:
        if self.reply is not None:
            return self.reply(messages)
        return self.answers.pop(0) if self.answers else "I have nothing to say."

    async def _stream(self, answer: str | ToolCall) -> AsyncIterator[str]:
        if isinstance(answer, ToolCall):
            call = {
                "index": 0,
                "id": "call_1",
                "type": "function",
                "function": {
                    "name": answer.name,
                    "arguments": json.dumps(answer.arguments),
                },
            }
            yield self._chunk({"role": "assistant", "tool_calls": [call]})
            yield self._chunk({}, "tool_calls")
        else:
            for word in answer.split(" "):
                yield self._chunk({"content": word + " "})
            yield self._chunk({}, "stop")
        yield "data: [DONE]\n\n"

    @staticmethod
    def _chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        chunk = {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": "fake",
            "choices": [choice],
        }
        return f"data: {json.dumps(chunk)}\n\n"


@dataclass
class FakeRecogniser:
    """Understands what the script says that was said."""

    texts: list[str] = field(default_factory=list)
    otherwise: str = ""
    """What was said when the script has no more."""
    name: str = "fake.ears"
    heard: list[float] = field(default_factory=list)
    """Seconds of speech that it was given."""

    async def transcribe(self, pcm: bytes, rate: int, language: str) -> Transcript:
        self.heard.append(len(pcm) / 2 / rate)
        text = self.texts.pop(0) if self.texts else self.otherwise
        return Transcript(text, language, 0.01)


class Running:
    """An ASGI app on a port of loopback."""

    def __init__(self, app: FastAPI, **options: Any) -> None:
        config = uvicorn.Config(
            app, host="127.0.0.1", port=0, log_level="error", lifespan="off", **options
        )
        self._server = uvicorn.Server(config)
        self._server.install_signal_handlers = lambda: None  # type: ignore[method-assign,attr-defined]

    async def __aenter__(self) -> str:
        self._task = asyncio.create_task(self._server.serve())
        while not self._server.started:
            await asyncio.sleep(0.005)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        await self._task
