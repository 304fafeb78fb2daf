"""Anthropic's events, as minds.py reads them. Imported by those who use it only."""

from collections.abc import AsyncGenerator
from typing import Any

import anthropic
from anthropic import AsyncAnthropic, Timeout
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.anthropic.llm import AnthropicLLMService

from .catalogue import Endpoint
from .minds import (
    CONNECT_SECONDS,
    MOST_TOKENS_WITH_THOUGHTS,
    Event,
    Finish,
    ToolPart,
)
from .seams import Tokens


def anthropic_client(endpoint: Endpoint) -> AsyncAnthropic:
    return AsyncAnthropic(
        api_key=endpoint.key,
        base_url=endpoint.base_url,
        max_retries=0,
        timeout=Timeout(60, connect=CONNECT_SECONDS),
    )


class AnthropicModel(AnthropicLLMService):
    broken_transport: tuple[type[Exception], ...] = (
        anthropic.APIConnectionError,
        OSError,
    )
    broken_stream: type[Exception] = anthropic.APIError

    def __init__(self, client: AsyncAnthropic, model: str, system: str) -> None:
        self._claude = model
        # No temperature: its present models have none.
        settings = AnthropicLLMService.Settings(
            model=model,
            system_instruction=system,
            max_tokens=MOST_TOKENS_WITH_THOUGHTS,
            enable_prompt_caching=True,
        )
        super().__init__(api_key="shared", client=client, settings=settings)

    async def events(self, context: LLMContext) -> AsyncGenerator[Event, None]:
        read = cached = 0
        stream = await self._client.beta.messages.create(**await self._request(context))
        async with stream:
            async for event in stream:
                match event.type:
                    case "message_start":
                        usage = event.message.usage
                        cached = usage.cache_read_input_tokens or 0
                        written = usage.cache_creation_input_tokens or 0
                        read = usage.input_tokens + cached + written
                        yield Tokens(read, usage.output_tokens, cached)
                    case "content_block_start" if (
                        event.content_block.type == "tool_use"
                    ):
                        block = event.content_block
                        yield ToolPart(event.index, block.id, block.name, "")
                    case "content_block_delta" if event.delta.type == "text_delta":
                        yield event.delta.text
                    case "content_block_delta" if (
                        event.delta.type == "input_json_delta"
                    ):
                        yield ToolPart(event.index, "", "", event.delta.partial_json)
                    case "message_delta" if event.delta.stop_reason:
                        yield Tokens(read, event.usage.output_tokens, cached)
                        yield Finish()

    async def _request(self, context: LLMContext) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._claude,
            "max_tokens": MOST_TOKENS_WITH_THOUGHTS,
            "stream": True,
            # As pipecat asks; needed where a model thinks between tools.
            "betas": ["interleaved-thinking-2025-05-14"],
        }
        request.update(await self._get_llm_invocation_params(context))
        self._maybe_apply_thinking_default(request)
        return request
