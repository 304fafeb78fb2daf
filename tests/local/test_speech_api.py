import asyncio
import io
import threading
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import numpy as np
import pytest
import soxr
import uvicorn

from agent.local.process import free_port
from agent.local.speech_api import LONGEST_INPUT, Pcm, Voice, create_app

RATE = 22050


class Whistle:
    """Says a tone for each word. May be held, and keeps account of what it has said."""

    language = "en_US"
    rate = RATE

    def __init__(self, name: str = "whistle") -> None:
        self.name = name
        self.said: list[str] = []
        self.speeds: list[float] = []
        self.tickets: threading.Semaphore | None = None
        """When set, each word needs one."""
        self.at_once = self.most_at_once = 0

    def sentences(self, text: str, speed: float) -> Iterator[Pcm]:
        self.speeds.append(speed)
        for n, word in enumerate(text.split()):
            self.at_once += 1
            self.most_at_once = max(self.at_once, self.most_at_once)
            if self.tickets is not None:
                assert self.tickets.acquire(timeout=60)
            self.said.append(word)
            self.at_once -= 1
            yield tone(n)


def tone(n: int) -> Pcm:
    """The nth half second of one long tone."""
    at = (np.arange(RATE // 2) + n * (RATE // 2)) / RATE
    return (12000 * np.sin(2 * np.pi * 440 * at)).astype(np.int16)


@asynccontextmanager
async def client(*voices: Voice, **more) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(voices, **{"workers": 1, **more})
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://speech"
        ) as http,
    ):
        yield http


async def speak(http: httpx.AsyncClient, text: str, **more) -> httpx.Response:
    return await http.post("/v1/audio/speech", json={"input": text, **more})


async def until(condition) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 24000])
async def test_sentences_are_one_sound_in_the_rate_that_was_asked_for(rate):
    async with client(Whistle()) as http:
        answer = await speak(http, "one two three", sample_rate=rate)
    heard = np.frombuffer(answer.content, "<i2").astype(float)
    whole = np.concatenate([tone(n) for n in range(3)])
    expected = soxr.resample(whole, RATE, rate, quality="HQ").astype(float)
    assert answer.headers["content-type"] == "audio/pcm"
    assert len(heard) == len(expected)
    assert np.max(np.abs(heard - expected)) <= 2


async def test_the_default_rate_is_openais():
    async with client(Whistle()) as http:
        answer = await speak(http, "one two")
    assert len(answer.content) == 24000 * 2


async def test_wav_has_a_header_that_is_true():
    async with client(Whistle()) as http:
        answer = await speak(http, "one", response_format="wav", sample_rate=16000)
    with wave.open(io.BytesIO(answer.content)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (
            16000,
            1,
            8000,
        )


async def test_nothing_to_say_is_no_sound():
    class Silent(Whistle):
        def sentences(self, text: str, speed: float) -> Iterator[Pcm]:
            return iter(())

    async with client(Silent()) as http:
        answer = await speak(http, "...", sample_rate=8000)
    assert (answer.status_code, answer.content) == (200, b"")


async def test_the_speed_reaches_the_voice():
    voice = Whistle()
    async with client(voice) as http:
        await speak(http, "one", speed=1.5)
    assert voice.speeds == [1.5]


@pytest.mark.parametrize("name", [None, "", "default", "first"])
async def test_the_first_voice_is_the_default(name):
    first, second = Whistle("first"), Whistle("second")
    async with client(first, second) as http:
        named = {} if name is None else {"voice": name}
        assert (await speak(http, "hello", **named)).status_code == 200
        assert (await speak(http, "hello", voice="second")).status_code == 200
    assert (first.said, second.said) == (["hello"], ["hello"])


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"input": ""}, "input", "input is empty"),
        ({"input": " \n"}, "input", "input is empty"),
        ({}, "input", "input: Field required"),
        (
            {"input": "x" * (LONGEST_INPUT + 1)},
            "input",
            "input has 4097 characters, at most 4096",
        ),
        (
            {"input": "x", "voice": "alloy"},
            "voice",
            "no voice is called 'alloy'; there are: flute, whistle",
        ),
        (
            {"input": "x", "sample_rate": 11025},
            "sample_rate",
            "11025, not one of 8000,",
        ),
        ({"input": "x", "sample_rate": "fast"}, "sample_rate", "valid integer"),
        ({"input": "x", "speed": 0.1}, "speed", "speed is 0.1, not in 0.25..4.0"),
        ({"input": "x", "response_format": "mp3"}, "response_format", "'pcm' or 'wav'"),
        (["x"], None, "body: "),
    ],
)
async def test_a_request_that_cannot_be_is_refused_in_openais_way(body, param, words):
    async with client(Whistle(), Whistle("flute")) as http:
        answer = await http.post("/v1/audio/speech", json=body)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert words in error["message"]


async def test_what_is_no_json_is_refused_too():
    async with client(Whistle()) as http:
        answer = await http.post("/v1/audio/speech", content=b"{")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith("body: ")


async def test_an_address_that_is_not_there_answers_in_openais_way():
    async with client(Whistle()) as http:
        answer = await http.get("/v1/nope")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "Not Found"


async def test_models_and_voices_are_listed():
    async with client(Whistle(), Whistle("flute")) as http:
        voices = (await http.get("/v1/voices")).json()["data"]
        models = (await http.get("/v1/models")).json()["data"]
    assert [voice["id"] for voice in voices] == ["whistle", "flute"]
    assert voices[0]["sample_rate"] == RATE
    assert [model["id"] for model in models] == ["piper"]


async def test_health_answers_while_every_worker_is_busy():
    voice = Whistle()
    voice.tickets = threading.Semaphore(0)
    async with client(voice) as http, asyncio.TaskGroup() as group:
        group.create_task(speak(http, "one"))
        await until(lambda: voice.at_once == 1)
        assert (await http.get("/health")).json() == {"status": "ok"}
        voice.tickets.release()


async def test_a_long_answer_does_not_hold_back_the_first_sentence_of_another():
    voice = Whistle()
    voice.tickets = threading.Semaphore(0)
    async with client(voice) as http, asyncio.TaskGroup() as group:
        group.create_task(speak(http, "a1 a2 a3"))
        await until(lambda: voice.at_once == 1)
        group.create_task(speak(http, "b1 b2"))
        await asyncio.sleep(0.05)
        for heard in range(1, 6):
            voice.tickets.release()
            await until(lambda heard=heard: len(voice.said) == heard)
            # The one that was served asks for its next sentence before the next ends.
            await asyncio.sleep(0.05)
    assert voice.said == ["a1", "b1", "a2", "b2", "a3"]
    assert voice.most_at_once == 1


async def test_so_many_are_made_at_once_as_there_are_workers():
    voice = Whistle()
    voice.tickets = threading.Semaphore(0)
    async with client(voice, workers=2) as http, asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(speak(http, "one"))
        await until(lambda: voice.at_once == 2)
        voice.tickets.release(4)
    assert (len(voice.said), voice.most_at_once) == (4, 2)


async def test_too_many_waiting_are_told_so():
    voice = Whistle()
    voice.tickets = threading.Semaphore(0)
    async with client(voice, most_waiting=1) as http, asyncio.TaskGroup() as group:
        group.create_task(speak(http, "one"))
        await until(lambda: voice.at_once == 1)
        refused = await speak(http, "two")
        assert refused.status_code == 503
        assert refused.json()["error"]["message"] == "1 answers are waiting"
        voice.tickets.release()
    async with client(voice, most_waiting=1) as http:
        voice.tickets = None
        assert (await speak(http, "three")).status_code == 200
        assert (await speak(http, "four")).status_code == 200


async def test_a_caller_who_hangs_up_is_not_spoken_to_further():
    voice = Whistle()
    voice.tickets = threading.Semaphore(0)
    config = uvicorn.Config(
        create_app([voice], workers=1),
        host="127.0.0.1",
        port=free_port(),
        log_level="error",
        ws="none",
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{config.port}", trust_env=False, verify=False
    ) as http:
        async with http.stream(
            "POST", "/v1/audio/speech", json={"input": "one two three four"}
        ) as answer:
            voice.tickets.release()
            assert len(await anext(answer.aiter_raw())) > 20000
            await until(lambda: voice.at_once == 1)
        # The sentence that is being made may be made; then the line is found closed.
        voice.tickets.release(10)
        assert (await speak(http, "afterwards")).status_code == 200
    server.should_exit = True
    await serving
    assert voice.said[0] == "one"
    assert voice.said[-1] == "afterwards"
    assert "four" not in voice.said
