"""Anthropic's and Gemini's streams, from loopback fakes of what they document."""

import json
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.adapters.llm.schemas.tools_schema import ToolsSchema
from pipecat.processors.aggregators.llm_context import LLMContext

from agent.conversation.catalogue import Api, Endpoint, Patience
from agent.conversation.errors import Cause, ProviderError
from agent.conversation.minds import Minds
from agent.conversation.seams import Tokens
from tests.fakes import faulty
from tests.fakes.provider import Running

HURRIED = Patience(first=2, stall=0.2, whole=5)


class Streaming:
    """Sends what it was given; `named` if each event has a name, as Anthropic's."""

    def __init__(self, *, named):
        self.named = named
        self.events = []
        self.refusal = None
        self.asked = []
        self.keys = []
        self.paths = []

    def app(self):
        app = FastAPI()

        @app.post("/{path:path}")
        async def think(path: str, request: Request):
            self.paths.append(path)
            self.asked.append(await request.json())
            headers = request.headers
            self.keys.append(
                headers.get("x-goog-api-key", headers.get("authorization"))
            )
            if self.refusal is not None:
                status, body = self.refusal
                return JSONResponse(body, status)
            return StreamingResponse(self._stream(), media_type="text/event-stream")

        return app

    async def _stream(self):
        for event in self.events:
            name = f"event: {event['type']}\n" if self.named else ""
            yield f"{name}data: {json.dumps(event)}\n\n"


@asynccontextmanager
async def mind_of(api, url, model):
    minds = Minds({"cloud": Endpoint(api, url, "key-1", patience=HURRIED)})
    try:
        yield minds.mind("cloud", model, "You answer the phone.")
    finally:
        await minds.close()


def asked():
    tools = ToolsSchema(
        [FunctionSchema("end_call", "Hang up", {"why": {"type": "string"}}, [])]
    )
    return LLMContext([{"role": "user", "content": "Are you open?"}], tools)


async def thoughts(mind):
    """The last word on the cost comes last; what was told before it does not count."""
    told = [thought async for thought in mind.think(asked())]
    costs = [thought for thought in told if isinstance(thought, Tokens)]
    return [thought for thought in told if thought not in costs] + costs[-1:]


# Anthropic


def claude_starts():
    usage = {"input_tokens": 12, "output_tokens": 1, "cache_read_input_tokens": 5}
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "claude",
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    return {"type": "message_start", "message": message}


def claude_block(index, block, *deltas):
    yield {"type": "content_block_start", "index": index, "content_block": block}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def claude_text(index, *texts):
    deltas = [{"type": "text_delta", "text": text} for text in texts]
    return claude_block(index, {"type": "text", "text": ""}, *deltas)


def claude_tool(index, name, *parts):
    block = {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}}
    deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
    return claude_block(index, block, *deltas)


def claude_ends(reason):
    delta = {"stop_reason": reason, "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 9}}
    yield {"type": "message_stop"}


@pytest.fixture
async def claude():
    server = Streaming(named=True)
    async with Running(server.app()) as url:
        async with mind_of(Api.ANTHROPIC, url, "claude-haiku-4-5") as server.mind:
            yield server


async def test_claude_answers(claude):
    claude.events = [
        claude_starts(),
        {"type": "ping"},
        *claude_text(0, "We are ", "open."),
        *claude_ends("end_turn"),
    ]
    assert await thoughts(claude.mind) == ["We are ", "open.", Tokens(17, 9, 5)]
    (asked,) = claude.asked
    assert (claude.paths, claude.keys) == (["v1/messages"], ["Bearer key-1"])
    assert asked["model"] == "claude-haiku-4-5"
    assert "You answer the phone." in str(asked["system"])
    assert asked["tools"][0]["name"] == "end_call"
    assert asked["thinking"] == {"type": "disabled"}


async def test_claude_wants_tools(claude):
    claude.events = [
        claude_starts(),
        *claude_text(0, "Goodbye."),
        *claude_tool(1, "mute"),
        *claude_tool(2, "end_call", '{"why": ', '"done"}'),
        *claude_ends("tool_use"),
    ]
    text, calls, _ = await thoughts(claude.mind)
    assert text == "Goodbye."
    assert [(call.function_name, call.arguments) for call in calls] == [
        ("mute", {}),
        ("end_call", {"why": "done"}),
    ]
    assert calls[0].tool_call_id == "toolu_1"


def claude_error(kind, message="no"):
    return {"type": "error", "error": {"type": kind, "message": message}}


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (429, claude_error("rate_limit_error"), Cause.THROTTLED),
        (401, claude_error("authentication_error"), Cause.REFUSED),
        (529, claude_error("overloaded_error"), Cause.SERVER_ERROR),
        (404, claude_error("not_found_error"), Cause.BAD_REQUEST),
        (
            400,
            claude_error("invalid_request_error", "Your credit balance is too low"),
            Cause.NO_CREDIT,
        ),
    ],
)
async def test_claude_refuses(claude, status, body, cause):
    claude.refusal = status, body
    with pytest.raises(ProviderError) as failed:
        await thoughts(claude.mind)
    assert failed.value.cause is cause


@pytest.mark.parametrize(
    ("events", "cause"),
    [
        ([claude_starts(), *claude_text(0, "We are ")], Cause.CUT),
        (
            [
                claude_starts(),
                *claude_text(0, "We are "),
                claude_error("overloaded_error"),
            ],
            Cause.SERVER_ERROR,
        ),
        (
            [
                claude_starts(),
                *claude_tool(0, "end_call", '{"why'),
                *claude_ends("tool_use"),
            ],
            Cause.NONSENSE,
        ),
        ([claude_starts(), *claude_ends("end_turn")], Cause.NONSENSE),
    ],
)
async def test_claude_breaks_off(claude, events, cause):
    claude.events = events
    with pytest.raises(ProviderError) as failed:
        await thoughts(claude.mind)
    assert failed.value.cause is cause


# Gemini


def gemini(*parts, finish=None, usage=None):
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    chunk = {"candidates": [candidate], "modelVersion": "gemini"}
    return chunk | ({"usageMetadata": usage} if usage else {})


COST = {"promptTokenCount": 12, "candidatesTokenCount": 6, "thoughtsTokenCount": 3}


@pytest.fixture
async def gem():
    server = Streaming(named=False)
    async with Running(server.app()) as url:
        async with mind_of(Api.GEMINI, url, "gemini-2.5-flash") as server.mind:
            yield server


async def test_gemini_answers(gem):
    gem.events = [
        gemini({"text": "let me see", "thought": True}),
        gemini({"text": "We are "}),
        gemini({"text": "open."}, finish="STOP", usage=COST),
    ]
    assert await thoughts(gem.mind) == ["We are ", "open.", Tokens(12, 9, 0)]
    (asked,) = gem.asked
    assert gem.paths == ["v1/models/gemini-2.5-flash:streamGenerateContent"]
    assert gem.keys == ["key-1"]
    assert "You answer the phone." in str(asked["systemInstruction"])
    assert "end_call" in str(asked["tools"])
    assert asked["generationConfig"]["temperature"] == 0.3
    assert asked["generationConfig"]["thinkingConfig"] == {"thinking_budget": 0}


async def test_gemini_wants_tools(gem):
    end = {"functionCall": {"name": "end_call", "args": {"why": "done"}}}
    mute = {"functionCall": {"name": "mute", "args": {}}}
    gem.events = [gemini({"text": "Goodbye."}), gemini(mute, end, finish="STOP")]
    text, calls = await thoughts(gem.mind)
    assert text == "Goodbye."
    assert [(call.function_name, call.arguments) for call in calls] == [
        ("mute", {}),
        ("end_call", {"why": "done"}),
    ]
    assert len({call.tool_call_id for call in calls}) == 2


def gemini_error(code, status, message="no"):
    return {"error": {"code": code, "status": status, "message": message}}


@pytest.mark.parametrize(
    ("code", "status", "message", "cause"),
    [
        (429, "RESOURCE_EXHAUSTED", "slow down", Cause.THROTTLED),
        (403, "PERMISSION_DENIED", "no", Cause.REFUSED),
        (400, "INVALID_ARGUMENT", "API key not valid.", Cause.REFUSED),
        (400, "INVALID_ARGUMENT", "no such tool", Cause.BAD_REQUEST),
        (503, "UNAVAILABLE", "overloaded", Cause.SERVER_ERROR),
    ],
)
async def test_gemini_refuses(gem, code, status, message, cause):
    gem.refusal = code, gemini_error(code, status, message)
    with pytest.raises(ProviderError) as failed:
        await thoughts(gem.mind)
    assert failed.value.cause is cause


@pytest.mark.parametrize(
    ("events", "cause"),
    [
        ([gemini({"text": "We are "})], Cause.CUT),
        ([gemini(finish="SAFETY")], Cause.NONSENSE),
        ([], Cause.NONSENSE),
    ],
)
async def test_gemini_breaks_off(gem, events, cause):
    gem.events = events
    with pytest.raises(ProviderError) as failed:
        await thoughts(gem.mind)
    assert failed.value.cause is cause


@pytest.mark.parametrize(
    ("api", "model"),
    [(Api.ANTHROPIC, "claude-haiku-4-5"), (Api.GEMINI, "gemini-2.5-flash")],
)
async def test_nobody_there(api, model):
    async with faulty.nobody() as url, mind_of(api, url, model) as mind:
        with pytest.raises(ProviderError) as failed:
            await thoughts(mind)
    assert failed.value.cause is Cause.UNREACHABLE
