"""A whole speech-to-speech conversation each, with a server on loopback."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.calls.ai import AI
from agent.calls.heard import Heard
from agent.calls.transcript import Speaker
from agent.conversation import realtime
from agent.conversation.errors import Cause, ProviderError
from agent.conversation.realtime import (
    Realtime,
    RealtimeConfig,
    Sound,
    words_heard,
)
from agent.media.audio import DECODE, Resampler
from agent.media.mouth import Mouth
from agent.wire.audio import codec
from agent.wire.dialect import Driver
from tests.fakes.realtime import WORD, Answer, FakeMouth, FakeRealtime

TOOL = {
    "type": "function",
    "function": {
        "name": "order_status",
        "description": "Where an order is.",
        "parameters": {"type": "object", "properties": {"id": {"type": "string"}}},
    },
}


class Scene:
    """One call with that server."""

    def __init__(self, server, mouth, ai, config, sound):
        self.server = server
        self.mouth = mouth
        self.turns = []
        self.troubles = []
        self.uses = []
        self.costs = []
        self.result = "it was sent on Monday"
        self.tool = asyncio.Event()
        self.tool.set()
        self.realtime = Realtime(
            ai,
            config,
            "You are Ada.",
            mouth=mouth,
            sound=sound,
            tools=[TOOL],
            use_tool=self.use,
            on_turn=self.turns.append,
            on_trouble=self.troubles.append,
            on_use=self.costs.append,
        )

    async def use(self, name, arguments):
        self.uses.append((name, arguments))
        await self.tool.wait()
        return self.result

    def said(self):
        return [
            (turn.speaker.value, turn.text, turn.interrupted) for turn in self.turns
        ]

    async def until(self, condition):
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.005)

    async def hear_all(self, turns):
        """Until so many turns are written down, the caller hearing all."""

        def done():
            self.mouth.all_is_heard()
            return len(self.turns) >= turns

        await self.until(done)


@asynccontextmanager
async def call(*answers, codec_name="ulaw", greets=(), mouth=None, ai=None, **options):
    ai = AI("a", "Be Ada.", greeting="") if ai is None else ai
    async with FakeRealtime(*answers) as server:
        server.greets += greets
        settings = {"url": server.url, "key": "secret", "deadline": 0.4} | options
        config = RealtimeConfig("openai", "gpt-realtime", **settings)
        sound = Sound(codec(codec_name), DECODE[codec_name], Resampler)
        mouth = mouth or FakeMouth(rate=sound.codec.rate)
        scene = Scene(server, mouth, ai, config, sound)
        scene.run = asyncio.create_task(scene.realtime.run())
        before = asyncio.all_tasks()
        try:
            yield scene
        finally:
            await scene.realtime.cancel()
            await asyncio.wait([scene.run], timeout=5)
            assert scene.run.done()
            ours = [
                task
                for task in asyncio.all_tasks() - before
                if "Realtime." in repr(task.get_coro())
                and "FakeRealtime" not in repr(task.get_coro())
            ]
            assert not ours
            await server.until(lambda: server.live == 0)


def texts(scene, *, heard=False):
    if heard:
        scene.mouth.all_is_heard()
    return [(turn.speaker.value, turn.text) for turn in scene.turns]


async def ask(scene, transcript="Where is it?", item="q1"):
    await scene.server.received("session.update")
    await scene.server.caller_begins(item)
    await scene.server.caller_ends(item, transcript)


async def test_it_greets():
    ai = AI("a", "Be Ada.", greeting="Hello, this is Ada.", language="de-DE")
    async with call(ai=ai, voice="marin") as scene:
        scene.realtime.answered()
        await scene.hear_all(1)
        assert scene.said() == [("agent", "Hello, this is Ada.", False)]
        session = scene.server.sent("session.update")[0]["session"]
        assert session["instructions"] == "You are Ada."
        assert session["tools"] == [{"type": "function", **TOOL["function"]}]
        hearing, saying = session["audio"]["input"], session["audio"]["output"]
        assert hearing["format"] == saying["format"] == {"type": "audio/pcmu"}
        assert hearing["transcription"]["language"] == "de"
        assert hearing["turn_detection"]["create_response"] is True
        assert saying["voice"] == "marin"
        assert scene.server.paths == ["/v1/realtime?model=gpt-realtime"]
        assert scene.server.headers[0]["Authorization"] == "Bearer secret"


async def test_it_begins_as_it_is_told_to():
    ai = AI("a", "Be Ada.", start="Ask for consent.")
    async with call(Answer("May I record this?"), ai=ai) as scene:
        scene.realtime.answered()
        await scene.hear_all(1)
        wish = scene.server.sent("response.create")[0]["response"]
        assert wish == {"instructions": "You are Ada.\n\nAsk for consent."}


async def test_the_caller_asks_and_is_answered():
    async with call(Answer("On its way.")) as scene:
        await scene.server.received("session.update")
        for _ in range(50):
            scene.realtime.hear(b"\x42" * 160)
        await scene.server.until(lambda: len(scene.server.sound) == 8000)
        assert set(scene.server.sound) == {0x42}
        await ask(scene)
        await scene.hear_all(2)
        assert sorted(scene.said()) == [
            ("agent", "On its way.", False),
            ("caller", "Where is it?", False),
        ]
        answer = next(t for t in scene.turns if t.speaker is Speaker.AGENT)
        assert {"silence", "llm", "reply"} <= set(answer.latency)
        assert not scene.server.sent("response.create")
        assert len(scene.mouth.said) == 2 * 8000 * 3 * WORD


@pytest.mark.parametrize(
    ("codec_name", "options", "format", "bytes_per_second"),
    [
        ("ulaw", {}, {"type": "audio/pcmu"}, 8000),
        ("alaw", {}, {"type": "audio/pcma"}, 8000),
        ("slin", {}, {"type": "audio/pcm", "rate": 24000}, 48000),
        ("slin16", {}, {"type": "audio/pcm", "rate": 24000}, 48000),
        ("ulaw", {"g711": False}, {"type": "audio/pcm", "rate": 24000}, 48000),
    ],
)
async def test_sound_is_converted_only_where_it_must(
    codec_name, options, format, bytes_per_second
):
    async with call(codec_name=codec_name, **options) as scene:
        update = await scene.server.received("session.update")
        assert update["session"]["audio"]["input"]["format"] == format
        sound = codec(codec_name)
        for _ in range(100):
            scene.realtime.hear(sound.silence * sound.frame_bytes())
        # A resampler keeps a moment to itself.
        await scene.server.until(
            lambda: len(scene.server.sound) >= 1.8 * bytes_per_second
        )
        assert len(scene.server.sound) <= 2 * bytes_per_second
        await scene.realtime.say("one two three")
        await scene.hear_all(1)
        assert scene.mouth.position == pytest.approx(3 * WORD, abs=0.01)


async def test_sound_from_before_the_session_is_kept_but_not_for_ever(monkeypatch):
    monkeypatch.setattr(realtime, "CONNECT_DEADLINE", 0.2)
    async with call(greets=["mute"]) as scene:
        for number in range(400):  # 8 seconds
            scene.realtime.hear(bytes([number // 2]) * 160)
        await scene.server.until(lambda: len(scene.server.events) == 2)
        await scene.server.until(lambda: len(scene.server.sound) >= 40000)
        assert len(scene.server.sound) == 40000
        assert scene.server.sound[-1] == 199
        assert [trouble.cause for trouble in scene.troubles] == [Cause.TIMEOUT]


@pytest.mark.parametrize(
    ("heard", "milliseconds", "words"),
    [
        (0.0, 0, ""),
        (0.19, 190, ""),
        (0.5, 500, "aaaa bbbb"),
        (1.0, 1000, "aaaa bbbb cccc dddd eeee"),
    ],
)
async def test_barge_in_cuts_at_the_heard_millisecond(heard, milliseconds, words):
    answer = Answer("aaaa bbbb cccc dddd eeee ffff gggg hhhh", words=6, end="hold")
    async with call(answer, Answer("Yes?")) as scene:
        await ask(scene)
        await scene.until(lambda: scene.mouth.position > 6 * WORD - 0.01)
        scene.mouth.heard = heard
        await scene.server.caller_begins("q2")
        cut = await scene.server.received("conversation.item.truncate")
        assert cut["audio_end_ms"] == milliseconds
        assert scene.mouth.interrupted
        assert scene.mouth.position == heard
        agent = [text for speaker, text, cut in scene.said() if speaker == "agent"]
        assert agent == ([words] if words else [])
        await scene.server.caller_ends("q2", "Stop.")
        await scene.until(lambda: scene.mouth.position > heard)
        await scene.until(lambda: ("agent", "Yes?") in texts(scene, heard=True))
        assert not scene.troubles


async def test_what_was_heard_to_its_end_is_not_cut(monkeypatch):
    monkeypatch.setattr(realtime, "POLL", 60)  # the end of it went unnoticed
    async with call(Answer("All of it."), Answer("Yes?")) as scene:
        await ask(scene)
        await scene.until(lambda: scene.mouth.finished)
        scene.mouth.all_is_heard()
        await ask(scene, "And?", "q2")
        await scene.until(lambda: scene.mouth.finished == 2)
        assert ("agent", "All of it.", False) in scene.said()
        scene.realtime.tell("One more thing.")  # behind what would be a cut
        await scene.server.received("response.create")
        assert not scene.server.sent("conversation.item.truncate")


async def test_nothing_is_said_over_the_caller():
    async with call(Answer("On its way.")) as scene:
        await scene.server.received("session.update")
        await scene.server.caller_begins("q1")
        await scene.until(lambda: scene.mouth.interrupted)
        await scene.realtime.say("Are you there?")
        await scene.server.caller_ends("q1", "Where is it?")
        await scene.hear_all(3)
        assert [text for speaker, text, _ in scene.said() if speaker == "agent"] == [
            "On its way.",
            "Are you there?",
        ]
        assert len(scene.server.sent("response.create")) == 1


async def test_what_begins_over_the_caller_is_said_later():
    async with call(Answer(), Answer("On its way."), greets=["deaf"]) as scene:
        await scene.server.received("session.update")
        await scene.realtime.say("Are you there?")
        wish = (await scene.server.received("response.create"))["response"]
        await scene.server.caller_begins("q1")
        scene.server.answer(wish)
        await scene.server.received("response.cancel")
        scene.server.deaf = False
        await scene.server.caller_ends("q1", "Where is it?")
        await scene.until(lambda: scene.mouth.position > 6 * WORD - 0.01)
        await scene.hear_all(3)
        agent = [text for speaker, text, _ in scene.said() if speaker == "agent"]
        assert agent == ["On its way.", "Are you there?"]


async def test_a_cough_is_nothing_to_the_server():
    async with call(Answer("aaaa bbbb cccc")) as scene:
        await ask(scene)
        await scene.until(lambda: scene.mouth.position > 3 * WORD - 0.01)
        scene.realtime.heard(Heard.ONSET)
        scene.realtime.heard(Heard.FALSE_ALARM)
        assert not scene.mouth.paused
        await scene.hear_all(2)
        assert ("agent", "aaaa bbbb cccc", False) in scene.said()


async def test_on_hold_nothing_is_heard_or_said():
    answers = Answer("aaaa bbbb cccc", words=2, end="hold"), Answer("Welcome back.")
    async with call(*answers) as scene:
        await ask(scene)
        await scene.until(lambda: scene.mouth.position > 2 * WORD - 0.01)
        scene.mouth.heard = WORD
        scene.realtime.hold()
        await scene.server.received("response.cancel")
        for _ in range(50):
            scene.realtime.hear(bytes(160))
        scene.realtime.tell("The caller is back.")
        await scene.server.received("conversation.item.create")
        assert not scene.server.sound
        assert not scene.server.sent("response.create")
        scene.realtime.resume()
        await scene.server.received("response.create")
        await scene.until(
            lambda: ("agent", "Welcome back.") in texts(scene, heard=True)
        )
        assert ("agent", "aaaa", True) in scene.said()


async def test_the_model_is_told_of_keys():
    async with call(Answer("Thank you.")) as scene:
        await scene.server.received("session.update")
        for key in "1234#":
            scene.realtime.key(key)
        await scene.hear_all(1)
        item = scene.server.sent("conversation.item.create")[0]["item"]
        assert item["role"] == "system"
        assert item["content"][0]["text"] == ("The caller has pressed the keys 1234#")
        assert len(scene.server.sent("conversation.item.create")) == 1


async def test_a_session_can_stop_it():
    async with call(Answer("aaaa bbbb cccc", words=2, end="hold")) as scene:
        await ask(scene)
        await scene.until(lambda: scene.mouth.position > 2 * WORD - 0.01)
        scene.realtime.interrupt()
        cut = await scene.server.received("conversation.item.truncate")
        await scene.server.received("response.cancel")
        assert cut["audio_end_ms"] == 0
        assert not scene.troubles


async def test_sound_that_was_under_way_when_it_was_stopped_is_not_heard():
    async with call(Answer("aaaa bbbb cccc", words=2, end="hold")) as scene:
        await ask(scene)
        await scene.until(lambda: scene.mouth.position > 2 * WORD - 0.01)
        said = len(scene.mouth.said)
        scene.realtime.interrupt()
        await scene.server.sound_of(scene.server.response)
        await scene.server.received("response.cancel")
        await scene.server.sound_of("resp_of_yore")
        await scene.realtime.say("Hello?")
        await scene.until(lambda: ("agent", "Hello?") in texts(scene, heard=True))
        assert len(scene.mouth.said) == said + 2 * 8000 * WORD


async def test_our_gate_alone_stops_nothing(monkeypatch):
    monkeypatch.setattr(realtime, "CONFIRM", 0.01)
    async with call(Answer("aaaa bbbb cccc")) as scene:
        await ask(scene)
        await scene.until(lambda: scene.mouth.position > 3 * WORD - 0.01)
        scene.realtime.heard(Heard.ONSET)
        assert scene.mouth.paused
        scene.realtime.heard(Heard.SPEECH)
        assert scene.mouth.paused
        await scene.until(lambda: not scene.mouth.paused)
        await scene.hear_all(2)
        assert ("agent", "aaaa bbbb cccc", False) in scene.said()


async def test_a_tool_is_used_and_its_result_spoken_of():
    arguments = json.dumps({"id": "17"})
    answers = (
        Answer("Let me see.", tools=(("order_status", arguments),)),
        Answer("Sent."),
    )
    async with call(*answers) as scene:
        await ask(scene)
        item = (await scene.server.received("conversation.item.create"))["item"]
        assert item["output"] == "it was sent on Monday"
        await scene.hear_all(3)
        assert scene.uses == [("order_status", arguments)]
        assert ("agent", "Sent.", False) in scene.said()
        assert len(scene.server.sent("response.create")) == 1


async def test_words_without_sound_were_not_said():
    async with call(Answer(end="hold"), Answer("Hello.")) as scene:
        await ask(scene)
        await scene.until(lambda: scene.server.response)
        await scene.server.say(
            "response.output_audio_transcript.delta",
            response_id=scene.server.response,
            item_id="item_mute",
            output_index=0,
            content_index=0,
            delta="Nobody hears this.",
        )
        await ask(scene, "Hm?", "q2")
        await scene.hear_all(3)
        assert not [text for _, text in texts(scene) if "Nobody" in text]


@pytest.mark.parametrize("known", [True, False])
async def test_a_tool_that_outlives_its_server_is_told_to_the_next(known):
    """Whether its result comes before the next server is there or after."""
    async with call(Answer(tools=(("order_status", "{}"),)), Answer("Sent.")) as scene:
        scene.tool.clear()
        await ask(scene)
        await scene.until(lambda: scene.uses)
        scene.server.break_off()
        await scene.server.until(lambda: len(scene.server.events) == 2)
        if known:
            await scene.server.received("conversation.item.create", 2)
        scene.tool.set()
        await scene.server.received("response.create")
        told = [e["item"] for e in scene.server.sent("conversation.item.create")]
        assert {item["type"] for item in told} == {"message"}
        told = [item["content"][0]["text"] for item in told]
        assert any("it was sent on Monday" in text for text in told)


async def test_a_goodbye_is_heard_before_the_end():
    async with call() as scene:
        await scene.realtime.say("Goodbye and thank you.")
        await scene.realtime.finish()
        await scene.until(lambda: scene.mouth.position > 4 * WORD - 0.01)
        scene.mouth.heard = 3 * WORD
        await asyncio.sleep(2 * realtime.POLL)
        assert not scene.run.done()
        scene.mouth.all_is_heard()
        await scene.run
        assert scene.said() == [("agent", "Goodbye and thank you.", False)]


@pytest.mark.parametrize("farewell", ["Goodbye.", ""])
async def test_a_tool_may_end_the_call(farewell):
    """And comes to its own end, so that its use is written down."""
    async with call(Answer(tools=(("end_call", "{}"),))) as scene:
        used = []

        async def hang_up(name, arguments):
            if farewell:
                await scene.realtime.say(farewell)
            await scene.realtime.finish()
            await asyncio.sleep(0.01)
            used.append(name)
            return "the call ends"

        scene.realtime._use_tool = hang_up
        await ask(scene)
        await scene.hear_all(2 if farewell else 1)
        await asyncio.wait_for(scene.run, 5)
        assert (("agent", "Goodbye.", False) in scene.said()) == bool(farewell)
        assert used == ["end_call"]


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (Answer("one two three", words=2, end="cut"), Cause.CUT),
        (Answer("one two three", words=2, end="hold"), Cause.STALLED),
        (Answer("one two three", words=2, end="garbage"), Cause.NONSENSE),
        (Answer(end="server_error"), Cause.SERVER_ERROR),
    ],
)
async def test_a_server_that_fails_once_is_called_again(answer, cause):
    async with call(Answer("Hello."), answer, Answer("Sorry. Three.")) as scene:
        await ask(scene, "Hi.", "q0")
        await scene.hear_all(2)
        await ask(scene)
        await scene.server.until(lambda: len(scene.server.events) == 2)
        await scene.server.received("response.create")
        told = [
            (event["item"]["role"], event["item"]["content"][0]["text"].strip())
            for event in scene.server.sent("conversation.item.create")
        ]
        assert sorted(told[:2]) == [("assistant", "Hello."), ("user", "Hi.")]
        assert ("user", "Where is it?") in told
        assert (("assistant", "one two") in told) == (answer.words == 2)
        assert told[-1] == ("system", realtime.INTERRUPTED)
        await scene.hear_all(5 if answer.words else 4)
        assert scene.said()[-1] == ("agent", "Sorry. Three.", False)
        assert (("agent", "one two", True) in scene.said()) == (answer.words == 2)
        assert [trouble.cause for trouble in scene.troubles] == [cause]


async def test_a_server_that_does_not_answer():
    async with call(greets=["deaf"]) as scene:
        await scene.server.received("session.update")
        await ask(scene)
        await scene.server.until(lambda: len(scene.server.events) == 2)
        await scene.hear_all(2)
        assert [trouble.cause for trouble in scene.troubles] == [Cause.TIMEOUT]


async def test_one_unreadable_message_is_forgiven():
    async with call(Answer("Fine.")) as scene:
        await scene.server.received("session.update")
        await scene.server.send("{")
        await scene.server.send('{"type": "of_tomorrow"}')
        await ask(scene)
        await scene.hear_all(2)
        assert not scene.troubles


async def test_an_error_about_one_event_is_forgiven():
    async with call(Answer("Fine.")) as scene:
        await scene.server.received("session.update")
        await scene.server.error("invalid_request_error", "invalid_value", "event_7")
        await ask(scene)
        await scene.hear_all(2)
        assert not scene.troubles


async def test_dying_twice_is_the_end():
    cut = Answer("one two three", words=1, end="cut")
    async with call(cut, cut) as scene:
        await ask(scene)
        with pytest.raises(ProviderError) as failed:
            await asyncio.wait_for(asyncio.shield(scene.run), 10)
        assert failed.value.cause is Cause.CUT
        assert [trouble.cause for trouble in scene.troubles] == [Cause.CUT] * 2
        assert ("user", "Where is it?") in scene.realtime.history


@pytest.mark.parametrize(
    ("greeting", "cause"),
    [
        ("401", Cause.REFUSED),
        ("402", Cause.NO_CREDIT),
        ("429", Cause.THROTTLED),
        ("404", Cause.BAD_REQUEST),
        ("invalid_api_key", Cause.REFUSED),
        ("insufficient_quota", Cause.NO_CREDIT),
        ("rate_limit_exceeded", Cause.THROTTLED),
        ("model_not_found", Cause.BAD_REQUEST),
    ],
)
async def test_what_a_second_try_would_not_mend_is_not_tried_again(greeting, cause):
    async with call(greets=[greeting]) as scene:
        with pytest.raises(ProviderError) as failed:
            await asyncio.wait_for(asyncio.shield(scene.run), 10)
        assert failed.value.cause is cause
        assert len(scene.troubles) == len(scene.server.paths) == 1


@pytest.mark.parametrize("code", ["insufficient_quota", "rate_limit_exceeded"])
async def test_an_account_that_runs_dry_in_a_call(code):
    async with call(Answer(end=code)) as scene:
        await ask(scene)
        with pytest.raises(ProviderError) as failed:
            await asyncio.wait_for(asyncio.shield(scene.run), 10)
        assert failed.value.cause in (Cause.NO_CREDIT, Cause.THROTTLED)


async def test_nobody_there():
    async with call(url="ws://127.0.0.1:9/v1/realtime") as scene:
        with pytest.raises(ProviderError) as failed:
            await asyncio.wait_for(asyncio.shield(scene.run), 10)
        assert failed.value.cause is Cause.UNREACHABLE
        assert len(scene.troubles) == 2


async def test_a_call_that_ends_in_an_answer_leaves_what_was_heard():
    """And no task or socket: see `call`."""
    answer = Answer("aaaa bbbb cccc dddd", words=3, end="hold")
    async with call(answer) as scene:
        await ask(scene)
        await scene.until(lambda: scene.mouth.position > 3 * WORD - 0.01)
        scene.mouth.heard = 0.45
        await scene.realtime.cancel()
        await scene.run
        assert ("agent", "aaaa bbbb", True) in scene.said()


USAGE = {
    "total_tokens": 170,
    "input_tokens": 100,
    "output_tokens": 70,
    "input_token_details": {
        "text_tokens": 60,
        "audio_tokens": 40,
        "cached_tokens": 30,
        "cached_tokens_details": {"text_tokens": 20, "audio_tokens": 10},
    },
    "output_token_details": {"text_tokens": 20, "audio_tokens": 50},
}
COST = {
    ("llm_input_tokens", "openai.gpt-realtime"): 40,
    ("llm_cached_tokens", "openai.gpt-realtime"): 20,
    ("llm_output_tokens", "openai.gpt-realtime"): 20,
    ("llm_audio_input_tokens", "openai.gpt-realtime"): 30,
    ("llm_audio_cached_tokens", "openai.gpt-realtime"): 10,
    ("llm_audio_output_tokens", "openai.gpt-realtime"): 50,
}
UNREPORTED = {("unreported_requests", "openai.gpt-realtime"): 1}
WRITTEN = {("stt_seconds", "openai.gpt-4o-mini-transcribe"): 1.0}
"""Down, of the caller's words."""


def costs(scene):
    return {(use.meter.value, use.model): use.amount for use in scene.costs}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer("On its way.", usage=USAGE), COST),
        (Answer("On its way."), UNREPORTED),
    ],
)
async def test_what_an_answer_costs(answer, expected):
    async with call(answer) as scene:
        await ask(scene)
        await scene.hear_all(2)
        assert costs(scene) == expected | WRITTEN


async def test_an_answer_that_is_interrupted_costs_what_the_server_says():
    answer = Answer("aaaa bbbb cccc", words=2, end="hold", usage=USAGE)
    async with call(answer) as scene:
        await ask(scene)
        await scene.until(lambda: scene.mouth.position > 2 * WORD - 0.01)
        await scene.server.caller_begins("q2")
        await scene.until(lambda: len(costs(scene)) == len(COST | WRITTEN))
        assert costs(scene) == COST | WRITTEN


@pytest.mark.parametrize("end", ["cut", "hold"])
async def test_an_answer_of_which_nobody_says_what_it_took(end):
    """The server is lost in it, or the call is over."""
    answer = Answer("one two three", words=2, end=end, usage=USAGE)
    last = Answer("Sorry. Three.", usage=USAGE)
    async with call(answer, last) as scene:
        await ask(scene)
        await scene.until(lambda: scene.mouth.position > 2 * WORD - 0.01)
        if end == "cut":
            await scene.hear_all(3)
        await scene.realtime.cancel()
        await scene.run
        after = COST if end == "cut" else {}
        assert costs(scene) == UNREPORTED | after | WRITTEN


async def test_what_it_was_about_to_say():
    answer = Answer("aaaa bbbb cccc dddd", words=3, end="hold")
    async with call(Answer("All of it."), answer) as scene:
        await ask(scene)
        await scene.hear_all(2)
        began = scene.mouth.position
        await ask(scene, "And?", "q2")
        await scene.until(lambda: scene.mouth.position > began + 3 * WORD - 0.01)
        scene.mouth.heard = began + 0.45
        await scene.server.caller_begins("q3")
        await scene.until(lambda: len(scene.turns) == 4)
        told = [turn for turn in scene.turns if turn.speaker is Speaker.AGENT]
        assert [(turn.text, turn.spoken) for turn in told] == [
            ("All of it.", ""),
            ("aaaa bbbb", "aaaa bbbb cccc"),
        ]


async def test_a_call_that_ends_while_it_still_connects():
    async with call(greets=["mute"]) as scene:
        await scene.server.until(lambda: scene.server.live == 1)


async def test_a_long_answer_is_paced_by_the_mouth():
    """A minute of speech comes at once; Asterisk gets 0.3 s of it at a time."""
    sent = []

    async def send(message):
        sent.append(message)

    now = 100.0
    mouth = Mouth(
        send, Driver("json"), codec("ulaw"), 20, clock=lambda: now, fill=False
    )
    speaking = asyncio.create_task(mouth.run())
    words = " ".join(["word"] * 300)
    async with call(Answer(words), Answer("Yes?"), mouth=mouth) as scene:
        await ask(scene)
        await scene.until(lambda: mouth.position >= 60)
        await scene.until(lambda: mouth.unheard < 60.001 and mouth.heard == 0)
        assert sum(len(m) for m in sent if isinstance(m, bytes)) <= 0.8 * 8000
        for _ in range(5):  # 0.2 s at a time, as a clock does
            now += 0.2
            mouth.resume()
            mouth.say(b"")
            await asyncio.sleep(0.001)
        heard = mouth.heard
        await scene.server.caller_begins("q2")
        cut = await scene.server.received("conversation.item.truncate")
        assert cut["audio_end_ms"] == pytest.approx(heard * 1000, abs=1)
        assert 800 <= cut["audio_end_ms"] <= 1000
        text = next(t.text for t in scene.turns if t.speaker is Speaker.AGENT)
        assert len(text.split()) == int(heard / WORD + 1e-6)
    speaking.cancel()


@given(st.text(), st.floats(0, 1))
def test_words_heard_are_the_first_of_those_said(text, share):
    heard = words_heard(text, share).split()
    assert heard == text.split()[: len(heard)]
    assert words_heard(text, 1.0).split() == text.split()
    assert not words_heard(text, 0.0)
