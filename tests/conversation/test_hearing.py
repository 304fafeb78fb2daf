"""Who has the floor, on scripts of what an ear notices. The recogniser is scripted,
too, and decodes as long as the script says; time is virtual."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from pipecat.frames.frames import (
    Frame,
    TranscriptionFrame,
    UserBackchannelFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)

from agent.calls.ai import AI
from agent.calls.heard import Heard
from agent.calls.usage import Meter, Use
from agent.conversation.config import TurnsConfig
from agent.conversation.errors import Cause, ProviderError
from agent.conversation.hearing import Hearing, Manners
from agent.conversation.seams import Transcript
from agent.conversation.standing import Standing
from agent.conversation.stopwatch import Stopwatch
from tests import virtual_time

TURNS = TurnsConfig(done=0.3, unsure=0.8, unfinished=1.4, dictation=2.0)


@dataclass
class Scripted:
    """A recogniser. Each decoding takes `seconds` and gives the next text."""

    texts: list[str | ProviderError]
    seconds: float = 0.1
    name: str = "fake.ears"
    asked: int = 0

    async def transcribe(self, pcm: bytes, rate: int, language: str) -> Transcript:
        self.asked += 1
        text = self.texts.pop(0)
        await asyncio.sleep(self.seconds)
        if isinstance(text, ProviderError):
            raise text
        return Transcript(text, language, self.seconds)


@dataclass
class FakeEar:
    rate: int = 8000
    silence: float = 0.5
    voice_ended: float = 0.0

    def speech(self) -> bytes:
        return bytes(1600)

    def fill(self) -> None: ...


@dataclass
class Scene:
    recognisers: list[Scripted]
    unheard: float = 0.0
    did: list[str] = field(default_factory=list)
    """What our voice was told, and what the pipeline."""
    patience: list[float] = field(default_factory=list)
    guesses: list[str | None] = field(default_factory=list)
    finished: float | None = None
    ai: AI = AI("desk", "You answer.")

    def __post_init__(self) -> None:
        self.hearing = Hearing(
            self.ai,
            self.recognisers,
            Standing(clock=lambda: 0.0),
            Stopwatch(),
            Manners(
                pause=lambda: self.did.append("pause"),
                hold=lambda: self.did.append("hold"),
                go_on=lambda: self.did.append("go on"),
                patience=self.patience.append,
                unheard=lambda: self.unheard,
            ),
            TURNS,
            judge=self._judge,
        )
        self.hearing.tell = self._told  # type: ignore[method-assign]
        self.hearing.guessed = self.guesses.append
        self.hearing.troubled = lambda stage, name, error: self.did.append(
            f"trouble {name} {error.cause}"
        )
        self.hearing.deaf = lambda: self.did.append("deaf")

    async def _judge(self, pcm: bytes, rate: int) -> float | None:
        return self.finished

    def _told(self, frame: Frame) -> None:
        match frame:
            case VADUserStartedSpeakingFrame():
                self.did.append("started")
            case VADUserStoppedSpeakingFrame():
                self.did.append("stopped")
            case TranscriptionFrame():
                self.did.append(f"said {frame.text!r}")
            case UserBackchannelFrame():
                self.did.append(f"acknowledged {frame.text!r}")

    async def play(self, script: str) -> None:
        """Words of Heard, and seconds between them."""
        for word in script.split():
            try:
                seconds = float(word)
            except ValueError:
                self.hearing.heard(Heard[word], FakeEar())
            else:
                await asyncio.sleep(seconds)


def played(
    script: str,
    texts: list[str | ProviderError],
    *,
    change: Callable[[Scene], None] = lambda scene: None,
    seconds: float = 0.1,
    **options: object,
) -> Scene:
    scene = Scene([Scripted(texts, seconds)], **options)  # type: ignore[arg-type]
    change(scene)
    virtual_time.run(scene.play(script))
    return scene


UTTERANCE = "ONSET 0.2 SPEECH 1 PAUSE 0.3 STOP 1"


def test_while_nobody_else_speaks_a_voice_has_the_floor():
    scene = played(UTTERANCE, ["When are you open?"])
    assert scene.did == ["pause", "started", "stopped", "said 'When are you open?'"]
    assert scene.patience == [TURNS.done]
    assert scene.guesses == ["When are you open?"]


def test_a_slow_recogniser_is_waited_for():
    scene = played(UTTERANCE, ["When are you open?"], seconds=0.9)
    assert scene.did[-2:] == ["stopped", "said 'When are you open?'"]
    assert scene.patience == [], "too late to say how long a silence ends it"


def test_who_goes_on_is_read_again():
    script = "ONSET SPEECH 1 PAUSE 0.3 RESUME 1 PAUSE 0.3 STOP 1"
    scene = played(script, ["I would like.", "I would like a room."])
    assert scene.did[-1] == "said 'I would like a room.'"
    assert scene.guesses[1] is None, "the first guess was taken back"


@pytest.mark.parametrize(
    ("text", "finished", "seconds"),
    [
        ("When are you open?", None, TURNS.done),
        ("When are you open?", 0.9, TURNS.done),
        ("When are you open?", 0.1, TURNS.unsure),
        ("I would like to", None, TURNS.unfinished),
        ("I would like to", 0.1, TURNS.unfinished),
        ("I would like to", 0.9, TURNS.unsure),
    ],
)
def test_words_and_melody_say_how_long_to_wait(text, finished, seconds):
    assert played(UTTERANCE, [text], finished=finished).patience == [seconds]


def test_who_dictates_has_time():
    def ask(scene: Scene) -> None:
        scene.hearing.agent_said("What is your phone number?")

    scene = played(UTTERANCE, ["It is oh four oh."], change=ask)
    assert scene.patience == [TURNS.dictation]
    assert scene.guesses == []
    assert "040" in scene.did[-1], "digits come in groups"


BUSY = {"unheard": 3.0}


def test_words_take_the_floor_from_us():
    scene = played(UTTERANCE, ["No, on Tuesday."], **BUSY)
    assert scene.did == [
        "pause",
        "hold",
        "started",
        "stopped",
        "said 'No, on Tuesday.'",
    ]


def test_long_speech_takes_it_before_it_pauses():
    script = "ONSET SPEECH 0.8 LONG 0.3"
    scene = played(script, ["No, I meant"], **BUSY)
    assert scene.did == ["pause", "hold", "started"]


@pytest.mark.parametrize("text", ["Mm-hmm.", "Yeah.", "Okay, right.", "Uh-huh."])
def test_an_acknowledgement_lets_us_go_on(text):
    scene = played(UTTERANCE, [text], **BUSY)
    assert scene.did == ["pause", "hold", "go on", f"acknowledged {text!r}"]


@pytest.mark.parametrize("text", ["", "...", "Thank you for watching!", "I'm", "Um."])
def test_a_noise_lets_us_go_on(text):
    assert played(UTTERANCE, [text], **BUSY).did == ["pause", "hold", "go on"]


def test_yes_to_a_question_that_is_nearly_over_is_an_answer():
    scene = played(UTTERANCE, ["Yes."], unheard=0.4)
    assert scene.did[-1] == "said 'Yes.'"


def test_an_acknowledgement_that_becomes_more_takes_the_floor():
    script = "ONSET SPEECH 0.3 PAUSE 0.3 RESUME 1 PAUSE 0.3 STOP 1"
    scene = played(script, ["Yeah.", "Yeah, but not on Monday."], **BUSY)
    assert scene.did == [
        "pause",
        "hold",
        "go on",
        "acknowledged 'Yeah.'",
        "hold",
        "started",
        "stopped",
        "said 'Yeah, but not on Monday.'",
    ]


def test_long_noise_does_not_end_our_turn_before_it_is_understood():
    script = "ONSET SPEECH 0.8 LONG 0.3 1 PAUSE 0.3 STOP 1"
    assert played(script, ["", ""], **BUSY).did == ["pause", "hold", "go on"]


def test_words_that_are_understood_late_still_take_the_floor():
    scene = played(UTTERANCE, ["Stop, please."], seconds=0.9, **BUSY)
    assert scene.did == ["pause", "hold", "started", "stopped", "said 'Stop, please.'"]


def test_a_cough_while_it_is_decided_decides_nothing():
    script = "ONSET SPEECH 0.5 PAUSE 0.3 STOP ONSET 0.1 FALSE_ALARM 1"
    scene = played(script, ["Wait a moment."], seconds=0.6, **BUSY)
    assert "go on" not in scene.did
    assert scene.did[-1] == "said 'Wait a moment.'"


def test_a_cough_alone():
    assert played("ONSET 0.1 FALSE_ALARM", [], **BUSY).did == ["pause", "go on"]


def test_while_we_think_words_are_a_claim_too():
    scene = Scene([Scripted(["Are you open?", "I mean on Sunday."])])

    async def twice() -> None:
        await scene.play(UTTERANCE)
        assert scene.hearing.thinking
        await scene.play(UTTERANCE)

    virtual_time.run(twice())
    assert scene.did[4:] == [
        "pause",
        "hold",
        "started",
        "stopped",
        "said 'I mean on Sunday.'",
    ]


def test_the_next_recogniser_is_asked_when_one_fails():
    first = Scripted([ProviderError(Cause.THROTTLED, "429")], name="cloud.ears")
    second = Scripted(["Hello?", "Are you there?"])
    scene = Scene([first, second])

    async def twice() -> None:
        await scene.play(UTTERANCE)
        await scene.play(UTTERANCE)

    virtual_time.run(twice())
    assert "trouble cloud.ears throttled" in scene.did
    assert "said 'Hello?'" in scene.did
    assert (first.asked, second.asked) == (1, 2), "it rests"


TENTH = 0.1
"""Seconds of what FakeEar has heard."""


@pytest.mark.parametrize(
    ("script", "first", "expected"),
    [
        (UTTERANCE, "Hello.", [("cloud.ears", TENTH)]),
        (
            "ONSET SPEECH 1 PAUSE 0.3 RESUME 1 PAUSE 0.3 STOP 1",
            "Hello.",
            [("cloud.ears", TENTH)] * 2,
        ),
        ("ONSET SPEECH 1 PAUSE", "Hello.", [("cloud.ears", TENTH)]),
        (UTTERANCE, ProviderError(Cause.THROTTLED, "429"), [("own.ears", TENTH)]),
        (
            UTTERANCE,
            ProviderError(Cause.STALLED, ""),
            [("cloud.ears", TENTH), ("own.ears", TENTH)],
        ),
    ],
    ids=["once", "a pause and the end", "the call ends first", "refused", "in vain"],
)
def test_what_the_ears_were_sent_is_told(script, first, expected):
    cloud = Scripted([first, "Hello you."], name="cloud.ears")
    scene = Scene([cloud, Scripted(["Hello."], name="own.ears")])
    uses: list[Use] = []
    scene.hearing.used = uses.append
    virtual_time.run(scene.play(script))
    assert uses == [Use(Meter.STT_SECONDS, name, seconds) for name, seconds in expected]


def test_when_nobody_understands_the_conversation_is_told():
    scene = played(UTTERANCE, [ProviderError(Cause.TIMEOUT, "")])
    assert scene.did[-3:] == ["stopped", "deaf", "said ''"] or scene.did[-3:] == [
        "deaf",
        "stopped",
        "said ''",
    ]


def test_on_hold_nobody_listens():
    def hold(scene: Scene) -> None:
        scene.hearing.close()

    assert played(UTTERANCE, [], change=hold).did == ["hold"]


def test_keys_are_a_turn():
    scene = Scene([])
    scene.hearing.typed("The caller pressed 1.")
    assert scene.did == ["started", "stopped", "said 'The caller pressed 1.'"]


def _plugged(script: str, texts: list[str | ProviderError], **options: object) -> Scene:
    """`PLUG` and `UNPLUG` among the words of the script."""

    class Private(Scene):
        async def play(self, script: str) -> None:
            before, _, rest = script.partition("PLUG")
            await super().play(before)
            self.hearing.plug()
            inside, _, after = rest.partition("UNPLUG")
            await super().play(inside)
            self.hearing.unplug()
            await super().play(after)

    scene = Private([Scripted(texts)], **options)  # type: ignore[arg-type]
    virtual_time.run(scene.play(script))
    return scene


def test_what_was_being_said_when_privacy_began_is_a_turn_of_which_nothing_is_known():
    scene = _plugged("SPEECH 1 PAUSE 0.01 PLUG 1 STOP 1", ["four nine two nine"])
    assert scene.did == ["started", "stopped", "said ''", "go on"]
    assert scene.guesses == [None]


def test_nothing_is_heard_in_private_and_what_began_there_is_not_heard_after_it():
    scene = _plugged(
        "PLUG ONSET SPEECH 1 PAUSE 0.2 STOP 1 SPEECH 1 UNPLUG PAUSE 0.2 STOP 1",
        ["four nine", "two nine"],
    )
    assert scene.did == ["go on"]
    assert len(scene.recognisers[0].texts) == 2, "nobody was asked"


def test_what_is_said_after_it_is_heard():
    scene = _plugged("PLUG 1 UNPLUG SPEECH 1 PAUSE 0.2 STOP 1", ["Thank you."])
    assert scene.did == ["go on", "started", "stopped", "said 'Thank you.'"]


def test_our_own_words_go_on_when_a_claim_is_forgotten():
    scene = _plugged("ONSET SPEECH 1 PLUG 1", ["four nine"], unheard=5.0)
    assert scene.did == ["pause", "hold", "go on"]
