import asyncio

import pytest
from pipecat.frames.frames import (
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSAudioRawFrame,
    TTSSpeakFrame,
    TTSTextFrame,
)
from pipecat.tests.utils import run_test

from agent.conversation.errors import Cause, ProviderError
from agent.conversation.phrases import Phrases
from agent.conversation.speaking import Speaking
from agent.conversation.standing import Standing
from agent.conversation.stopwatch import Stopwatch
from tests.fakes.minds import FakeVoice

FAILED = ProviderError(Cause.SERVER_ERROR, "500")


class Scene:
    def __init__(self, *voices: FakeVoice) -> None:
        self.voices = voices or (FakeVoice(),)
        self.phrases = Phrases()
        self.troubles: list[tuple[str, Cause]] = []
        self.mute = 0
        self.speaking = Speaking(
            self.voices,
            Standing(),
            self.phrases,
            "en",
            Stopwatch(),
            on_trouble=lambda _, name, error: self.troubles.append((name, error.cause)),
            on_mute=self._muted,
        )

    def _muted(self) -> None:
        self.mute += 1

    async def answer(self, *pieces: str) -> "Scene":
        await self.play(
            LLMFullResponseStartFrame(),
            *map(LLMTextFrame, pieces),
            LLMFullResponseEndFrame(),
        )
        return self

    async def play(self, *frames) -> None:
        down, _ = await run_test(self.speaking, frames_to_send=frames)
        self.sound = [f.audio for f in down if isinstance(f, TTSAudioRawFrame)]
        self.rates = {f.sample_rate for f in down if isinstance(f, TTSAudioRawFrame)}
        self.text = [f.text for f in down if isinstance(f, TTSTextFrame)]

    @property
    def spoken(self) -> list[str]:
        return [text for voice in self.voices for text in voice.spoken]


async def test_the_first_clause_does_not_wait_for_its_sentence():
    scene = await Scene().answer("We are open, ", "from nine ", "to five. ", "Bye!")
    assert scene.spoken[0] == "We are open,"
    assert " ".join(scene.spoken) == "We are open, from nine to five. Bye!"
    assert len(scene.sound) == 8


async def test_the_caller_hears_words_and_the_context_keeps_what_was_written():
    scene = await Scene().answer("That is $3.50.")
    assert scene.spoken == ["That is three dollars fifty."]
    assert scene.text == ["That is $3.50."]


async def test_what_cannot_be_said_is_not():
    scene = await Scene().answer("😀")
    assert scene.spoken == []
    assert (scene.sound, scene.mute) == ([], 0)


async def test_what_was_said_before_is_not_made_again():
    scene = Scene()
    await scene.play(TTSSpeakFrame("One moment."), TTSSpeakFrame("One moment."))
    assert scene.spoken == ["One moment."]
    assert len(b"".join(scene.sound)) == 2 * 2 * 1600


async def test_another_voice_speaks_when_one_fails():
    scene = Scene(FakeVoice("a/x", fails=FAILED), FakeVoice("b/y", rate=24000))
    await scene.answer("Hello. ", "How are you?")
    assert scene.troubles == [("a/x", Cause.SERVER_ERROR)]
    assert scene.rates == {24000}
    assert scene.voices[0].spoken == ["Hello."], "it rests"
    assert scene.mute == 0


async def test_a_line_is_said_even_when_no_voice_speaks():
    scene = Scene(FakeVoice("a/x", fails=FAILED))
    scene.phrases.keep("a/x", "One moment.", b"12" * 800)
    await scene.play(TTSSpeakFrame("One moment."), TTSSpeakFrame("Something else."))
    assert scene.sound == [b"12" * 800]
    assert scene.mute == 1


async def test_a_voice_that_makes_no_sound_has_failed():
    class Silent(FakeVoice):
        async def speak(self, text):
            return
            yield b""

    scene = Scene(Silent("a/x"), FakeVoice("b/y"))
    await scene.answer("Hello.")
    assert scene.troubles == [("a/x", Cause.NONSENSE)]
    assert scene.sound


@pytest.mark.parametrize(
    ("voice", "cause"),
    [
        (FakeVoice("a/x", delay=3600.0), Cause.TIMEOUT),
        (FakeVoice("a/x", stalls_after=1), Cause.STALLED),
    ],
)
async def test_nobody_waits_for_a_voice_for_ever(voice, cause, monkeypatch):
    monkeypatch.setattr("agent.conversation.speaking.FIRST_SOUND", 0.05)
    monkeypatch.setattr("agent.conversation.speaking.STALL", 0.05)
    scene = Scene(voice, FakeVoice("b/y"))
    await scene.answer("Hello there.")
    assert scene.troubles == [("a/x", cause)]
    assert scene.voices[1].spoken == ["Hello there."]


async def test_what_was_prepared_is_used_at_once():
    scene = Scene()
    scene.speaking.prepare("We are open,")
    await asyncio.sleep(0.01)
    assert scene.spoken == ["We are open,"]
    await scene.answer("We are open, ", "yes.")
    assert scene.spoken == ["We are open,", "yes."]
    assert len(scene.sound) == 4


async def test_what_was_prepared_for_nothing_is_forgotten():
    scene = Scene(FakeVoice(delay=3600.0))
    scene.speaking.prepare("We are open,")
    await asyncio.sleep(0)
    scene.speaking.forget()
    assert not scene.speaking._ahead
