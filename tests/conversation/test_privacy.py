"""Pauses for what nobody is to know. Time is virtual."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.calls.control import CallControlError
from agent.conversation import privacy
from agent.conversation.privacy import IDLE, LONGEST, SETTLE, Privacy, Window
from tests import virtual_time


@pytest.mark.parametrize(
    ("pressed", "taken"),
    [
        ("4111#", "4111"),
        ("41*4222#", "4222"),
        ("4111", "4111"),
        ("4111#99", "4111"),
        ("#4111#", "4111"),
        ("12A٣4#", "124"),
        ("*", ""),
        ("", ""),
        ("9" * 99 + "#", "9" * LONGEST),
    ],
)
def test_what_is_typed(pressed, taken):
    window = Window(0, 60, keeps=True)
    for key in pressed:
        window.key(key, 1.0)
    assert window.over(window.due())
    assert window.take() == taken
    assert window.take() == "", "it leaves once"


def test_what_nobody_wants_is_never_kept():
    window = Window(0, 60, keeps=False)
    window.key("4", 1.0)
    assert window.take() == ""
    assert vars(window)["_keys"] == ""


@pytest.mark.parametrize(
    ("keeps", "keys", "due"),
    [
        (True, [], 60),
        (False, [], 60),
        (True, [("4", 5)], 5 + IDLE),
        (True, [("4", 5), ("1", 55)], 55 + IDLE),
        (True, [("4", 5), ("*", 6)], 60),
        (False, [("4", 5)], 60),
        (False, [("4", 55)], 55 + IDLE),
    ],
)
def test_when_it_is_over(keeps, keys, due):
    """Never under the caller's fingers: the rest of a number would be heard."""
    window = Window(0, 60, keeps=keeps)
    for key, at in keys:
        window.key(key, at)
    assert window.due() == due
    assert window.over(due) and not window.over(due - 0.01)


@given(st.lists(st.tuples(st.sampled_from("0123456789*#AD"), st.floats(0, 9))))
def test_the_keys_are_digits_and_no_more_than_were_pressed(pressed):
    window, now = Window(0, 60, keeps=True), 0.0
    for key, later in pressed:
        now += later
        window.key(key, now)
    window.give_up()
    keys = window.take()
    assert keys in "".join(key for key, _ in pressed if key not in "AD")
    assert keys == "" or keys.isdecimal()


class Scene:
    """A call, its recorder and who gets the keys."""

    def __init__(self, accepts: bool | None = True) -> None:
        self.happened: list[str] = []
        self.cannot = False
        self.accepts = accepts
        self.privacy = Privacy("17.5", self, None if accepts is None else self.deliver)
        self.privacy.listener = self
        self.on_key = lambda key: None

    async def mute(self, channel):
        self.change("mute")

    async def unmute(self, channel):
        self.change("unmute")

    def change(self, what):
        if self.cannot:
            raise CallControlError("no Asterisk")
        self.happened.append(what)

    def be_private(self, on_key):
        self.happened.append("private")
        self.on_key = on_key

    async def ask_for_keys(self):
        self.happened.append("asked")

    async def be_public(self, told):
        self.happened.append(f"public {told}".strip())

    async def deliver(self, keys):
        self.happened.append(f"keys {keys}")
        return self.accepts

    def type(self, keys):
        for key in keys:
            self.on_key(key)


def play(what, **options):
    scene = Scene(**options)

    async def run():
        await what(scene)
        scene.privacy.close()

    virtual_time.run(run())
    return scene.happened


BEGUN = ["private", "mute", "asked"]


@pytest.mark.parametrize(
    ("accepts", "typed", "then"),
    [
        (True, "4111#", ["keys 4111", "unmute", f"public {privacy.ACCEPTED}"]),
        (False, "4111#", ["keys 4111", "unmute", f"public {privacy.REFUSED}"]),
        (True, "4111", ["keys 4111", "unmute", f"public {privacy.ACCEPTED}"]),
        (True, "", ["unmute", f"public {privacy.NOTHING}"]),
        (None, "4111#", ["unmute", f"public {privacy.OVER}"]),
    ],
)
def test_a_pause(accepts, typed, then):
    async def what(scene):
        await scene.privacy.pause(60)
        scene.type(typed)
        await asyncio.sleep(100)

    assert play(what, accepts=accepts) == BEGUN + then


def test_what_is_not_complete_when_it_is_resumed_goes_nowhere():
    async def what(scene):
        await scene.privacy.pause()
        scene.type("4111")
        began = asyncio.get_running_loop().time()
        await scene.privacy.resume()
        assert asyncio.get_running_loop().time() - began == pytest.approx(SETTLE)

    assert play(what) == [*BEGUN, "unmute", f"public {privacy.NOTHING}"]


def test_keys_that_come_late_are_still_private():
    async def what(scene):
        await scene.privacy.pause()
        scene.type("4111#")
        await asyncio.sleep(SETTLE / 2)
        scene.type("99")
        await asyncio.sleep(10)

    assert "keys 4111" in play(what)


def test_again_changes_nothing():
    async def what(scene):
        await scene.privacy.resume()
        await asyncio.gather(scene.privacy.pause(), scene.privacy.pause())

    assert play(what) == BEGUN


def test_without_silence_in_the_recording_there_is_no_pause():
    async def what(scene):
        scene.cannot = True
        with pytest.raises(CallControlError, match="no Asterisk"):
            await scene.privacy.pause()
        scene.cannot = False
        await scene.privacy.pause()

    assert play(what) == ["private", "public", *BEGUN]


def test_who_cannot_be_made_deaf_is_not_asked_to():
    async def what(scene):
        scene.privacy.listener = None
        with pytest.raises(CallControlError, match="cannot be kept from hearing"):
            await scene.privacy.pause()
        await scene.privacy.stop()

    assert play(what) == ["mute"]


def test_a_recording_that_stays_silent_is_tried_again():
    async def what(scene):
        await scene.privacy.pause(60)
        scene.cannot = True
        await asyncio.sleep(75)
        scene.cannot = False
        await asyncio.sleep(10)

    assert play(what) == [*BEGUN, f"public {privacy.NOTHING}", "unmute"]


def test_a_pause_does_not_begin_a_recording_that_was_stopped():
    async def what(scene):
        await scene.privacy.stop()
        await scene.privacy.pause(60)
        await asyncio.sleep(70)
        await scene.privacy.start()

    public = f"public {privacy.NOTHING}"
    assert play(what) == ["mute", *BEGUN, public, "unmute"]


def test_a_recording_that_is_started_in_a_pause_stays_silent_until_its_end():
    async def what(scene):
        await scene.privacy.stop()
        await scene.privacy.pause(60)
        await scene.privacy.start()
        scene.happened.append("started")
        await asyncio.sleep(70)

    done = play(what)
    assert done.index("unmute") > done.index("started")
