"""Gemini's events, as minds.py reads them. Imported by those who use it only."""

import json
from collections.abc import AsyncGenerator

import httpx
from google import genai
from google.genai.errors import APIError
from google.genai.types import HttpOptions
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.google.llm import GoogleLLMService

from .catalogue import Endpoint
from .minds import (
    MOST_TOKENS_WITH_THOUGHTS,
    TEMPERATURE,
    Event,
    Finish,
    ToolPart,
)
from .seams import Tokens


def gemini_client(endpoint: Endpoint, http: httpx.AsyncClient) -> genai.Client:
    options = HttpOptions(base_url=endpoint.base_url, httpx_async_client=http)
    return genai.Client(api_key=endpoint.key, http_options=options)


class GeminiModel(GoogleLLMService):
    broken_transport: tuple[type[Exception], ...] = (httpx.TransportError, OSError)
    broken_stream: type[Exception] = APIError

    def __init__(self, client: genai.Client, model: str, system: str) -> None:
        self._shared = client
        settings = GoogleLLMService.Settings(
            model=model,
            system_instruction=system,
            temperature=TEMPERATURE,
            max_tokens=MOST_TOKENS_WITH_THOUGHTS,
        )
        super().__init__(api_key="shared", settings=settings)

    def create_client(self) -> None:
        self._client = self._shared

    async def events(self, context: LLMContext) -> AsyncGenerator[Event, None]:
        tools = 0
        async for chunk in await self._stream_content(context):
            usage = chunk.usage_metadata
            if usage is not None:
                written = usage.candidates_token_count or 0
                yield Tokens(
                    (usage.prompt_token_count or 0)
                    + (usage.tool_use_prompt_token_count or 0),
                    written + (usage.thoughts_token_count or 0),
                    usage.cached_content_token_count or 0,
                )
            for candidate in (chunk.candidates or ())[:1]:
                for part in (candidate.content and candidate.content.parts) or ():
                    if part.text and not part.thought:
                        yield part.text
                    if part.function_call:
                        asked = part.function_call
                        arguments = json.dumps(asked.args or {})
                        yield ToolPart(
                            tools, asked.id or "", asked.name or "", arguments
                        )
                        tools += 1
                if candidate.finish_reason:
                    yield Finish()
