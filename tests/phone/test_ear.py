from agent.phone.ear import Ear, Heard
from agent.phone.ulaw import FRAME, SILENCE, from_pcm, loudness

LOUD = from_pcm(b"\x00\x20\x00\xe0" * (FRAME // 2))
QUIET = SILENCE * FRAME


def hear(ear, *sounds, begin=0.0):
    for index, sound in enumerate(sounds):
        at = begin + index * 0.02
        ear.hear(Heard(at, sound, index * FRAME))


def test_how_loud():
    assert loudness(QUIET) == 0
    assert 8000 < loudness(LOUD) < 8400


async def test_sound_is_told_with_the_time_of_its_beginning():
    ear = Ear()
    waiting = ear.next_sound(0.0)
    hear(ear, QUIET, QUIET, LOUD, LOUD)
    assert not waiting.done()
    hear(ear, LOUD, begin=0.08)
    assert waiting.result() == 0.04
    assert ear.last_sound == 0.08


async def test_a_click_is_no_sound():
    ear = Ear()
    waiting = ear.next_sound(0.0)
    hear(ear, *[LOUD, LOUD, QUIET] * 5)
    assert not waiting.done()
    assert ear.last_sound == 0.0


async def test_who_asks_in_the_middle_is_not_told_of_the_past():
    ear = Ear()
    hear(ear, *[LOUD] * 5)
    waiting = ear.next_sound(0.09)
    hear(ear, LOUD, begin=0.1)
    assert waiting.result() == 0.09
