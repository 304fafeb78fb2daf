import asyncio
from contextlib import aclosing, asynccontextmanager

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from agent.conversation.answers import shared_client
from agent.conversation.catalogue import Api, Patience, SpeechEndpoint
from agent.conversation.errors import Cause, ProviderError
from agent.conversation.voices import ElevenLabsVoice, OpenAIVoice
from tests.fakes import faulty
from tests.fakes.faulty import ANSWER, FaultyProvider
from tests.fakes.provider import Running, tone

HURRIED = Patience(first=0.3, stall=0.2)


@asynccontextmanager
async def voice_at(url, *, patience=HURRIED, **options):
    async with shared_client() as http:
        endpoint = SpeechEndpoint(
            Api.OPENAI, f"{url}/v1", "sk-1", patience=patience, **options
        )
        yield OpenAIVoice(http, endpoint, "faulty", "tts-1", "alloy")


@pytest.fixture
async def provider():
    provider = FaultyProvider()
    async with Running(provider.app()) as provider.url:
        yield provider


async def pieces(voice, text="We are open."):
    return [pcm async for pcm in voice.speak(text)]


async def test_samples_are_whole_however_they_come(provider):
    async with voice_at(provider.url) as voice:
        spoken = await pieces(voice)
    assert b"".join(spoken) == tone(0.1 * len(ANSWER.split()), 24000)
    assert all(len(pcm) % 2 == 0 for pcm in spoken)
    assert (voice.name, voice.rate) == ("faulty.tts-1/alloy", 24000)
    assert provider.headers[0]["authorization"] == "Bearer sk-1"
    assert provider.spoken == [
        {
            "model": "tts-1",
            "input": "We are open.",
            "voice": "alloy",
            "response_format": "pcm",
        }
    ]


async def test_our_own_server_is_asked_for_the_telephones_rate(provider):
    async with voice_at(provider.url, rate=8000, asks_rate=True) as voice:
        await pieces(voice)
    assert voice.rate == 8000
    assert provider.spoken[0]["sample_rate"] == 8000


FAULTS = {
    "slow": (faulty.Slow(), Cause.TIMEOUT),
    "429": (faulty.Status(429), Cause.THROTTLED),
    "401": (faulty.Status(401), Cause.REFUSED),
    "402": (faulty.Status(402), Cause.NO_CREDIT),
    "no such voice": (faulty.Status(400), Cause.BAD_REQUEST),
    "500": (faulty.Status(500), Cause.SERVER_ERROR),
    "cut": (faulty.Cut(2), Cause.CUT),
    "stall": (faulty.Stall(2), Cause.STALLED),
    "stall at once": (faulty.Stall(0), Cause.TIMEOUT),
    "endless": (faulty.Endless(), Cause.NONSENSE),
    "page": (faulty.NotJson(), Cause.NONSENSE),
    "empty": (faulty.Empty(), Cause.NONSENSE),
    "file": (faulty.WavFile(), Cause.NONSENSE),
}


@pytest.mark.parametrize(("act", "cause"), FAULTS.values(), ids=FAULTS)
async def test_each_fault_has_its_word(provider, act, cause):
    provider.script = [act]
    async with voice_at(provider.url) as voice:
        with pytest.raises(ProviderError) as failed:
            await pieces(voice)
        assert failed.value.cause is cause
        assert await pieces(voice)


@pytest.mark.parametrize("server", [faulty.nobody, faulty.hanging_up])
async def test_nobody_there(server):
    async with server() as url, voice_at(url) as voice:
        with pytest.raises(ProviderError) as failed:
            await pieces(voice)
    assert failed.value.cause is Cause.UNREACHABLE


async def test_sound_is_heard_before_it_is_all_there(provider):
    provider.script = [faulty.Stall(1)]
    async with voice_at(provider.url, patience=Patience()) as voice:
        async with aclosing(voice.speak("We are open.")) as spoken:
            assert await anext(spoken)
        async with asyncio.timeout(10):
            while not provider.dropped:
                await asyncio.sleep(0)


class ElevenLabs:
    """Its streaming API, as its documentation shows it."""

    def __init__(self):
        self.asked = []
        self.refusal = None

    def app(self):
        app = FastAPI()

        @app.post("/v1/text-to-speech/{voice}/stream")
        async def speak(voice: str, request: Request):
            self.asked.append((voice, request, await request.json()))
            if self.refusal is not None:
                status, detail = self.refusal
                return JSONResponse({"detail": detail}, status)
            return Response(tone(0.2, 8000), media_type="audio/pcm")

        return app


@asynccontextmanager
async def elevenlabs_voice(server, model):
    async with Running(server.app()) as url, shared_client() as http:
        endpoint = SpeechEndpoint(Api.ELEVENLABS, f"{url}/v1", "xi-1", patience=HURRIED)
        yield ElevenLabsVoice(http, endpoint, "elevenlabs", model, "George", "pt-BR")


@pytest.mark.parametrize(
    ("model", "language"),
    [("eleven_multilingual_v2", {}), ("eleven_flash_v2_5", {"language_code": "pt"})],
)
async def test_elevenlabs_speaks(model, language):
    server = ElevenLabs()
    async with elevenlabs_voice(server, model) as voice:
        assert b"".join(await pieces(voice, "Nine.")) == tone(0.2, 8000)
    assert (voice.name, voice.rate) == (f"elevenlabs.{model}/George", 8000)
    ((name, request, asked),) = server.asked
    assert name == "George"
    assert asked == {"text": "Nine.", "model_id": model, **language}
    assert request.headers["xi-api-key"] == "xi-1"
    assert dict(request.query_params) == {"output_format": "pcm_8000"}


@pytest.mark.parametrize(
    ("status", "detail", "cause"),
    [
        (401, {"status": "invalid_api_key"}, Cause.REFUSED),
        (401, {"status": "quota_exceeded"}, Cause.NO_CREDIT),
        (429, {"status": "too_many_concurrent_requests"}, Cause.THROTTLED),
        (404, {"status": "voice_not_found"}, Cause.BAD_REQUEST),
    ],
)
async def test_elevenlabs_fails(status, detail, cause):
    server = ElevenLabs()
    server.refusal = status, detail
    async with elevenlabs_voice(server, "eleven_flash_v2_5") as voice:
        with pytest.raises(ProviderError) as failed:
            await pieces(voice)
    assert failed.value.cause is cause
