"""A server of OpenAI's Realtime protocol, on loopback: hears when it is told to, says
what is scripted, and fails as it is told.

What we send is checked against OpenAI's own types, and so is what it says itself.
"""

import asyncio
import base64
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import websockets
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import TypeAdapter, ValidationError
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

CLIENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)
SERVER: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
WORD = 0.2
"""Seconds of sound in a word."""
BYTES = {"audio/pcmu": 8000, "audio/pcma": 8000, "audio/pcm": 48000}
"""In a second."""


@dataclass
class Answer:
    """One response. After `words` of them (None: all) comes the end."""

    text: str = ""
    words: int | None = None
    end: str = "done"
    """done, hold (until cancelled), cut (the socket breaks), garbage, forever silent
    as hold, or the code of a failure."""
    tools: tuple[tuple[str, str], ...] = ()
    usage: dict[str, Any] | None = None
    """What it took; None: the server does not say."""


class FakeRealtime:
    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.greets: list[str] = []
        """How the next connections begin: an HTTP status, "mute", "deaf" (no answers),
        an error's code; none: well."""
        self.problems: list[str] = []
        """What we sent against the protocol."""
        self.events: list[list[dict[str, Any]]] = []
        """What we sent, by connection; sound apart."""
        self.sound = bytearray()
        self.headers: list[Headers] = []
        self.paths: list[str] = []
        self.live = 0
        self._news = asyncio.Condition()
        self._socket: ServerConnection | None = None
        self._ids = count(1)
        self._answering: asyncio.Task[None] | None = None
        self.response = ""
        """The id of the one that goes on."""
        self._usage: dict[str, Any] | None = None
        self.deaf = False
        self._format = "audio/pcmu"
        self._seconds: dict[str, float] = defaultdict(float)
        """Of sound, by item."""
        self._calls: set[str] = set()

    async def __aenter__(self) -> "FakeRealtime":
        self._server = await serve(
            self._serve, "127.0.0.1", 0, process_request=self._greet, close_timeout=0.2
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()
        if self._answering is not None:
            self._answering.cancel()
            await asyncio.gather(self._answering, return_exceptions=True)
        assert not self.problems, self.problems

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/realtime"

    def sent(self, kind: str, connection: int = -1) -> list[dict[str, Any]]:
        """What this connection was sent of that type."""
        events = self.events[connection] if self.events else []
        return [event for event in events if event["type"] == kind]

    async def until(self, condition: Any) -> None:
        """Looks again whenever something came."""
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(condition)

    async def received(self, kind: str, times: int = 1) -> dict[str, Any]:
        """The last event of that type, once there are so many on this connection."""
        await self.until(lambda: len(self.sent(kind)) >= times)
        return self.sent(kind)[-1]

    async def caller_begins(self, item: str) -> None:
        await self.say(
            "input_audio_buffer.speech_started", item_id=item, audio_start_ms=0
        )
        if self._answering is not None and self.response:
            self._answering.cancel()
            await self._finish("cancelled")

    async def caller_ends(self, item: str, transcript: str) -> None:
        """The transcript comes late, as it does."""
        await self.say(
            "input_audio_buffer.speech_stopped", item_id=item, audio_end_ms=1000
        )
        await self.say(
            "input_audio_buffer.committed", item_id=item, previous_item_id=None
        )
        if not self.deaf:
            self.answer({})
        await self.say(
            "conversation.item.input_audio_transcription.completed",
            item_id=item,
            content_index=0,
            transcript=transcript,
            usage={"type": "duration", "seconds": 1.0},
        )

    async def say(self, kind: str, **fields: Any) -> None:
        event = {"type": kind, "event_id": f"event_{next(self._ids)}"} | fields
        SERVER.validate_python(event)
        await self.send(json.dumps(event))

    async def send(self, text: str) -> None:
        assert self._socket is not None
        await self._socket.send(text)

    async def sound_of(self, response: str) -> None:
        """A piece of it, however late."""
        await self.say(
            "response.output_audio.delta",
            response_id=response,
            item_id="item_late",
            output_index=0,
            content_index=0,
            delta=base64.b64encode(bytes(800)).decode(),
        )

    async def error(self, kind: str, code: str, about: str | None = None) -> None:
        error = {"type": kind, "code": code, "message": code, "event_id": about}
        await self.say("error", error=error)

    def break_off(self) -> None:
        """As when a machine dies: no goodbye."""
        assert self._socket is not None
        self._socket.transport.abort()

    def _greet(self, _: ServerConnection, request: Request) -> Response | None:
        self.headers.append(request.headers)
        self.paths.append(request.path)
        if self.greets and self.greets[0].isdigit():
            status = int(self.greets.pop(0))
            return Response(status, "no", Headers(), b"no")
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        self._socket = socket
        self.live += 1
        self.events.append([])
        self.response = ""
        self._calls.clear()
        how = self.greets.pop(0) if self.greets else ""
        self.deaf = how == "deaf"
        session = {"type": "realtime", "id": "s"}
        try:
            if how not in ("", "deaf", "mute"):
                await self.error("invalid_request_error", how)
                return
            await self.say("session.created", session=session)
            async for message in socket:
                event = self._check(message)
                if event is None:
                    continue
                if event["type"] == "session.update" and how != "mute":
                    await self.say("session.updated", session=session)
                await self._take(event)
                async with self._news:
                    self._news.notify_all()
        except websockets.ConnectionClosed:
            pass
        finally:
            self.live -= 1
            async with self._news:
                self._news.notify_all()

    def _check(self, message: str | bytes) -> dict[str, Any] | None:
        try:
            event: dict[str, Any] = json.loads(message)
            CLIENT.validate_python(event)
            if event["type"] == "input_audio_buffer.append":
                base64.b64decode(event["audio"], validate=True)
        except (ValueError, ValidationError) as error:
            self.problems.append(f"{message[:200]!r}: {error}")
            return None
        return event

    async def _take(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind == "input_audio_buffer.append":
            self.sound += base64.b64decode(event["audio"])
            return
        self.events[-1].append(event)
        if kind == "session.update":
            self._format = event["session"]["audio"]["output"]["format"]["type"]
        elif kind == "response.create" and self.response:
            await self.error(
                "invalid_request_error",
                "conversation_already_has_active_response",
                event.get("event_id"),
            )
        elif kind == "response.create" and not self.deaf:
            self.answer(event.get("response") or {})
        elif kind == "response.cancel":
            if not self.response:
                await self.error("invalid_request_error", "response_cancel_not_active")
            elif self._answering is not None:
                self._answering.cancel()
                await self._finish("cancelled")
        elif kind == "conversation.item.truncate":
            if event["audio_end_ms"] > self._seconds[event["item_id"]] * 1000:
                self.problems.append(f"cut behind its end: {event}")
        elif kind == "conversation.item.create":
            item = event["item"]
            if item["type"] == "function_call_output":
                if item["call_id"] not in self._calls:
                    self.problems.append(f"result of an unknown call: {item}")
                self._calls.discard(item["call_id"])

    def answer(self, wish: dict[str, Any]) -> None:
        said = (wish.get("instructions") or "").rpartition("\n\n")[2]
        verbatim = wish.get("input") == []
        answer = self.answers.pop(0) if self.answers else Answer("I am here.")
        if verbatim:
            answer.text = said
        self.response = f"resp_{next(self._ids)}"
        self._usage = answer.usage
        self._answering = asyncio.create_task(self._respond(answer))

    async def _respond(self, answer: Answer) -> None:
        response, item = self.response, f"item_{next(self._ids)}"
        about = {"response_id": response, "item_id": item, "output_index": 0}
        part = about | {"content_index": 0}
        try:
            await self.say(
                "response.created", response={"id": response, "status": "in_progress"}
            )
            for word in answer.text.split()[: answer.words]:
                size = int(WORD * BYTES[self._format])
                await self.say(
                    "response.output_audio_transcript.delta", delta=word + " ", **part
                )
                self._seconds[item] += WORD
                sound = base64.b64encode(bytes([len(word)]) * size).decode()
                await self.say("response.output_audio.delta", delta=sound, **part)
            await self._end(answer, part)
        except websockets.ConnectionClosed:
            pass

    async def _end(self, answer: Answer, part: dict[str, Any]) -> None:
        match answer.end:
            case "hold":
                await asyncio.Event().wait()
            case "cut":
                self.break_off()
            case "garbage":
                for text in ("{", "[]", '{"type": 7}', "\N{PILE OF POO}"):
                    await self.send(text)
            case "done":
                if answer.text:
                    await self.say(
                        "response.output_audio_transcript.done",
                        transcript=answer.text,
                        **part,
                    )
                await self._finish("completed", answer.tools)
            case code:
                error = {"type": code, "code": code}
                await self._finish("failed", details={"type": "failed", "error": error})

    async def _finish(
        self,
        status: str,
        tools: tuple[tuple[str, str], ...] = (),
        details: dict[str, Any] | None = None,
    ) -> None:
        response, self.response = self.response, ""
        output = []
        for name, arguments in tools:
            call = f"call_{next(self._ids)}"
            self._calls.add(call)
            await self.say(
                "response.function_call_arguments.done",
                response_id=response,
                item_id=f"item_of_{call}",
                output_index=1,
                call_id=call,
                name=name,
                arguments=arguments,
            )
            output.append(
                {
                    "type": "function_call",
                    "call_id": call,
                    "name": name,
                    "arguments": arguments,
                }
            )
        done = {
            "id": response,
            "status": status,
            "status_details": details,
            "output": output,
            "usage": self._usage,
        }
        await self.say("response.done", response=done)
        await self.say("rate_limits.updated", rate_limits=[{"name": "tokens"}])


@dataclass
class FakeMouth:
    """Says only what it is told that was heard."""

    rate: int = 8000
    heard: float = 0.0
    position: float = 0.0
    said: bytearray = field(default_factory=bytearray)
    finished: int = 0
    interrupted: int = 0
    paused: bool = False
    on_sound: Callable[[float], None] = lambda at: None

    def say(self, pcm: bytes) -> None:
        self.said += pcm
        self.position += len(pcm) / 2 / self.rate

    def finish(self) -> None:
        self.finished += 1

    def interrupt(self) -> None:
        self.interrupted += 1
        self.position = self.heard
        self.paused = False

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def all_is_heard(self) -> None:
        self.heard = self.position
