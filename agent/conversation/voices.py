"""Voices behind HTTP: OpenAI's speech, and ElevenLabs'.

Our own Piper process (agent/local/speech.py) speaks OpenAI's and gives the telephone's
sample rate when asked; Kokoro-FastAPI, speaches and OpenAI answer in 24 kHz.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx

from .answers import answer
from .catalogue import TELEPHONE_RATE, Patience, SpeechEndpoint
from .errors import Cause, ProviderError

LONGEST_PAUSE = 10.0
SECONDS_PER_CHARACTER = 1.0
"""Of sound, at most: "7,000,000" has nine characters and takes two seconds."""
_FILES = (b"RIFF", b"OggS", b"fLaC", b"ID3")
"""As what is no samples begins; they would be a click and the wrong speed."""
_SPOKEN_LANGUAGE = ("eleven_flash_v2_5", "eleven_turbo_v2_5")
"""Models that can be told the language; the others refuse to be."""


class OpenAIVoice:
    """Any server with `POST /audio/speech`."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        endpoint: SpeechEndpoint,
        provider: str,
        model: str,
        voice: str,
    ) -> None:
        self.name = f"{provider}.{model}/{voice}"
        self.rate = endpoint.rate
        self._http = http
        self._endpoint = endpoint
        self._model = model
        self._voice = voice

    def speak(self, text: str) -> AsyncIterator[bytes]:
        asked: dict[str, object] = {
            "model": self._model,
            "input": text,
            "voice": self._voice,
            "response_format": "pcm",
        }
        if self._endpoint.asks_rate:
            asked["sample_rate"] = self.rate
        key = self._endpoint.key
        request = self._http.build_request(
            "POST",
            f"{self._endpoint.base_url}/audio/speech",
            json=asked,
            headers={"Authorization": f"Bearer {key}"} if key else {},
        )
        longest = _longest(text, self.rate)
        return _samples(self._http, request, self._endpoint.patience, longest)


class ElevenLabsVoice:
    """`POST /v1/text-to-speech/{voice}/stream`, in the telephone's own rate."""

    rate = TELEPHONE_RATE

    def __init__(
        self,
        http: httpx.AsyncClient,
        endpoint: SpeechEndpoint,
        provider: str,
        model: str,
        voice: str,
        language: str = "",
    ) -> None:
        self.name = f"{provider}.{model}/{voice}"
        self._http = http
        self._endpoint = endpoint
        self._model = model
        self._voice = voice
        self._language = language.partition("-")[0]

    def speak(self, text: str) -> AsyncIterator[bytes]:
        asked = {"text": text, "model_id": self._model}
        if self._language and self._model in _SPOKEN_LANGUAGE:
            asked["language_code"] = self._language
        request = self._http.build_request(
            "POST",
            f"{self._endpoint.base_url}/text-to-speech/{self._voice}/stream",
            params={"output_format": f"pcm_{self.rate}"},
            json=asked,
            headers={"xi-api-key": self._endpoint.key},
        )
        longest = _longest(text, self.rate)
        return _samples(self._http, request, self._endpoint.patience, longest)


def _longest(text: str, rate: int) -> int:
    """Bytes that nobody needs for this text."""
    return int(2 * rate * (LONGEST_PAUSE + SECONDS_PER_CHARACTER * len(text)))


async def _samples(
    http: httpx.AsyncClient, request: httpx.Request, patience: Patience, longest: int
) -> AsyncIterator[bytes]:
    """Whole 16-bit samples, as they come."""
    clock = asyncio.get_running_loop()
    began = clock.time()
    async with answer(http, request, patience.first) as response:
        kind = response.headers.get("content-type", "")
        if kind.startswith(("text/", "application/json")):
            raise ProviderError(Cause.NONSENSE, f"{kind} instead of sound")
        tail, heard = b"", 0
        async with aclosing(response.aiter_bytes()) as chunks:  # type: ignore[type-var]
            while True:
                deadline = clock.time() + patience.stall
                if not heard:
                    deadline = began + patience.first
                try:
                    async with asyncio.timeout_at(
                        min(deadline, began + patience.whole)
                    ):
                        chunk = tail + await anext(chunks)
                except StopAsyncIteration:
                    break
                except TimeoutError:
                    cause = Cause.STALLED if heard else Cause.TIMEOUT
                    raise ProviderError(cause, f"{heard} bytes of sound") from None
                except httpx.TransportError as error:
                    raise ProviderError(Cause.CUT, repr(error)) from error
                if not heard and chunk.startswith(_FILES):
                    raise ProviderError(
                        Cause.NONSENSE, "a WAV or other file instead of bare samples"
                    )
                whole = len(chunk) & ~1
                tail = chunk[whole:]
                heard += whole
                if heard > longest:
                    raise ProviderError(
                        Cause.NONSENSE, f"sound without end: {heard} bytes"
                    )
                if whole:
                    yield chunk[:whole]
        if not heard:
            raise ProviderError(Cause.NONSENSE, "no sound")
