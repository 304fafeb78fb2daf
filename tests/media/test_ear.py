from pathlib import Path

import pytest

from agent.calls.heard import Heard
from agent.media.audio import DECODE, ENCODE, Resampler
from agent.media.config import GateConfig
from agent.media.ear import Ear
from agent.media.vad import Vad
from agent.wire.audio import codec

SPEECH = (Path(__file__).parents[1] / "data" / "question.ulaw").read_bytes()
SILENCE = b"\xff" * 160


@pytest.fixture
def vad(models_folder):
    return Vad(models_folder / "silero-vad" / "silero_vad.onnx")


def play(vad, payload, name="ulaw"):
    """What was heard, and the speech as it was at each news."""
    news = []
    ear = Ear(codec(name), vad, GateConfig())
    ear.on_heard = lambda what: news.append((what, ear.speech()))
    size = codec(name).frame_bytes()
    for at in range(0, len(payload), size):
        ear.hear(payload[at : at + size])
        vad.tick()
    return news, ear


async def test_speech_is_kept_with_a_little_from_before_it(vad):
    news, ear = play(vad, SILENCE * 100 + SPEECH + SILENCE * 50)
    assert [what for what, _ in news][:2] == [Heard.ONSET, Heard.SPEECH]
    assert news[-1][0] is Heard.STOP
    pause = next(speech for what, speech in reversed(news) if what is Heard.PAUSE)
    seconds = len(pause) / 16000
    # 1.57 s of speech, 0.4 s before it, 0.2 s of silence that is the pause.
    assert 1.6 < seconds < 2.4
    assert pause in DECODE["ulaw"](SILENCE * 100 + SPEECH + SILENCE * 50)


FRAME = 0.02


@pytest.mark.parametrize(
    ("arrivals", "late"),
    [
        ([n * FRAME for n in range(500)], 0),
        ([n * FRAME * 1.0001 for n in range(5000)], 0),
        ([n * FRAME * 0.9999 for n in range(5000)], 0),
        ([n * FRAME for n in range(100)] + [9 + n * FRAME for n in range(100)], 0),
        ([1 + n // 50 for n in range(500)], 0.98),
        ([max(n * FRAME, 3.0) * (n > 50) for n in range(500)], 1.96),
    ],
    ids=["steady", "slow clock", "fast clock", "a pause", "bursts", "a stall"],
)
async def test_how_late_sound_was(vad, arrivals, late):
    clock = iter(arrivals)
    ear = Ear(codec("ulaw"), vad, GateConfig(), clock=lambda: next(clock))
    for _ in arrivals:
        ear.hear(SILENCE)
    assert ear.late == pytest.approx(late, abs=0.05)


async def test_silence_is_not_hoarded(vad):
    _, ear = play(vad, SILENCE * 3000)
    assert len(ear.speech()) < 16000 * 2


async def test_after_an_utterance_the_next_begins_afresh(vad):
    news, _ = play(vad, (SPEECH + SILENCE * 50) * 2)
    stops = [n for n, (what, _) in enumerate(news) if what is Heard.STOP]
    assert len(stops) == 2
    assert len(news[stops[1]][1]) < len(SPEECH) * 2 * 1.9


@pytest.mark.parametrize("name", ["alaw", "slin", "slin16"])
async def test_all_codecs_are_understood(vad, name):
    pcm = DECODE["ulaw"](SPEECH + SILENCE * 50)
    if name == "slin16":
        wide = Resampler(16000)
        pcm = wide.resample(pcm, 8000) + wide.rest()
    news, ear = play(vad, ENCODE[name](pcm), name)
    assert Heard.SPEECH in [what for what, _ in news]
    assert ear.rate == codec(name).rate


async def test_odd_bytes_do_no_harm(vad):
    news, ear = play(vad, b"\x01" * 1001, "slin")
    ear.hear(b"")
    ear.hear(b"\x01")
    assert news == []


class Silencer:
    """A filter that leaves nothing."""

    def __init__(self, rate, take):
        self.rate, self._take, self.closed = rate, take, False

    def hear(self, pcm):
        self._take(bytes(len(pcm)))

    def close(self):
        self.closed = True


async def test_only_the_voice_detector_hears_the_filtered_sound(vad):
    news, made = [], []

    def make(rate, take):
        made.append(Silencer(rate, take))
        return made[0]

    ear = Ear(codec("ulaw"), vad, GateConfig(), make)
    ear.on_heard = news.append
    for at in range(0, len(SPEECH), 160):
        ear.hear(SPEECH[at : at + 160])
        vad.tick()
    assert news == []
    assert made[0].rate == 8000
    assert DECODE["ulaw"](SPEECH).endswith(ear.speech()[-6400:])
    ear.close()
    assert made[0].closed


async def test_a_phone_that_sends_no_silence_has_finished_all_the_same(vad):
    now = 100.0
    ear = Ear(codec("ulaw"), vad, GateConfig(), clock=lambda: now)
    news = []
    ear.on_heard = news.append
    for at in range(0, len(SPEECH), 160):
        ear.hear(SPEECH[at : at + 160])
        vad.tick()
        now += 0.02
    for _ in range(8):
        now += 0.2
        ear.fill()
        vad.tick()
    assert news[-1] is Heard.STOP


async def test_jitter_is_no_gap(vad):
    now = 100.0
    ear = Ear(codec("ulaw"), vad, GateConfig(), clock=lambda: now)
    ear.hear(SILENCE)
    now += 0.1
    before = len(ear.speech())
    ear.fill()
    assert len(ear.speech()) == before
