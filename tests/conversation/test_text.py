"""The written end of a conversation, as its pipeline sees it."""

import asyncio

from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    Frame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSAudioRawFrame,
    TTSStoppedFrame,
    TTSTextFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.tests.utils import run_test
from pipecat.utils.text.base_text_aggregator import TextType

from agent.conversation.text import SETTLED, Silent, TextAgent
from tests import virtual_time

DOWN = FrameDirection.DOWNSTREAM
SOUND = TTSAudioRawFrame(b"\0\0", 8000, 1)


def words(text: str) -> TTSTextFrame:
    return TTSTextFrame(text, TextType.SENTENCE)


async def test_what_is_said_is_released_at_once_and_ends_with_its_utterance():
    said: list[tuple[str, bool]] = []
    frames: list[Frame] = [SOUND, words("From nine."), SOUND, words("Until five. ")]
    down, up = await run_test(
        TextAgent(lambda text, begins: said.append((text, begins))),
        frames_to_send=[*frames, TTSStoppedFrame(), SOUND, words("Bye.")],
        expected_down_frames=None,
    )
    assert said == [("From nine.", True), ("Until five.", False), ("Bye.", True)]
    kinds = [type(frame) for frame in down]
    assert TTSAudioRawFrame not in kinds
    assert kinds.count(BotStartedSpeakingFrame) == 2
    assert BotStoppedSpeakingFrame in kinds
    assert BotStartedSpeakingFrame in [type(frame) for frame in up]


def test_it_is_settled_when_nothing_is_on_any_more():
    async def scene() -> None:
        agent = TextAgent(lambda *_: None)
        loop = asyncio.get_running_loop()
        agent.push_frame = _ignored  # type: ignore[method-assign]
        agent.broadcast_frame = _ignored  # type: ignore[method-assign,assignment]

        async def later(seconds: float, *frames: Frame) -> None:
            await asyncio.sleep(seconds)
            for frame in frames:
                await agent.process_frame(frame, DOWN)

        telling = [
            asyncio.create_task(later(1, LLMFullResponseStartFrame())),
            asyncio.create_task(later(3, SOUND, words("Hi."))),
            asyncio.create_task(later(3.1, LLMFullResponseEndFrame())),
            asyncio.create_task(later(5, TTSStoppedFrame())),
        ]
        await agent.stirs()
        assert loop.time() == 1
        await agent.settled()
        assert loop.time() == 5 + SETTLED
        await asyncio.gather(*telling)

    virtual_time.run(scene())


async def test_an_interruption_ends_what_was_on():
    agent = TextAgent(lambda *_: None)
    await run_test(
        agent, frames_to_send=[LLMFullResponseStartFrame(), SOUND, InterruptionFrame()]
    )
    assert not agent.busy


async def test_a_silent_voice_still_says_that_it_speaks():
    assert [piece async for piece in Silent().speak("Hello.")] == [b"\0\0"]


async def _ignored(*_: object, **__: object) -> None:
    pass
