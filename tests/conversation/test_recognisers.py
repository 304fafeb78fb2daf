import io
import wave
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from agent.conversation.answers import shared_client
from agent.conversation.catalogue import Api, Endpoint, Patience
from agent.conversation.errors import Cause, ProviderError
from agent.conversation.recognisers import DeepgramRecogniser, OpenAIRecogniser
from tests.fakes import faulty
from tests.fakes.faulty import HEARD, FaultyProvider
from tests.fakes.provider import Running, tone

SPEECH = tone(0.5, 8000)
HURRIED = Patience(first=0.3, stall=0.2)


@asynccontextmanager
async def recogniser_at(url, kind=OpenAIRecogniser, api=Api.OPENAI):
    async with shared_client() as http:
        endpoint = Endpoint(api, f"{url}/v1", "sk-1", patience=HURRIED)
        yield kind(http, endpoint, "faulty", "ears")


@pytest.fixture
async def provider():
    provider = FaultyProvider()
    async with Running(provider.app()) as provider.url:
        yield provider


@pytest.mark.parametrize(
    ("language", "sent"), [("en", "en"), ("pt-BR", "pt"), ("auto", None)]
)
async def test_the_utterance_is_sent_as_it_was_spoken(provider, language, sent):
    async with recogniser_at(provider.url) as recogniser:
        transcript = await recogniser.transcribe(SPEECH, 8000, language)
    assert (transcript.text, transcript.language) == (HEARD, language)
    assert recogniser.name == "faulty.ears"
    (form,) = provider.forms
    assert (form["model"], form["response_format"]) == ("ears", "json")
    assert form.get("language") == sent
    with wave.open(io.BytesIO(form["file"])) as file:
        assert (file.getframerate(), file.getnchannels()) == (8000, 1)
        assert file.readframes(10**6) == SPEECH
    assert provider.headers[0]["authorization"] == "Bearer sk-1"


FAULTS = {
    "slow": (faulty.Slow(), Cause.TIMEOUT),
    "429": (faulty.Status(429), Cause.THROTTLED),
    "401": (faulty.Status(401), Cause.REFUSED),
    "402": (faulty.Status(402), Cause.NO_CREDIT),
    "413": (faulty.Status(413), Cause.BAD_REQUEST),
    "500": (faulty.Status(500), Cause.SERVER_ERROR),
    "cut": (faulty.Cut(1), Cause.CUT),
    "stall": (faulty.Stall(1), Cause.STALLED),
    "repeated": (faulty.Repeated(), Cause.NONSENSE),
    "page": (faulty.NotJson(), Cause.NONSENSE),
    "half a JSON": (faulty.BrokenChunk(), Cause.NONSENSE),
    "another JSON": (faulty.ErrorInside(), Cause.NONSENSE),
}


@pytest.mark.parametrize(("act", "cause"), FAULTS.values(), ids=FAULTS)
async def test_each_fault_has_its_word(provider, act, cause):
    provider.script = [act]
    async with recogniser_at(provider.url) as recogniser:
        with pytest.raises(ProviderError) as failed:
            await recogniser.transcribe(SPEECH, 8000, "en")
        assert failed.value.cause is cause
        assert (await recogniser.transcribe(SPEECH, 8000, "en")).text == HEARD


@pytest.mark.parametrize("server", [faulty.nobody, faulty.hanging_up])
async def test_nobody_there(server):
    async with server() as url, recogniser_at(url) as recogniser:
        with pytest.raises(ProviderError) as failed:
            await recogniser.transcribe(SPEECH, 8000, "en")
    assert failed.value.cause is Cause.UNREACHABLE


async def test_silence_is_no_fault(provider):
    provider.script = [faulty.Empty()]
    async with recogniser_at(provider.url) as recogniser:
        assert (await recogniser.transcribe(SPEECH, 8000, "en")).text == ""


class Deepgram:
    """Its prerecorded API, as its documentation shows it."""

    def __init__(self):
        self.asked = []
        self.status = 200
        self.channel = {"alternatives": [{"transcript": "Nine to five.", "words": []}]}

    def app(self):
        app = FastAPI()

        @app.post("/v1/listen")
        async def listen(request: Request):
            self.asked.append((request, await request.body()))
            results = {"metadata": {}, "results": {"channels": [self.channel]}}
            return JSONResponse(results, self.status)

        return app


@pytest.mark.parametrize(
    ("language", "sent", "heard"),
    [
        ("en-US", {"language": "en-US"}, "en-US"),
        ("auto", {"detect_language": "true"}, "de"),
    ],
)
async def test_deepgram_hears(language, sent, heard):
    deepgram = Deepgram()
    if language == "auto":
        deepgram.channel["detected_language"] = "de"
    async with (
        Running(deepgram.app()) as url,
        recogniser_at(url, DeepgramRecogniser, Api.DEEPGRAM) as recogniser,
    ):
        transcript = await recogniser.transcribe(SPEECH, 8000, language)
    assert (transcript.text, transcript.language) == ("Nine to five.", heard)
    ((request, body),) = deepgram.asked
    assert body == SPEECH
    assert request.headers["authorization"] == "Token sk-1"
    assert dict(request.query_params) == {
        "model": "ears",
        "encoding": "linear16",
        "sample_rate": "8000",
        "channels": "1",
        "smart_format": "true",
        **sent,
    }


@pytest.mark.parametrize(
    ("status", "channel", "cause"),
    [
        (429, {}, Cause.THROTTLED),
        (401, {}, Cause.REFUSED),
        (402, {}, Cause.NO_CREDIT),
        (200, {}, Cause.NONSENSE),
        (200, {"alternatives": []}, Cause.NONSENSE),
        (200, "none", Cause.NONSENSE),
        (200, {"alternatives": [{"transcript": None}]}, Cause.NONSENSE),
    ],
)
async def test_deepgram_fails(status, channel, cause):
    deepgram = Deepgram()
    deepgram.status, deepgram.channel = status, channel
    async with (
        Running(deepgram.app()) as url,
        recogniser_at(url, DeepgramRecogniser, Api.DEEPGRAM) as recogniser,
    ):
        with pytest.raises(ProviderError) as failed:
            await recogniser.transcribe(SPEECH, 8000, "en")
    assert failed.value.cause is cause
