import asyncio

import pytest

from agent.conversation import trial
from agent.conversation.errors import Cause, ProviderError
from agent.conversation.seams import Tokens, Transcript
from tests.fakes.minds import FakeMind
from tests.fakes.provider import FakeRecogniser


class FakeVoice:
    name = "fake.voice/one"
    rate = 8000

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces

    async def speak(self, text):
        for piece in self.pieces:
            yield piece


class DeafRecogniser:
    name = "fake.deaf"

    async def transcribe(self, pcm: bytes, rate: int, language: str) -> Transcript:
        await asyncio.Event().wait()
        raise AssertionError


async def test_all_three_answer():
    assert await trial.think(FakeMind([["yes"]]), 5) >= 0
    ears = FakeRecogniser()
    assert await trial.hear(ears, 5) >= 0
    assert ears.heard == [0.5]
    assert await trial.speak(FakeVoice(b"", b"ab"), 5) >= 0


async def test_a_mind_is_left_after_its_first_word():
    mind = FakeMind([[Tokens(1, 1), "yes", ProviderError(Cause.CUT, "later")]])
    assert await trial.think(mind, 5) >= 0
    assert mind.broken_off == 1


@pytest.mark.parametrize(
    ("asking", "cause"),
    [
        (lambda: trial.think(FakeMind([[Tokens(1, 0)]]), 5), Cause.NONSENSE),
        (
            lambda: trial.think(FakeMind([[ProviderError(Cause.REFUSED, "key")]]), 5),
            Cause.REFUSED,
        ),
        (lambda: trial.speak(FakeVoice(), 5), Cause.NONSENSE),
        (lambda: trial.hear(DeafRecogniser(), 0.01), Cause.TIMEOUT),
    ],
)
async def test_what_is_wrong_has_a_word(asking, cause):
    with pytest.raises(ProviderError) as failed:
        await asking()
    assert failed.value.cause is cause
