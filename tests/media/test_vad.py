import asyncio
from contextvars import ContextVar, copy_context
from pathlib import Path

import pytest

from agent.media.audio import DECODE
from agent.media.vad import WINDOW, Vad

DATA = Path(__file__).parents[1] / "data"
SPEECH = DECODE["ulaw"]((DATA / "question.ulaw").read_bytes())
BYTES = 2 * WINDOW
LOUD = SPEECH[20 * BYTES : 21 * BYTES]


@pytest.fixture
def vad(models_folder):
    return Vad(models_folder / "silero-vad" / "silero_vad.onnx")


def listen(vad, pcm, *, frame=320):
    heard = []
    listener = vad.listen(lambda *window: heard.append(window))
    for at in range(0, len(pcm), frame):
        listener.hear(pcm[at : at + frame])
        vad.tick()
    while len(listener.pending) >= BYTES:
        vad.tick()
    listener.close()
    return heard


async def test_hears_speech_and_nothing_in_silence(vad):
    speech = [probability for probability, _ in listen(vad, SPEECH)]
    silence = [probability for probability, _ in listen(vad, bytes(len(SPEECH)))]
    assert sum(p > 0.5 for p in speech) > len(speech) * 0.6
    assert max(silence) < 0.3


async def test_every_window_is_heard_once_whatever_the_frames(vad):
    windows = len(SPEECH) // BYTES
    assert len(listen(vad, SPEECH, frame=320)) == windows
    assert len(listen(vad, SPEECH, frame=958)) == windows
    assert listen(vad, SPEECH, frame=320) == listen(vad, SPEECH, frame=80)


async def test_in_company_a_call_is_heard_as_alone(vad):
    """No state leaks from one call to another."""
    alone = listen(vad, SPEECH)
    heard = {0: [], 1: [], 2: []}
    others = [
        vad.listen(lambda *window, call=call: heard[call].append(window))
        for call in heard
    ]
    noise = bytes(range(256)) * (len(SPEECH) // 256 + 1)
    for at in range(0, len(SPEECH), 320):
        others[0].hear(noise[at : at + 320])
        others[1].hear(SPEECH[at : at + 320])
        others[2].hear(bytes(320))
        vad.tick()
    for (probability, loudness), (alone_p, alone_l) in zip(
        heard[1], alone, strict=False
    ):
        assert probability == pytest.approx(alone_p, abs=1e-4)
        assert loudness == pytest.approx(alone_l, abs=1e-3)
    assert len(heard[1]) >= len(alone) - 1


async def test_each_is_told_in_the_context_of_its_call(vad):
    """The batch runs in that of the call that was first."""
    whose, told = ContextVar("whose"), []

    def begin(call):
        whose.set(call)
        return vad.listen(lambda *window: told.append((call, whose.get())))

    contexts = {call: copy_context() for call in ("a", "b")}
    calls = {call: contexts[call].run(begin, call) for call in contexts}
    for call, listener in calls.items():
        contexts[call].run(listener.hear, LOUD)
        contexts[call].run(listener.hear, bytes(BYTES))  # not worth a batch
    while len(told) < 4:
        await asyncio.sleep(0)
    assert sorted(told) == [("a", "a"), ("a", "a"), ("b", "b"), ("b", "b")]


async def test_more_calls_than_places_are_made_room_for(vad):
    heard = []
    listeners = [vad.listen(lambda *w: heard.append(w)) for _ in range(50)]
    assert len({listener.place for listener in listeners}) == 50
    for listener in listeners:
        listener.hear(SPEECH[8000 : 8000 + BYTES])
    for _ in range(5):
        vad.tick()
    assert len(heard) == 50


async def test_a_call_that_closed_is_forgotten(vad):
    heard = []
    first = vad.listen(lambda *w: heard.append(w))
    first.hear(SPEECH)
    vad.tick()
    first.close()
    first.close()
    before = len(heard)
    vad.tick()
    assert len(heard) == before
    second = vad.listen(lambda *w: heard.append(w))
    assert second.place == first.place
    assert listen(vad, SPEECH) == listen(vad, SPEECH)


async def test_loudness_is_in_dbfs(vad):
    full = (b"\xff\x7f" + b"\x01\x80") * WINDOW
    assert listen(vad, full[:BYTES])[0][1] == pytest.approx(0.0, abs=0.1)
    assert listen(vad, bytes(BYTES))[0][1] == pytest.approx(-100.0)


async def test_what_nobody_can_hear_costs_no_inference(vad):
    heard = listen(vad, (b"\x05\x00\xfb\xff" * WINDOW)[: BYTES * 2])
    assert [probability for probability, _ in heard] == [0.0, 0.0]
    assert heard[0][1] == pytest.approx(-76, abs=0.5)


async def test_a_call_whose_listener_fails_is_closed_and_the_others_are_heard(vad):
    def fail(*_):
        raise RuntimeError("mine")

    heard = []
    bad, good = vad.listen(fail), vad.listen(lambda *w: heard.append(w))
    for listener in (bad, good):
        listener.hear(SPEECH[8000 : 8000 + BYTES])
    vad.tick()
    assert len(heard) == 1
    assert bad.place in vad._free
