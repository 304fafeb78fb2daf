"""What is told of requests that succeed, fail, and are broken off."""

import asyncio
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.processors.aggregators.llm_context import LLMContext

from agent.calls.usage import Meter, Use
from agent.conversation.errors import Cause, ProviderError
from agent.conversation.metering import (
    FREE,
    MeteredMind,
    MeteredRecogniser,
    MeteredVoice,
    uses_of,
)
from agent.conversation.seams import Tokens, Transcript
from tests.fakes.minds import FakeMind, FakeVoice

UNREPORTED = Use(Meter.UNREPORTED_REQUESTS, "fake.mind", 1)
ONE_SECOND = bytes(16000)


class FakeEars:
    name = "groq.whisper-large-v3"

    def __init__(self, fails: Exception | None = None) -> None:
        self.fails = fails
        self.asked = asyncio.Event()

    async def transcribe(self, pcm: bytes, rate: int, language: str) -> Transcript:
        self.asked.set()
        if self.fails is not None:
            raise self.fails
        if language == "xx":
            await asyncio.sleep(3600)
        return Transcript("Hello.", language, 0.1)


@pytest.fixture
def uses() -> list[Use]:
    return []


async def test_the_cost_is_told_and_not_said(uses):
    mind = MeteredMind(FakeMind([["Hello", Tokens(10, 3, 4)]]), uses.append)
    assert [thought async for thought in mind.think(LLMContext())] == ["Hello"]
    assert uses == [
        Use(Meter.LLM_INPUT_TOKENS, "fake.mind", 6),
        Use(Meter.LLM_CACHED_TOKENS, "fake.mind", 4),
        Use(Meter.LLM_OUTPUT_TOKENS, "fake.mind", 3),
    ]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (["Hello", "you"], [UNREPORTED]),
        (
            [Tokens(10, 1), "Hello", "you", Tokens(10, 2)],
            [
                Use(Meter.LLM_INPUT_TOKENS, "fake.mind", 10),
                Use(Meter.LLM_OUTPUT_TOKENS, "fake.mind", 1),
            ],
        ),
    ],
)
async def test_an_answer_that_is_broken_off(script, expected, uses):
    mind = MeteredMind(FakeMind([script]), uses.append)
    async with aclosing(mind.think(LLMContext())) as thoughts:
        assert await anext(thoughts) == "Hello"
    assert uses == expected


async def test_nobody_was_asked_so_nothing_is_told(uses):
    mind = MeteredMind(FakeMind([["Hello"]]), uses.append)
    await mind.think(LLMContext()).aclose()
    assert uses == []


@pytest.mark.parametrize("cause", list(Cause))
async def test_failures_by_their_cause(cause, uses):
    error = ProviderError(cause, "why")
    mind = MeteredMind(FakeMind([[error]]), uses.append)
    voice = MeteredVoice(FakeVoice("a.b/c", fails=error), uses.append)
    ears = MeteredRecogniser(FakeEars(error), uses.append)
    for asking in (
        anext(mind.think(LLMContext())),
        anext(voice.speak("Hi.")),
        ears.transcribe(ONE_SECOND, 8000, "en"),
    ):
        with pytest.raises(ProviderError):
            await asking
    taken = [
        UNREPORTED,
        Use(Meter.TTS_CHARACTERS, "a.b", 3),
        Use(Meter.STT_SECONDS, "groq.whisper-large-v3", 1.0),
    ]
    assert uses == ([] if cause in FREE else taken)


@pytest.mark.parametrize("cause", list(Cause))
async def test_who_fails_after_a_word_takes_money(cause, uses):
    error = ProviderError(cause, "why")
    mind = MeteredMind(FakeMind([["Hello", error]]), uses.append)
    with pytest.raises(ProviderError):
        assert [thought async for thought in mind.think(LLMContext())]
    assert uses == [UNREPORTED]


def test_who_answered_at_all_takes_money_for_it():
    paid = {Cause.TIMEOUT, Cause.STALLED, Cause.CUT, Cause.NONSENSE}
    assert set(Cause) - FREE == paid


@pytest.mark.parametrize(
    ("name", "model"),
    [("a.b/c", "a.b"), ("own.org/kokoro/af_heart", "own.org/kokoro")],
)
async def test_a_voice_is_priced_without_its_id(name, model, uses):
    voice = MeteredVoice(FakeVoice(name), uses.append)
    assert [piece async for piece in voice.speak("Two words")]
    assert uses == [Use(Meter.TTS_CHARACTERS, model, 9)]
    assert (voice.name, voice.rate) == (name, 8000)


async def test_a_voice_that_is_interrupted_is_paid_for_the_whole_text(uses):
    voice = MeteredVoice(FakeVoice("a.b/c"), uses.append)
    async with aclosing(voice.speak("Two words")) as pieces:
        await anext(pieces)
    assert uses == [Use(Meter.TTS_CHARACTERS, "a.b", 9)]


@pytest.mark.parametrize(("rate", "seconds"), [(8000, 1.0), (16000, 0.5)])
async def test_ears_are_paid_by_the_second(rate, seconds, uses):
    ears = MeteredRecogniser(FakeEars(), uses.append)
    assert (await ears.transcribe(ONE_SECOND, rate, "en")).text == "Hello."
    assert uses == [Use(Meter.STT_SECONDS, ears.name, seconds)]


async def test_ears_that_nobody_waits_for_are_paid_too(uses):
    inner = FakeEars()
    ears = MeteredRecogniser(inner, uses.append)
    asking = asyncio.create_task(ears.transcribe(ONE_SECOND, 8000, "xx"))
    await inner.asked.wait()
    asking.cancel()
    await asyncio.wait([asking])
    assert uses == [Use(Meter.STT_SECONDS, ears.name, 1.0)]


_COUNT = st.integers(0, 10**6)


@given(_COUNT, _COUNT, _COUNT)
def test_every_token_is_counted_once(fresh, cached, written):
    uses = uses_of("a.b", Tokens(fresh + cached, written, cached))
    assert sum(use.amount for use in uses) == fresh + cached + written
    assert all(use.amount > 0 for use in uses)
