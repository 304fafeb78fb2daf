"""The mock of a language model and a voice: it says what it is told to, and when."""

import httpx
import pytest

from bench.servers.models import ANSWER, Models, answer_to
from tests.fakes.provider import Running


@pytest.fixture
async def mock():
    models = Models(first_token=0.0, first_byte=0.0)
    async with Running(models) as url, httpx.AsyncClient(base_url=url) as http:
        yield http


async def test_it_streams_its_answer(mock):
    asked = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
    answer = await mock.post("/v1/chat/completions", json=asked)
    assert answer.headers["content-type"] == "text/event-stream"
    events = answer.text.split("\n\n")
    assert '"content": "All "' in events[0]
    assert events[-2:] == ["data: [DONE]", ""]


async def test_a_word_is_half_a_second(mock):
    asked = {"input": "alpha bravo, other", "sample_rate": 8000}
    answer = await mock.post("/v1/audio/speech", json=asked)
    assert len(answer.content) == 3 * 8000


async def test_it_remembers_when_it_was_asked_once(mock):
    await mock.post("/v1/audio/speech", json={"input": "alpha"})
    (one,) = (await mock.get("/log")).json()
    assert (one["what"], one["text"]) == ("voice", "alpha")
    assert one["asked"] <= one["began"]
    assert (await mock.get("/log")).json() == []


@pytest.mark.parametrize(
    ("messages", "answer"),
    [
        ([{"role": "user", "content": "Hi"}], ANSWER),
        (
            [
                {
                    "role": "system",
                    "content": 'Be brief.\n\nYou are called "echo golf".',
                },
                {"role": "user", "content": "Hi"},
            ],
            "echo golf bravo is ready.",
        ),
        (
            [
                {"role": "system", "content": 'You are called "echo golf".'},
                {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
                {"role": "assistant", "content": "echo golf bravo is ready."},
                {"role": "user", "content": "And now?"},
            ],
            "echo golf charlie is ready.",
        ),
    ],
)
def test_an_answer_tells_whose_it_is(messages, answer):
    assert answer_to(messages) == answer
