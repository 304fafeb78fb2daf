import asyncio

from pipecat.processors.aggregators.llm_context import LLMContext

from agent.conversation.errors import Cause, ProviderError
from agent.conversation.guess import Guess
from tests import virtual_time
from tests.fakes.minds import FakeMind

ANSWER = ["We are ", "open, ", "from nine ", 0.5, "to five."]


class Scene:
    def __init__(self, *scripts) -> None:
        self.mind = FakeMind(list(scripts))
        self.context = LLMContext([{"role": "assistant", "content": "Hello."}])
        self.clauses: list[str] = []
        self.guess = Guess(
            self.context,
            lambda: self.mind,
            "en",
            self.clauses.append,
            lambda: self.clauses.append("forgotten"),
        )

    def commit(self, text: str):
        self.context.add_message({"role": "user", "content": text})
        return self.guess.take(self.mind, self.context)


async def thoughts(answer) -> list[object]:
    return [thought async for thought in answer.thoughts()]


def played(play, *scripts) -> Scene:
    async def main() -> Scene:
        scene = Scene(*scripts)
        await play(scene)
        return scene

    return virtual_time.run(main())


def test_the_answer_is_there_when_the_turn_ends():
    async def play(scene):
        scene.guess.heard("When?")
        await asyncio.sleep(1)
        began = asyncio.get_running_loop().time()
        answer = scene.commit("When?")
        assert "".join(await thoughts(answer)) == "We are open, from nine to five."
        assert asyncio.get_running_loop().time() == began

    scene = played(play, ANSWER)
    assert scene.clauses == ["We are open,"], "its first clause was spoken ahead"
    assert len(scene.mind.asked) == 1


def test_an_answer_that_is_under_way_goes_on():
    async def play(scene):
        scene.guess.heard("When?")
        await asyncio.sleep(0.1)
        answer = scene.commit("When?")
        assert "".join(await thoughts(answer)) == "We are open, from nine to five."

    assert len(played(play, ANSWER).mind.asked) == 1


def test_the_same_words_again_are_the_same_guess():
    async def play(scene):
        scene.guess.heard("When?")
        scene.guess.heard("When?")
        await asyncio.sleep(1)

    assert len(played(play, ANSWER).mind.asked) == 1


def test_who_goes_on_makes_it_worthless():
    async def play(scene):
        scene.guess.heard("When?")
        await asyncio.sleep(0.1)
        scene.guess.heard(None)
        await asyncio.sleep(1)
        assert scene.commit("When are you open?") is None

    scene = played(play, ANSWER)
    assert scene.clauses[-1] == "forgotten"
    assert scene.mind.broken_off == 1


def test_other_words_than_guessed_are_not_answered_by_it():
    async def play(scene):
        scene.guess.heard("When?")
        await asyncio.sleep(0.1)
        assert scene.commit("Where?") is None
        await asyncio.sleep(0)

    assert played(play, ANSWER).mind.broken_off == 1


def test_another_mind_has_not_guessed_it():
    async def play(scene):
        scene.guess.heard("When?")
        await asyncio.sleep(0.1)
        scene.context.add_message({"role": "user", "content": "When?"})
        assert scene.guess.take(FakeMind([]), scene.context) is None

    played(play, ANSWER)


def test_a_failure_is_told_when_it_is_wanted():
    async def play(scene):
        scene.guess.heard("When?")
        await asyncio.sleep(1)
        answer = scene.commit("When?")
        try:
            await thoughts(answer)
        except ProviderError as error:
            assert error.cause is Cause.THROTTLED
        else:
            raise AssertionError("no error")

    played(play, [ProviderError(Cause.THROTTLED, "429")])


def test_the_conversation_itself_is_not_touched():
    async def play(scene):
        scene.guess.heard("When?")
        await asyncio.sleep(1)
        assert len(scene.context.messages) == 1

    played(play, ANSWER)
