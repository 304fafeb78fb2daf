from agent.calls.ai import AI, LINES
from agent.conversation.errors import Cause, ProviderError
from agent.conversation.phrases import Phrases
from agent.conversation.rehearsal import rehearse
from tests.fakes.minds import FakeVoice

DESK = AI("desk", "You answer.", greeting="Hello!", lines={"filler": "Let me see 2."})


async def test_an_ai_knows_its_lines():
    voice, phrases = FakeVoice(), Phrases()
    await rehearse(DESK, voice, phrases)
    assert len(voice.spoken) == 1 + len(LINES)
    assert phrases.get(voice.name, "Hello!")
    assert phrases.get(voice.name, "Let me see two."), "as it is said"


async def test_what_it_knows_it_does_not_learn_again():
    voice, phrases = FakeVoice(), Phrases()
    await rehearse(DESK, voice, phrases)
    voice.spoken.clear()
    await rehearse(DESK, voice, phrases)
    assert voice.spoken == []


async def test_a_voice_that_fails_is_not_asked_again_and_again():
    voice = FakeVoice(fails=ProviderError(Cause.UNREACHABLE, ""))
    await rehearse(DESK, voice, Phrases())
    assert len(voice.spoken) == 1
