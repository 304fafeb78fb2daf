"""Ears behind HTTP: OpenAI's transcriptions, and Deepgram's.

One utterance, one request. The third kind of ears is whisper.py, in this process.
"""

import io
import json
import time
import wave
from typing import Any

import httpx

from .answers import answer, body
from .catalogue import Endpoint
from .errors import Cause, ProviderError
from .repetition import repeats
from .seams import Transcript


class OpenAIRecogniser:
    """Any server with `POST /audio/transcriptions`: speaches, vLLM, Groq, OpenAI."""

    def __init__(
        self, http: httpx.AsyncClient, endpoint: Endpoint, provider: str, model: str
    ) -> None:
        self.name = f"{provider}.{model}"
        self._http = http
        self._endpoint = endpoint
        self._model = model

    async def transcribe(self, pcm: bytes, rate: int, language: str) -> Transcript:
        began = time.monotonic()
        fields = {"model": self._model, "response_format": "json"}
        if language != "auto":
            fields["language"] = language.partition("-")[0].lower()
        key = self._endpoint.key
        request = self._http.build_request(
            "POST",
            f"{self._endpoint.base_url}/audio/transcriptions",
            data=fields,
            files={"file": ("utterance.wav", _wav(pcm, rate), "audio/wav")},
            headers={"Authorization": f"Bearer {key}"} if key else {},
        )
        said = await _json(self._http, request, self._endpoint)
        try:
            text = _believable(said["text"])
        except (KeyError, TypeError) as error:
            raise _not_a_transcript(said) from error
        return Transcript(text, language, time.monotonic() - began)


class DeepgramRecogniser:
    """`POST /v1/listen`, for what has been recorded."""

    def __init__(
        self, http: httpx.AsyncClient, endpoint: Endpoint, provider: str, model: str
    ) -> None:
        self.name = f"{provider}.{model}"
        self._http = http
        self._endpoint = endpoint
        self._model = model

    async def transcribe(self, pcm: bytes, rate: int, language: str) -> Transcript:
        began = time.monotonic()
        wanted = {"language": language}
        if language == "auto":
            wanted = {"detect_language": "true"}
        request = self._http.build_request(
            "POST",
            f"{self._endpoint.base_url}/listen",
            params={
                "model": self._model,
                "encoding": "linear16",
                "sample_rate": str(rate),
                "channels": "1",
                "smart_format": "true",
                **wanted,
            },
            content=pcm,
            headers={
                "Authorization": f"Token {self._endpoint.key}",
                "Content-Type": "application/octet-stream",
            },
        )
        said = await _json(self._http, request, self._endpoint)
        try:
            channel = said["results"]["channels"][0]
            text = _believable(channel["alternatives"][0]["transcript"])
            heard = str(channel.get("detected_language", language))
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise _not_a_transcript(said) from error
        return Transcript(text, heard, time.monotonic() - began)


async def _json(
    http: httpx.AsyncClient, request: httpx.Request, endpoint: Endpoint
) -> Any:
    async with answer(http, request, endpoint.patience.first) as response:
        raw = await body(response, endpoint.patience.stall)
    try:
        return json.loads(raw)
    except ValueError as error:
        raise _not_a_transcript(raw) from error


def _believable(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError(f"the text is {text!r}")
    if repeats(text):
        raise ProviderError(Cause.NONSENSE, f"one phrase over and over: {text[-100:]}")
    return text.strip()


def _not_a_transcript(said: object) -> ProviderError:
    return ProviderError(Cause.NONSENSE, f"no transcript: {said!r:.200}")


def _wav(pcm: bytes, rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(pcm)
    return file.getvalue()
