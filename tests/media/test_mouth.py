import asyncio
import base64
import json

import pytest

from agent.media.audio import DECODE, rms
from agent.media.loudness import LOUD
from agent.media.mouth import Mouth
from agent.wire.audio import codec
from agent.wire.dialect import Driver, Envelope
from agent.wire.events import MarkReached
from agent.wire.playqueue import PlayQueue
from tests import virtual_time
from tests.fakes.log import written


class Wire:
    """What the mouth sent, and when."""

    def __init__(self, mouth_dialect: str = "json", **options):
        self.sent: list[tuple[float, bytes | str]] = []
        self.loop = asyncio.get_running_loop()
        self.mouth = Mouth(
            self.send,
            Envelope() if mouth_dialect == "envelope" else Driver(mouth_dialect),
            codec("ulaw"),
            20,
            clock=self.loop.time,
            **{"fill": False} | options,
        )
        self.writer = self.loop.create_task(self.mouth.run())

    async def send(self, message):
        self.sent.append((round(self.loop.time(), 3), message))

    @property
    def audio(self) -> float:
        return sum(len(m) for _, m in self.sent if isinstance(m, bytes)) / 8000

    @property
    def commands(self) -> list[str]:
        return [json.loads(m)["command"] for _, m in self.sent if isinstance(m, str)]

    def marks(self) -> list[str]:
        return [
            json.loads(m)["correlation_id"]
            for _, m in self.sent
            if isinstance(m, str) and "MARK" in m
        ]


def pcm(seconds: float) -> bytes:
    return bytes(2 * int(8000 * seconds))


async def until(wire, mouth) -> None:
    """The caller has heard everything."""
    while mouth.unheard > 0.001:
        await asyncio.sleep(max(mouth.unheard, 0.02))


def scene(play, *arguments, **options):
    async def main():
        wire = Wire(*arguments, **options)
        try:
            await play(wire, wire.mouth)
        finally:
            wire.writer.cancel()

    virtual_time.run(main())


def test_keeps_asterisk_a_little_ahead_of_the_ear_and_no_more():
    async def play(wire, mouth):
        mouth.say(pcm(3))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert 0.3 <= wire.audio <= 0.5
        for second in (1, 2):
            await asyncio.sleep(1)
            assert second + 0.3 <= wire.audio <= second + 0.5
        await asyncio.sleep(2)
        assert wire.audio == 3

    scene(play)


def test_only_whole_frames_leave_and_the_last_is_filled_with_silence():
    async def play(wire, mouth):
        mouth.say(pcm(0.101))
        await asyncio.sleep(0.05)
        assert wire.audio == 0.1
        mouth.finish()
        await asyncio.sleep(0.5)
        audio = b"".join(m for _, m in wire.sent if isinstance(m, bytes))
        assert len(audio) == 160 * 6
        assert audio.endswith(b"\xff" * 100)

    scene(play)


def test_an_interruption_flushes_and_nothing_follows():
    async def play(wire, mouth):
        mouth.say(pcm(5))
        await asyncio.sleep(1)
        before = wire.audio
        mouth.interrupt()
        assert round(mouth.heard, 2) == 1.0
        assert mouth.unheard == 0
        await asyncio.sleep(1)
        assert wire.audio == before
        assert wire.commands[-1] == "FLUSH_MEDIA"
        assert round(mouth.heard, 2) == 1.0

    scene(play)


def test_an_interruption_of_silence_says_nothing():
    async def play(wire, mouth):
        mouth.say(pcm(0.2))
        mouth.finish()
        await asyncio.sleep(1)
        mouth.interrupt()
        await asyncio.sleep(0.1)
        assert "FLUSH_MEDIA" not in wire.commands

    scene(play)


def test_a_pause_stops_the_clock_and_a_false_alarm_loses_no_word():
    async def play(wire, mouth):
        mouth.say(pcm(2))
        await asyncio.sleep(0.5)
        mouth.pause()
        heard = mouth.heard
        await asyncio.sleep(0.3)
        assert mouth.heard == heard
        mouth.resume()
        await until(wire, mouth)
        assert round(wire.loop.time(), 2) == 2.3
        assert wire.audio == 2
        assert [c for c in wire.commands if c != "MARK_MEDIA"] == [
            "PAUSE_MEDIA",
            "CONTINUE_MEDIA",
        ]

    scene(play)


def test_a_confirmed_interruption_does_not_stay_paused():
    async def play(wire, mouth):
        mouth.say(pcm(2))
        await asyncio.sleep(0.5)
        mouth.pause()
        await asyncio.sleep(0.1)
        mouth.interrupt()
        await asyncio.sleep(0.1)
        assert [c for c in wire.commands if c != "MARK_MEDIA"] == [
            "PAUSE_MEDIA",
            "FLUSH_MEDIA",
            "CONTINUE_MEDIA",
        ]

    scene(play)


def test_words_are_kept_until_it_is_known_what_the_caller_wants():
    async def play(wire, mouth):
        mouth.say(pcm(2))
        await asyncio.sleep(0.5)
        mouth.pause()
        await asyncio.sleep(0.1)
        mouth.keep()
        heard = mouth.heard
        before = wire.audio
        mouth.say(pcm(1))
        mouth.pause()
        await asyncio.sleep(2)
        assert (mouth.heard, wire.audio) == (heard, before)
        mouth.resume()
        await until(wire, mouth)
        assert round(wire.loop.time(), 1) == 2.6 + 2.5
        assert [c for c in wire.commands if c != "MARK_MEDIA"] == [
            "PAUSE_MEDIA",
            "FLUSH_MEDIA",
            "CONTINUE_MEDIA",
        ]
        assert wire.commands[-1] == "MARK_MEDIA"

    scene(play)


def test_an_interruption_drops_what_was_kept():
    async def play(wire, mouth):
        mouth.say(pcm(2))
        await asyncio.sleep(0.5)
        mouth.keep()
        before = wire.audio
        mouth.interrupt()
        assert mouth.unheard == 0
        mouth.say(pcm(0.2))
        await asyncio.sleep(1)
        assert wire.audio == before + 0.2

    scene(play)


def test_an_answer_that_comes_while_we_are_silent_waits_too():
    async def play(wire, mouth):
        mouth.keep()
        mouth.say(pcm(1))
        await asyncio.sleep(1)
        assert wire.audio == 0
        mouth.resume()
        await asyncio.sleep(1)
        assert wire.audio == 1

    scene(play)


def test_a_line_that_is_kept_quiet_is_not_dead():
    async def play(wire, mouth):
        mouth.say(pcm(2))
        await asyncio.sleep(0.5)
        mouth.keep()
        before = wire.audio
        await asyncio.sleep(2)
        assert wire.audio >= before + 2, "silence fills the time"

    scene(play, fill=True)


def test_a_pause_of_silence_says_nothing():
    async def play(wire, mouth):
        mouth.pause()
        mouth.resume()
        await asyncio.sleep(0.1)
        assert wire.sent == []

    scene(play)


def test_xoff_stops_us_at_once_and_xon_lets_us_go_on():
    async def play(wire, mouth):
        mouth.say(pcm(3))
        await asyncio.sleep(0.5)
        mouth.hold()
        before = wire.audio
        await asyncio.sleep(1)
        assert wire.audio == before
        mouth.release()
        await asyncio.sleep(3)
        assert wire.audio == 3

    scene(play)


def test_where_no_xon_comes_asterisk_is_asked_once():
    async def play(wire, mouth):
        await asyncio.sleep(0)
        for _ in range(3):
            mouth.hold()
            await asyncio.sleep(1)
        await asyncio.sleep(60)
        assert wire.commands == ["GET_STATUS"]
        mouth.say(pcm(1))
        await asyncio.sleep(1)
        assert wire.audio == 0
        mouth.release()
        await asyncio.sleep(1)
        assert wire.audio == 1

    scene(play)


def test_where_xon_comes_nobody_is_asked():
    async def play(wire, mouth):
        await asyncio.sleep(0)
        mouth.hold()
        await asyncio.sleep(2)
        mouth.release()
        await asyncio.sleep(60)
        assert wire.commands == []

    scene(play)


def test_a_mark_that_comes_late_moves_our_idea_of_what_was_heard():
    async def play(wire, mouth):
        mouth.say(pcm(0.5))
        mouth.finish()
        await asyncio.sleep(0.3)
        # Asterisk stood still for 100 ms: by our clock 0.3 s were heard.
        assert round(mouth.heard, 2) == 0.3
        mouth.mark_reached("unknown")
        mouth.mark_reached(wire.marks()[-1])
        assert mouth.heard == 0.5
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert wire.commands[-1] == "GET_STATUS"

    scene(play)


def test_every_second_and_every_end_is_marked():
    async def play(wire, mouth):
        mouth.say(pcm(2.5))
        mouth.finish()
        await asyncio.sleep(3)
        assert len(wire.marks()) == 3
        assert len(set(wire.marks())) == 3

    scene(play)


def test_between_words_there_is_silence_and_no_gap():
    async def play(wire, mouth):
        await asyncio.sleep(3)
        assert 3 <= wire.audio <= 3.51
        assert set(b"".join(m for _, m in wire.sent)) == {0xFF}
        await asyncio.sleep(0.2)
        before = wire.audio
        mouth.say(b"\x01\x02" * 8000)
        mouth.finish()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        # What was queued of the silence is flushed: it delays no word.
        assert wire.commands == ["FLUSH_MEDIA", "MARK_MEDIA"]
        await asyncio.sleep(2)
        assert round(mouth.heard, 2) == 1.0
        assert before + 1 + 0.8 <= wire.audio <= before + 1 + 1.6

    scene(play, fill=True)


def test_xoff_means_silence_too():
    async def play(wire, mouth):
        mouth.hold()
        await asyncio.sleep(2)
        assert wire.sent == []
        mouth.release()
        await asyncio.sleep(0.1)
        assert wire.audio == 0.5

    scene(play, fill=True)


def test_silence_never_cuts_the_last_word():
    async def play(wire, mouth):
        for _ in range(5):
            mouth.say(pcm(0.5))
            mouth.finish()
            await asyncio.sleep(0.45)
        assert "FLUSH_MEDIA" not in wire.commands

    scene(play, fill=True)


def test_a_backlog_is_noticed_and_removed():
    async def play(wire, mouth):
        mouth.say(pcm(0.5))
        mouth.finish()
        await asyncio.sleep(1)
        mouth.queue_is(40)
        await asyncio.sleep(0.01)
        assert "FLUSH_MEDIA" not in wire.commands  # nobody had asked
        for frames, flushed in ((3, False), (40, True)):
            mouth.say(pcm(0.5))
            mouth.finish()
            await asyncio.sleep(0.6)
            mouth.mark_reached(wire.marks()[-1])
            mouth.queue_is(frames)
            await asyncio.sleep(0.01)
            assert ("FLUSH_MEDIA" in wire.commands) is flushed

    scene(play, fill=False)


def test_a_status_from_before_a_flush_is_not_believed():
    async def play(wire, mouth):
        mouth.say(pcm(0.5))
        mouth.finish()
        await asyncio.sleep(0.6)
        mouth.mark_reached(wire.marks()[-1])
        await asyncio.sleep(0.05)
        mouth.say(pcm(0.5))
        await asyncio.sleep(0.01)
        flushes = wire.commands.count("FLUSH_MEDIA")
        mouth.queue_is(25)  # of the silence that was flushed
        await asyncio.sleep(0.01)
        assert wire.commands.count("FLUSH_MEDIA") == flushes
        await asyncio.sleep(1)
        assert round(mouth.heard, 2) == 1.0

    scene(play, fill=True)


def test_an_envelope_is_paused_by_taking_back_what_was_not_heard():
    async def play(wire, mouth):
        sound = bytes(range(1, 201)) * 200
        mouth._encode = bytes
        mouth.say(sound[:16000])
        await asyncio.sleep(0.5)
        mouth.pause()
        await asyncio.sleep(0.4)
        said = [json.loads(m) for _, m in wire.sent]
        assert [m["type"] for m in said].count("clear") == 1
        cut = round(mouth.heard * 8000)
        mouth.resume()
        await until(wire, mouth)
        said = [json.loads(m) for _, m in wire.sent]
        clear = [m["type"] for m in said].index("clear")
        heard = b"".join(base64.b64decode(m["audio"]) for m in said[:clear])[:cut]
        again = b"".join(base64.b64decode(m["audio"]) for m in said[clear + 1 :])
        # Not a word is lost, and at most the frame in flight is said again.
        assert again.endswith(sound[15000:16000])
        assert 16000 <= len(heard) + len(again) <= 16000 + 160
        assert round(wire.loop.time(), 1) == 2.4

    scene(play, "envelope")


def voice(seconds: float) -> bytes:
    return (b"\x00\x20\x00\xe0" * 4000)[: 2 * int(8000 * seconds)].ljust(
        2 * int(8000 * seconds), b"\x00"
    )


class Listener:
    """Plays what the mouth sends, in ticks of 20 ms, and tells it of marks."""

    def __init__(self, wire, mouth, *, late: float = 0.0):
        self.queue = PlayQueue(say=self._say)
        self.loud_at: list[float] = []
        """Each frame that is loud."""
        self.told: list[float] = []
        """When the mouth said that it is heard."""
        self._wire, self._mouth, self._late = wire, mouth, late
        self._given = 0
        mouth.on_sound = self.told.append

    async def play(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(round(seconds / 0.02)):
            await asyncio.sleep(0.02)
            for _, message in self._wire.sent[self._given :]:
                if isinstance(message, bytes):
                    self.queue.audio(message)
                else:
                    self.queue.command(message)
            self._given = len(self._wire.sent)
            frame = self.queue.tick()
            if frame and rms(DECODE["ulaw"](frame)) > LOUD:
                self.loud_at.append(loop.time())

    def _say(self, event) -> None:
        if isinstance(event, MarkReached):
            loop = asyncio.get_running_loop()
            loop.call_later(self._late, self._mouth.mark_reached, event.mark)


@pytest.mark.parametrize("lead", [0.0, 0.01, 0.1, 0.2, 0.37, 1.5])
def test_tells_when_the_first_loud_frame_is_played(lead):
    async def play(wire, mouth):
        listener = Listener(wire, mouth)
        mouth.say(pcm(lead) + voice(1.0))
        mouth.finish()
        await listener.play(lead + 2)
        assert listener.told == [pytest.approx(listener.loud_at[0], abs=0.001)]

    scene(play)


def test_silence_alone_is_never_told_as_heard():
    async def play(wire, mouth):
        listener = Listener(wire, mouth)
        mouth.say(pcm(2))
        mouth.finish()
        await listener.play(3)
        assert listener.told == []

    scene(play)


def test_each_utterance_is_told_of_once():
    async def play(wire, mouth):
        listener = Listener(wire, mouth)
        for _ in range(3):
            mouth.say(pcm(0.1) + voice(0.6))
            mouth.finish()
            await listener.play(2)
        assert len(listener.told) == 3

    scene(play)


@pytest.mark.parametrize("spoken", [0.0, 0.04])
def test_what_is_taken_back_before_it_was_heard_is_told_when_it_is(spoken):
    async def play(wire, mouth):
        listener = Listener(wire, mouth)
        mouth.say(pcm(0.3) + voice(1.0))
        mouth.finish()
        await listener.play(0.1 + spoken)
        mouth.keep()
        await listener.play(1)
        assert listener.loud_at == []
        mouth.resume()
        await listener.play(2)
        assert listener.told == [pytest.approx(listener.loud_at[0], abs=0.001)]

    scene(play)


def test_what_is_interrupted_before_it_was_heard_is_never_told():
    async def play(wire, mouth):
        listener = Listener(wire, mouth)
        mouth.say(pcm(0.3) + voice(1.0))
        await listener.play(0.1)
        mouth.interrupt()
        await listener.play(1)
        assert listener.told == []
        mouth.say(voice(0.5))
        mouth.finish()
        await listener.play(1)
        assert listener.told == [pytest.approx(listener.loud_at[0], abs=0.001)]

    scene(play)


@pytest.mark.parametrize(
    ("late", "slept", "told"), [(2.5, 0.0, 1), (0.3, 0.0, 0), (2.5, 2.5, 0)]
)
def test_an_asterisk_that_stands_still_is_told_once(late, slept, told):
    """`slept`: seconds in which our own loop did not turn."""

    async def play(wire, mouth):
        mouth.say(pcm(2.0))
        mouth.finish()
        await until(wire, mouth)
        if slept:
            wire.loop.stall(slept)
        else:
            await asyncio.sleep(late)
        for mark in wire.marks()[-2 if late > 1 else -1 :]:
            mouth.mark_reached(mark)

    with written() as log:
        scene(play, fill=True)
    assert log.getvalue().count("[WS] Asterisk stood still for ") == told
