"""Whole calls. Read this first.

The agent is real but for the models it asks; the voice detector is real, the caller's
voice is a recording. Asterisk is tests/fakes/asterisk.py, which has its own tests
against the real one's traces; tests/interop/ makes the same calls with the real one.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from agent.calls.call import EndReason
from agent.calls.transcript import Speaker
from agent.media.link import SocketLost
from agent.session import LiveCalls, Session
from agent.wire.commands import Continue, Flush, Hangup, Pause
from tests.fakes.agent import Agent
from tests.fakes.asterisk import FakeAsterisk
from tests.fakes.log import written
from tests.fakes.provider import ToolCall
from tests.fakes.realtime import Answer, FakeRealtime

CALL = "1795245062.0"
DATA = Path(__file__).parent / "data"
QUESTION = (DATA / "question.ulaw").read_bytes()
SILENCE = b"\xff" * 160
COUGH = QUESTION[2400:2720]
"""40 ms of a voice."""


class Scene:
    """One call, in real time: the caller's frames go in, what he hears comes out."""

    def __init__(self, agent: Agent, asterisk: FakeAsterisk) -> None:
        self.agent = agent
        self.asterisk = asterisk
        self.session = Session(agent.call(), agent.ai, asterisk, agent.parts)
        self.silent_for = 0.0
        """Seconds since the caller last heard something."""
        self._to_say = b""

    async def __aenter__(self) -> "Scene":
        self.clock = asyncio.create_task(self._clock())
        self.running = asyncio.create_task(self.session.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.asterisk.hang_up()
        async with asyncio.timeout(5):
            await self.running
        self.clock.cancel()

    async def _clock(self) -> None:
        loop = asyncio.get_running_loop()
        tick = loop.time()
        while True:
            frame, self._to_say = self._to_say[:160] or SILENCE, self._to_say[160:]
            self.asterisk.speak(frame.ljust(160, b"\xff"))
            heard = self.asterisk.advance()
            self.silent_for = 0.0 if heard else self.silent_for + 0.02
            tick += 0.02
            await asyncio.sleep(max(0.0, tick - loop.time()))

    def say(self, speech: bytes) -> None:
        self._to_say += speech

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(8):
            while not condition():
                await asyncio.sleep(0.01)

    async def said(self, turns: int) -> list[tuple[str, str]]:
        await self.until(lambda: len(self.agent.records.turns) >= turns)
        return self.agent.records.said

    @property
    def seconds_heard(self) -> float:
        """Of words: between them there is silence."""
        heard = self.asterisk.heard
        frames = (heard[at : at + 160] for at in range(0, len(heard), 160))
        return 0.02 * sum(frame != SILENCE for frame in frames)


@pytest.fixture
def asterisk() -> FakeAsterisk:
    return FakeAsterisk()


@pytest.fixture(params=["json", "plain-text", "envelope"])
def dialect(request):
    return request.param


async def test_greets_answers_and_hangs_up(agent, asterisk, dialect):
    agent.recogniser.texts = ["What are your opening hours?"]
    agent.provider.answers = ["We are open from nine. And we close at five."]
    async with Scene(agent, asterisk) as scene:
        asterisk.start(dialect=dialect)
        assert await scene.said(1) == [("agent", "Hello there, caller.")]
        scene.say(QUESTION)
        assert (await scene.said(3))[1:] == [
            ("caller", "What are your opening hours?"),
            ("agent", "We are open from nine. And we close at five."),
        ]
        # The whole utterance was transcribed, with what came before its onset.
        assert 1.5 < agent.recogniser.heard[0] < 2.4
        asterisk.hang_up()
        await scene.running
    (end,) = agent.records.ends
    assert end.reason is EndReason.CALLER_HUNG_UP
    assert agent.records.calls[0].dialect == dialect
    assert scene.seconds_heard == pytest.approx(0.3 + 1.0, abs=0.05)
    latency = agent.records.turns[2].latency
    assert set(latency) == {"silence", "stt", "llm", "tts", "reply", "heard"}


async def test_model_is_told_who_it_is_and_what_was_said(agent, asterisk):
    agent.recogniser.texts = ["What are your opening hours?"]
    async with Scene(agent, asterisk) as scene:
        asterisk.start()
        await scene.said(1)
        scene.say(QUESTION)
        await scene.said(3)
    (chat,) = agent.provider.chats
    roles = [(m["role"], m["content"]) for m in chat["messages"]]
    assert roles[0][0] == "system"
    assert roles[0][1].endswith("You answer the phone.")
    assert roles[1:] == [
        ("assistant", "Hello there, caller."),
        ("user", "What are your opening hours?"),
    ]
    assert [t["function"]["name"] for t in chat["tools"]] == ["end_call"]


async def test_caller_interrupts_and_context_keeps_what_was_heard(agent, asterisk):
    words = [f"wo{a}{b}" for a in "bdfgkl" for b in "aeiouabeid"]
    agent.recogniser.texts = ["Tell me a story.", "Stop please.", "Stop please."]
    agent.provider.answers = [" ".join(words) + ".", "All right."]
    async with Scene(agent, asterisk) as scene:
        asterisk.start()
        await scene.said(1)
        scene.say(QUESTION)
        await scene.said(2)
        await scene.until(lambda: scene.seconds_heard > 0.3 + 1.0)
        scene.say(QUESTION)
        said = await scene.said(5)
        assert said[3:] == [("caller", "Stop please."), ("agent", "All right.")]
        heard = said[2][1].split()
    assert heard == words[: len(heard)]
    # A word lasts 0.1 s: about 1 s before the interruption and until it was noticed.
    assert 8 <= len(heard) <= 25
    assert agent.records.turns[2].interrupted
    assert Flush() in asterisk.commands
    told = agent.provider.chats[1]["messages"]
    assert told[-2] == {"role": "assistant", "content": " ".join(heard)}


async def test_a_cough_pauses_and_takes_no_word(agent, asterisk):
    agent.ai = replace(agent.ai, greeting=" ".join(["one two three four"] * 6))
    async with Scene(agent, asterisk) as scene:
        asterisk.start()
        await scene.until(lambda: scene.seconds_heard > 0.5)
        flushes = asterisk.commands.count(Flush())
        scene.say(COUGH)
        assert await scene.said(1) == [("agent", agent.ai.greeting)]
        assert not agent.records.turns[0].interrupted
        assert asterisk.commands.count(Flush()) == flushes
    if Pause() in asterisk.commands:
        assert Continue() in asterisk.commands
    assert scene.seconds_heard == pytest.approx(2.4, abs=0.1)


async def test_ai_says_goodbye_and_ends_the_call(agent, asterisk):
    agent.recogniser.texts = ["That is all, bye."]
    agent.provider.answers = [ToolCall("end_call", {"farewell": "Goodbye my friend."})]
    async with Scene(agent, asterisk) as scene:
        asterisk.start()
        await scene.said(1)
        scene.say(QUESTION)
        await scene.until(lambda: agent.records.ends)
    assert agent.records.ends[0].reason is EndReason.AGENT_HUNG_UP
    assert agent.records.said[-1] == ("agent", "Goodbye my friend.")
    assert asterisk.commands[-1] == Hangup()
    # The goodbye was heard to its end: HANGUP throws away what is queued.
    assert scene.seconds_heard == pytest.approx(0.3 + 0.3, abs=0.03)
    (use,) = agent.records.tool_uses
    assert (use.name, use.failed) == ("end_call", False)


async def test_operator_ends_the_call_in_mid_sentence(agent, asterisk):
    agent.ai = replace(agent.ai, greeting=" ".join(["word"] * 100))
    async with Scene(agent, asterisk) as scene:
        asterisk.start()
        await scene.until(lambda: scene.seconds_heard > 0.5)
        scene.session.end(EndReason.OPERATOR_HUNG_UP)
        scene.session.end(EndReason.AGENT_FAILED)
        async with asyncio.timeout(3):
            await scene.running
    assert [end.reason for end in agent.records.ends] == [EndReason.OPERATOR_HUNG_UP]
    assert Hangup() in asterisk.commands


async def test_a_call_has_a_longest_length(agent, asterisk):
    agent.ai = replace(agent.ai, max_minutes=0.02)
    async with Scene(agent, asterisk) as scene:
        asterisk.start()
        await scene.until(lambda: agent.records.ends)
    assert agent.records.ends[0].reason is EndReason.TOO_LONG


async def test_caller_vanishes_while_the_model_thinks(agent, asterisk):
    agent.provider.delay = lambda: 5.0
    agent.recogniser.texts = ["Hello?"]
    async with Scene(agent, asterisk) as scene:
        asterisk.start()
        await scene.said(1)
        scene.say(QUESTION)
        await scene.until(lambda: agent.provider.chats)
        asterisk.hang_up()
        async with asyncio.timeout(2):
            await scene.running
    assert agent.records.ends[0].reason is EndReason.CALLER_HUNG_UP
    assert len([t for t in asyncio.all_tasks() if "Pipeline" in t.get_name()]) == 0


async def test_nothing_that_begins_a_call(agent, asterisk):
    async with Scene(agent, asterisk) as scene:
        asterisk.tell("good morning")
        async with asyncio.timeout(1):
            await scene.running
    assert agent.records.calls[0].answered_at is None
    assert agent.records.ends[0].reason is EndReason.NO_MEDIA_START
    assert asterisk.over


async def test_a_codec_that_we_do_not_speak(agent, asterisk):
    async with Scene(agent, asterisk) as scene:
        asterisk.start(format="opus")
        async with asyncio.timeout(1):
            await scene.running
    assert agent.records.ends[0].reason is EndReason.UNSUPPORTED_FORMAT
    assert "opus" in agent.records.ends[0].detail
    assert asterisk.over


@pytest.mark.parametrize("codec", ["alaw", "slin", "slin16"])
async def test_other_codecs_are_heard_and_spoken(agent, asterisk, codec):
    from agent.media.audio import DECODE, ENCODE

    async with Scene(agent, asterisk) as scene:
        scene.clock.cancel()
        asterisk.start(format=codec)
        frame = ENCODE[codec](bytes(640 if codec == "slin16" else 320))
        while len(agent.records.turns) < 1:
            asterisk.speak(frame)
            asterisk.advance()
            await asyncio.sleep(0.02)
    pcm = np.frombuffer(DECODE[codec](asterisk.heard), np.int16)
    # A tone of 0.3 s: half its samples are louder than 0.7 of its height.
    loud = (np.abs(pcm.astype(int)) > 8400).sum() * 2
    seconds = loud / (16000 if codec == "slin16" else 8000)
    assert seconds == pytest.approx(0.3, abs=0.06)
    assert agent.records.turns[0].speaker is Speaker.AGENT


async def test_garbage_in_mid_call_disturbs_nobody(agent, asterisk):
    agent.recogniser.texts = ["What are your opening hours?"]
    agent.provider.answers = ["From nine to five."]
    async with Scene(agent, asterisk) as scene:
        asterisk.start()
        await scene.said(1)
        for garbage in (
            "{",
            "[" * 5000,
            '{"event":3}',
            "NEWS a:b",
            b"",
            b"\0",
            "x" * 70000,
        ):
            asterisk.tell(garbage)
        scene.say(QUESTION)
        assert (await scene.said(3))[2] == ("agent", "From nine to five.")


class Torn(FakeAsterisk):
    """Its end is none in good order."""

    @staticmethod
    def broke() -> None:
        """Told when it is over."""

    async def receive(self) -> bytes | str | None:
        message = await super().receive()
        if message is None:
            self.broke()
            raise SocketLost("it broke off")
        return message


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ([], EndReason.SOCKET_LOST),
        (["next"], EndReason.SOCKET_LOST),
        (["next", "over"], EndReason.SOCKET_LOST),
        (["over"], EndReason.CALLER_HUNG_UP),
        (["over", "next"], EndReason.CALLER_HUNG_UP),
    ],
)
@pytest.mark.parametrize("early", [False, True], ids=["after it", "before it"])
async def test_whether_a_socket_that_breaks_is_a_hang_up(
    agent, monkeypatch, told, reason, early
):
    monkeypatch.setattr("agent.session.TELLING", 0.05 if not told else 8)
    asterisk = Torn()
    live = LiveCalls(1)
    broke = asyncio.Event()

    async def tell() -> datetime:
        if not early:
            await broke.wait()
        at = datetime.now(UTC)
        for what in told:
            live.tell(CALL, line_cleared=what == "over")
        return at

    asterisk.broke = broke.set
    with written() as log:
        async with Scene(agent, asterisk) as scene:
            live.add(scene.session)
            asterisk.start()
            await scene.said(1)
            telling = asyncio.create_task(tell())
            await asyncio.sleep(0)
            asterisk.hang_up()
            await scene.running
            told_at = await telling
    (end,) = agent.records.ends
    lost = reason is EndReason.SOCKET_LOST
    assert (end.reason, end.detail) == (reason, "it broke off" if lost else "")
    assert ("[WS] the socket broke: it broke off" in log.getvalue()) is lost
    # When it broke, and not when it was known why.
    assert early or end.ended_at <= told_at


async def test_a_socket_that_dies_long_after_the_caller_has_hung_up(agent, monkeypatch):
    monkeypatch.setattr("agent.session.TELLING", 0.001)
    asterisk = Torn()
    async with Scene(agent, asterisk) as scene:
        asterisk.start()
        scene.session.told(line_cleared=True)
        await scene.said(1)
    (end,) = agent.records.ends
    assert end.reason is EndReason.SOCKET_LOST


async def test_nobody_is_asked_about_the_socket_of_a_call_that_has_ended(
    agent, monkeypatch
):
    monkeypatch.setattr("agent.session.TELLING", 8)
    asterisk = Torn()
    async with Scene(agent, asterisk) as scene:
        asterisk.start()
        await scene.said(1)
        scene.session.end(EndReason.OPERATOR_HUNG_UP)
        asterisk.hang_up()
        async with asyncio.timeout(4):
            await scene.running
    (end,) = agent.records.ends
    assert end.reason is EndReason.OPERATOR_HUNG_UP


async def test_a_socket_that_breaks_before_the_call_begins(agent):
    async with Scene(agent, Torn()):
        pass
    (end,) = agent.records.ends
    assert (end.reason, end.detail) == (EndReason.NO_MEDIA_START, "it broke off")


async def test_a_flood_on_the_wire_is_not_one_in_the_log(agent, asterisk):
    with written() as log:
        async with Scene(agent, asterisk) as scene:
            for _ in range(3):
                asterisk.tell(SILENCE)
            asterisk.start()
            await scene.said(1)
            for number in range(100):
                asterisk.tell('{"event":"MEDIA_XOFF"}')
                asterisk.tell('{"event":"MEDIA_XON"}')
                asterisk.tell(f'{{"event":"NEWS_{number}"}}')
                asterisk.tell('{"event":"SAME"}')
                asterisk.tell(SILENCE[:159])
    said = log.getvalue()
    assert said.count("XOFF") == 7  # the 1st, 2nd, 4th ... 64th
    assert said.count("unknown event") == 8
    assert "garbage 0; early 3; odd 100" in said


async def test_a_start_that_contradicts_itself_is_told(agent, asterisk):
    with written() as log:
        async with Scene(agent, asterisk) as scene:
            asterisk.tell(
                '{"event":"MEDIA_START","channel_id":"1.1","format":"slin",'
                '"optimal_frame_size":160,"ptime":20}'
            )
            await scene.said(1)
    assert "says slin, whose 20 ms have 320 bytes, and frames of 160" in log.getvalue()


async def test_a_model_that_fails_does_not_end_the_call(agent, asterisk):
    agent.recogniser.texts = ["First?", "Second?", "Second?"]
    agent.provider.answers = [500, "I am back."]
    async with Scene(agent, asterisk) as scene:
        asterisk.start()
        await scene.said(1)
        scene.say(QUESTION)
        await scene.said(2)
        scene.say(SILENCE * 60 + QUESTION)
        assert (await scene.said(4))[3] == ("agent", "I am back.")


async def test_a_mumbled_yes_does_not_stop_the_agent(agent, asterisk):
    agent.ai = replace(agent.ai, greeting=" ".join(["one two three four"] * 10))
    agent.recogniser.texts = ["Mm-hmm.", "Mm-hmm.", "Mm-hmm."]
    async with Scene(agent, asterisk) as scene:
        asterisk.start()
        await scene.until(lambda: scene.seconds_heard > 0.5)
        scene.say(QUESTION[:6400])
        assert await scene.said(1) == [("agent", agent.ai.greeting)]
    assert not agent.records.turns[0].interrupted
    # All of it was heard, and hardly a moment of it twice.
    assert scene.seconds_heard == pytest.approx(4.0, abs=0.15)


async def test_a_second_model_answers_when_the_first_is_throttled(agent, asterisk):
    agent.ai = replace(agent.ai, fallback_models=("fake.other",))
    agent.recogniser.texts = ["When are you open?"]
    agent.provider.answers = [429, "From nine."]
    async with Scene(agent, asterisk) as scene:
        asterisk.start()
        await scene.said(1)
        scene.say(QUESTION)
        assert (await scene.said(3))[2] == ("agent", "From nine.")
    (trouble,) = agent.records.troubles
    assert (trouble.stage, trouble.provider, trouble.cause) == (
        "llm",
        "fake.m",
        "throttled",
    )


async def test_a_human_takes_over_when_no_model_answers(agent, asterisk):
    connected = []
    agent.parts = replace(agent.parts, connect=lambda *where: connected.append(where))
    agent.ai = replace(agent.ai, human="200", greeting="")
    agent.recogniser.texts = ["Hello?"] * 4
    agent.provider.answers = [500, 500]
    async with Scene(agent, asterisk) as scene:
        asterisk.start()
        scene.say(QUESTION)
        await scene.said(1)
        await scene.until(lambda: scene.seconds_heard > 1.35)
        scene.say(SILENCE * 20 + QUESTION)
        await scene.until(lambda: agent.records.ends)
    assert connected == [("1795245062.0", "200")]
    assert agent.records.ends[0].reason is EndReason.CONNECTED
    assert agent.records.ends[0].detail == "200"


async def test_on_hold_we_are_silent_and_go_on_after_it(agent, asterisk):
    agent.ai = replace(agent.ai, greeting=" ".join(["one two three four"] * 5))
    async with Scene(agent, asterisk) as scene:
        asterisk.start()
        await scene.until(lambda: scene.seconds_heard > 0.5)
        scene.session.hold()
        heard = scene.seconds_heard
        scene.say(QUESTION)
        await asyncio.sleep(2.5)
        assert scene.seconds_heard <= heard + 0.1
        scene.session.resume()
        assert await scene.said(1) == [("agent", agent.ai.greeting)]
    assert agent.recogniser.heard == [], "nobody listened"
    assert len(agent.records.turns) == 1


async def test_a_model_that_hears_and_speaks_by_itself(agent, asterisk):
    async with FakeRealtime(Answer("Hello, this is Ada.")) as server:
        agent.speaks_for_itself(server.url)
        agent.ai = replace(agent.ai, greeting="", start="Say who you are.")
        async with Scene(agent, asterisk) as scene:
            asterisk.start()
            assert await scene.said(1) == [("agent", "Hello, this is Ada.")]
            scene.say(QUESTION)
            await scene.until(lambda: len(server.sound) > 16000)
            assert QUESTION[4000:8000] in server.sound, "as it came, in \u00b5-law"
    assert server.problems == []


async def test_ears_mind_and_voice_go_on_when_it_fails(agent, asterisk):
    agent.recogniser.texts = ["When are you open?"]
    agent.provider.answers = ["From nine."]
    async with FakeRealtime() as server:
        server.greets += ["401", "401"]
        agent.speaks_for_itself(server.url)
        async with Scene(agent, asterisk) as scene:
            asterisk.start()
            await scene.until(lambda: agent.records.troubles)
            scene.say(QUESTION)
            assert (await scene.said(2))[-1] == ("agent", "From nine.")
    assert agent.records.troubles[0].cause == "refused"
