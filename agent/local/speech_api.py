"""OpenAI's `POST /v1/audio/speech` before any voice of this machine.

Each worker makes one sentence at a time, first come, first served, so a long answer to
one caller does not hold back the first sentence to another; each is sent as soon as it
is made. `sample_rate` is our extension: the telephone asks for its own.
"""

import asyncio
import io
import wave
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import soxr
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

MODEL = "piper"
DEFAULT_VOICE = "default"
OPENAI_RATE = 24000
RATES = (8000, 16000, 22050, 24000, 44100, 48000)
LONGEST_INPUT = 4096
"""Characters, as OpenAI."""
SPEEDS = (0.25, 4.0)
MOST_WAITING = 64
"""Answers at once; more than that are many seconds behind, and nobody waits so long."""

Pcm = npt.NDArray[np.int16]


class Voice(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def rate(self) -> int: ...
    def sentences(self, text: str, speed: float) -> Iterator[Pcm]:
        """Makes a sentence at each step. Called in a worker thread."""


class SpeechRequest(BaseModel):
    input: str
    model: str = MODEL
    """Any: there is one, and clients must name something."""
    voice: str = DEFAULT_VOICE
    response_format: Literal["pcm", "wav"] = "pcm"
    speed: float = 1.0
    sample_rate: int = OPENAI_RATE


class BadRequest(Exception):
    """The client asked for what cannot be: which parameter, what is allowed."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


class _Speaking:
    """The voices and the workers that make their sentences."""

    def __init__(self, voices: Sequence[Voice], workers: int) -> None:
        self.voices = {voice.name: voice for voice in voices}
        self._default = voices[0]
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="speech")
        self.waiting = 0

    def close(self) -> None:
        self._workers.shutdown(wait=False, cancel_futures=True)

    def voice(self, name: str) -> Voice:
        if name in ("", DEFAULT_VOICE):
            return self._default
        try:
            return self.voices[name]
        except KeyError:
            known = ", ".join(sorted(self.voices))
            raise BadRequest(
                "voice", f"no voice is called {name!r}; there are: {known}"
            ) from None

    async def pcm(self, voice: Voice, request: SpeechRequest) -> AsyncIterator[bytes]:
        """Signed 16-bit little-endian, a piece for each sentence."""
        loop = asyncio.get_running_loop()
        pieces = _resampled(
            voice.sentences(request.input.strip(), request.speed),
            voice.rate,
            request.sample_rate,
        )
        self.waiting += 1
        try:
            while True:
                piece = await loop.run_in_executor(self._workers, next, pieces, None)
                if piece is None:
                    return
                yield piece
        finally:
            self.waiting -= 1


def _resampled(sentences: Iterator[Pcm], rate: int, wanted: int) -> Iterator[bytes]:
    if rate == wanted:
        yield from (_little_endian(sentence) for sentence in sentences)
        return
    # One stream for all sentences: a new one for each would click at the seams.
    resampler = soxr.ResampleStream(rate, wanted, 1, dtype="int16", quality="HQ")
    for sentence in sentences:
        yield _little_endian(resampler.resample_chunk(sentence))
    yield _little_endian(resampler.resample_chunk(np.zeros(0, np.int16), last=True))


def _little_endian(pcm: Pcm) -> bytes:
    return pcm.astype("<i2", copy=False).tobytes()


def _wav(pcm: bytes, rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(pcm)
    return file.getvalue()


def _check(request: SpeechRequest) -> None:
    if not request.input.strip():
        raise BadRequest("input", "input is empty; expected the text to speak")
    if len(request.input) > LONGEST_INPUT:
        raise BadRequest(
            "input",
            f"input has {len(request.input)} characters, at most {LONGEST_INPUT}"
            " are allowed",
        )
    if request.sample_rate not in RATES:
        raise BadRequest(
            "sample_rate",
            f"sample_rate is {request.sample_rate}, not one of"
            f" {', '.join(map(str, RATES))}",
        )
    least, most = SPEEDS
    if not least <= request.speed <= most:
        raise BadRequest("speed", f"speed is {request.speed}, not in {least}..{most}")


def _error(
    status: int, message: str, kind: str, param: str | None = None
) -> JSONResponse:
    body = {"message": message, "type": kind, "param": param, "code": None}
    return JSONResponse({"error": body}, status)


def create_app(
    voices: Sequence[Voice], workers: int, most_waiting: int = MOST_WAITING
) -> FastAPI:
    """`workers`: sentences made at once, a core each. First voice: the default."""
    speaking = _Speaking(voices, workers)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        speaking.close()

    app = FastAPI(title="Speech of this machine", lifespan=lifespan)

    @app.post("/v1/audio/speech", response_model=None)
    async def speech(request: SpeechRequest) -> Response:
        _check(request)
        voice = speaking.voice(request.voice)
        if speaking.waiting >= most_waiting:
            return _error(503, f"{most_waiting} answers are waiting", "server_busy")
        pcm = speaking.pcm(voice, request)
        if request.response_format == "pcm":
            return StreamingResponse(pcm, media_type="audio/pcm")
        whole = b"".join([piece async for piece in pcm])
        return Response(_wav(whole, request.sample_rate), media_type="audio/wav")

    @app.get("/health")
    async def health() -> Mapping[str, str]:
        return {"status": "ok"}

    @app.get("/v1/models")
    async def models() -> Mapping[str, Any]:
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "local"}
        return {"object": "list", "data": [model]}

    @app.get("/v1/voices")
    async def list_voices() -> Mapping[str, Any]:
        return {
            "object": "list",
            "data": [
                {
                    "id": voice.name,
                    "object": "voice",
                    "language": voice.language,
                    "sample_rate": voice.rate,
                }
                for voice in speaking.voices.values()
            ],
        }

    @app.exception_handler(BadRequest)
    async def bad_request(request: Request, error: BadRequest) -> Response:
        return _error(400, str(error), "invalid_request_error", error.param)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        param = ".".join(part for part in first["loc"][1:] if isinstance(part, str))
        message = f"{param or 'body'}: {first['msg']}"
        return _error(400, message, "invalid_request_error", param or None)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        return _error(error.status_code, str(error.detail), "invalid_request_error")

    return app
