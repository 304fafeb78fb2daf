"""Which models answer. Connections are opened once for the process and shared.

`engine` of an AI is `<provider>.<model>`; the providers are those the settings name,
each an OpenAI-compatible endpoint.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from openai import AsyncOpenAI, Timeout
from pipecat.services.openai.llm import OpenAILLMService

from agent.calls.ai import AI, AIError

from .hearing import Recogniser
from .speech import Speech, SpeechConfig
from .stopwatch import Stopwatch


@dataclass(frozen=True, slots=True)
class LlmConfig:
    base_url: str
    """Ends in /v1."""
    key: str
    model: str
    """For AIs that name none."""
    first_token_deadline: float = 5.0


@dataclass(frozen=True, slots=True)
class Engine:
    provider: str
    model: str


class _SharedClientLlm(OpenAILLMService):
    """Stock pipecat opens a client for each call: TLS set-up on the loop."""

    def __init__(self, client: AsyncOpenAI, **kwargs: Any) -> None:
        self._shared = client
        super().__init__(api_key="shared", **kwargs)

    def create_client(self, *args: Any, **kwargs: Any) -> AsyncOpenAI:
        return self._shared


class Providers:
    def __init__(
        self,
        llms: Mapping[str, LlmConfig],
        default: str,
        speech: SpeechConfig,
        recogniser: Recogniser,
    ) -> None:
        self._llms = llms
        self._default = default
        self._speech = speech
        self.recogniser = recogniser
        self._clients = {
            name: AsyncOpenAI(
                api_key=llm.key or "none",
                base_url=llm.base_url,
                timeout=Timeout(30, connect=2),
                max_retries=0,
            )
            for name, llm in llms.items()
        }
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(10, connect=2),
            limits=httpx.Limits(max_keepalive_connections=100, max_connections=1000),
        )

    async def close(self) -> None:
        await self._http.aclose()
        for client in self._clients.values():
            await client.close()

    def engine(self, ai: AI) -> Engine:
        """Where this AI thinks. An AIError lists the providers if there is no such."""
        provider, _, model = (ai.engine_model or self._default).partition(".")
        if provider not in self._llms:
            known = ", ".join(sorted(self._llms))
            raise AIError(
                f"AI {ai.name!r}: no provider {provider!r} ({ai.engine_model!r}); "
                f"there are: {known}"
            )
        return Engine(provider, model or self._llms[provider].model)

    def llm(self, ai: AI, system: str) -> OpenAILLMService:
        engine = self.engine(ai)
        return _SharedClientLlm(
            self._clients[engine.provider],
            retry_timeout_secs=self._llms[engine.provider].first_token_deadline,
            retry_on_timeout=True,
            settings=OpenAILLMService.Settings(
                model=engine.model,
                system_instruction=system,
                temperature=0.3,
                max_tokens=300,
            ),
        )

    def speech(self, ai: AI, stopwatch: Stopwatch) -> Speech:
        return Speech(self._http, self._speech, ai.voice, stopwatch)
