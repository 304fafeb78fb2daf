"""What the caller says: speech to text, and whether it takes the floor.

Told by the ear what it notices, not every frame. At the first short pause the utterance
so far is decoded, on suspicion; what it says decides how long a silence ends it. While
we think or speak a voice is only a claim: we fall silent at once and keep our words,
and say them after all if it was a cough or "mm-hm".
"""

import asyncio
import contextvars
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from loguru import logger
from pipecat.frames.frames import (
    UserBackchannelFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.utils.time import time_now_iso8601

from agent.calls.ai import AI
from agent.calls.heard import Heard
from agent.observe.logs import words

from . import turns
from .config import TurnsConfig
from .ears import CALLER, Ear, Ears
from .errors import ProviderError
from .metering import MeteredRecogniser
from .seams import Recogniser, Transcript
from .standing import Standing
from .stopwatch import SLOW, Stopwatch
from .turns import Claim
from .words import group_digits


@dataclass(frozen=True, slots=True)
class Manners:
    """What our own voice does while the caller's is heard; the session wires it."""

    pause: Callable[[], None]
    """It holds its breath, in case somebody speaks."""
    hold: Callable[[], None]
    """It waits until it is known what he wants; no word is lost."""
    go_on: Callable[[], None]
    patience: Callable[[float], None]
    """Seconds of silence that end the utterance that pauses now."""
    unheard: Callable[[], float]
    """Seconds of us that the caller has still to hear."""


FILL_EVERY = 0.2
"""Seconds between two looks whether the caller's sound still comes."""

JUDGE_DEADLINE = 0.2
"""Seconds that the words wait for the melody; on a busy machine they are first."""

Judge = Callable[[bytes, int], Awaitable[float | None]]
"""How probable it is that an utterance sounds finished: media/endings.py."""


@dataclass(slots=True, eq=False)
class _Utterance:
    contested: bool
    """It is not known yet whether it wants the floor."""
    passed: bool = False
    """It did not: whatever it was, we go on."""
    reading: "asyncio.Task[None] | None" = None
    """What was said until the last pause, being found out."""
    said: Transcript | None = None
    over: bool = False
    silence: float = 0.0
    """Seconds of it that proved the end, by the gate."""
    voice_ended: float = 0.0
    """When its last sound came, on the monotonic clock."""
    proved: float = 0.0
    """When we were sure that it was the last."""


class Hearing(Ears):
    """The ears of a telephone call."""

    def __init__(
        self,
        ai: AI,
        recognisers: Sequence[Recogniser],
        standing: Standing,
        stopwatch: Stopwatch,
        manners: Manners,
        config: TurnsConfig,
        *,
        judge: Judge | None = None,
    ) -> None:
        super().__init__(ai)
        # Who listens to `used` is known later.
        self._recognisers = [
            MeteredRecogniser(recogniser, lambda use: self.used(use))
            for recogniser in recognisers
        ]
        self._standing = standing
        self._stopwatch = stopwatch
        self._manners = manners
        self._config = config
        self._judge = judge
        self._readings: set[asyncio.Task[None]] = set()
        self._utterance: _Utterance | None = None
        # The ear's news come from the one voice detector, which belongs to no call.
        self._in_call = contextvars.copy_context()
        self._undecided = 0
        """Utterances that are over, and nobody knows yet what they wanted."""

    def heard(self, what: Heard, ear: Ear) -> None:
        if self.closed or self.private:
            return
        match what:
            case Heard.ONSET:
                self._manners.pause()
            case Heard.FALSE_ALARM if not self._undecided:
                self._manners.go_on()
            case Heard.SPEECH:
                self._begin(ear)
            case Heard.LONG if self._utterance and self._utterance.contested:
                self._read(self._utterance, ear)
            case Heard.PAUSE if self._utterance:
                self._utterance.reading = self._read(self._utterance, ear)
            case Heard.RESUME if self._utterance:
                self._resume(self._utterance)
            case Heard.STOP if self._utterance:
                self._stop(self._utterance, ear)
            case _:
                pass

    def close(self) -> None:
        super().close()
        self._utterance = None
        self._manners.hold()

    def open(self) -> None:
        super().open()
        self._manners.go_on()

    def plug(self) -> None:
        super().plug()
        utterance, self._utterance = self._utterance, None
        if utterance is not None:
            if not utterance.contested and not utterance.passed:
                # It has the floor: a turn of which nothing is known.
                self.tell(VADUserStoppedSpeakingFrame())
                self.tell_text("")
            if utterance.reading is not None:
                utterance.reading.cancel()
            utterance.over = utterance.passed = True
            utterance.contested, utterance.reading = False, None
        if not self._undecided:
            self._manners.go_on()

    async def _end(self) -> None:
        await super()._end()
        for reading in self._readings:
            reading.cancel()

    # The caller's voice.

    def _begin(self, ear: Ear) -> None:
        busy = self.thinking or self._manners.unheard() > 0
        self._utterance = utterance = _Utterance(contested=busy)
        self._see_that_it_ends(utterance, ear)
        if busy:
            self._manners.hold()
        else:
            self.tell(VADUserStartedSpeakingFrame())

    def _see_that_it_ends(self, utterance: _Utterance, ear: Ear) -> None:
        if not utterance.over and not self.closed:
            ear.fill()
            loop = asyncio.get_running_loop()
            loop.call_later(FILL_EVERY, self._see_that_it_ends, utterance, ear)

    def _resume(self, utterance: _Utterance) -> None:
        self.guessed(None)
        utterance.reading = utterance.said = None
        if utterance.passed:
            # "Mm-hm, but ...": what we took for nothing goes on.
            utterance.passed, utterance.contested = False, True
            self._manners.hold()

    def _stop(self, utterance: _Utterance, ear: Ear) -> None:
        self._utterance = None
        utterance.over, utterance.silence = True, ear.silence
        utterance.voice_ended, utterance.proved = ear.voice_ended, time.monotonic()
        self._undecided += utterance.contested
        if utterance.reading is None and not utterance.passed:
            # Cut off in mid-speech, for its length.
            utterance.reading = self._read(utterance, ear)
        if not utterance.contested and not utterance.passed:
            self._tell_end(utterance)

    # What it says.

    def _read(self, utterance: _Utterance, ear: Ear) -> asyncio.Task[None]:
        reading = asyncio.create_task(
            self._find_out(utterance, ear.speech(), ear.rate),
            name="reading",
            context=self._in_call.copy(),
        )
        self._readings.add(reading)
        reading.add_done_callback(self._readings.discard)
        return reading

    async def _find_out(self, utterance: _Utterance, pcm: bytes, rate: int) -> None:
        judging = asyncio.create_task(self._judged(pcm, rate))
        try:
            transcript = await self._transcribe(pcm, rate)
            await asyncio.wait([judging], timeout=JUDGE_DEADLINE)
            finished = judging.result() if judging.done() else None
        finally:
            judging.cancel()
        fresh = utterance.reading is asyncio.current_task()
        if utterance.contested:
            self._weigh(utterance, transcript.text, silent=fresh)
            if utterance.over and not utterance.contested:
                self._undecided -= 1
        if fresh and not utterance.contested and not utterance.passed:
            utterance.said = transcript
            if utterance.over:
                self.tell_text(transcript.text)
            else:
                self._expect_end(transcript.text, finished)

    async def _judged(self, pcm: bytes, rate: int) -> float | None:
        return None if self._judge is None else await self._judge(pcm, rate)

    def _weigh(self, utterance: _Utterance, text: str, *, silent: bool) -> None:
        """What a voice wants that is heard while we think or speak."""
        claim = turns.claim(text, self._ai.language, self._manners.unheard())
        if claim is Claim.FLOOR:
            utterance.contested = False
            self.tell(VADUserStartedSpeakingFrame())
            if utterance.over:
                self._tell_end(utterance)
        elif silent:
            utterance.contested, utterance.passed = False, True
            if self._utterance in (None, utterance):
                self._manners.go_on()
            if claim is Claim.ACKNOWLEDGEMENT:
                logger.log(words(), "[STT] while we speak: {}", text)
                self.tell(UserBackchannelFrame(text, CALLER, time_now_iso8601()))

    def _expect_end(self, text: str, finished: float | None) -> None:
        """The caller pauses after these words: is this his turn?"""
        if turns.is_nothing(text, self._ai.language):
            return
        wait = turns.patience(
            text, self._ai.language, finished, self.dictating, self._config
        )
        self._manners.patience(wait)
        if wait <= self._config.unsure:
            self.guessed(text)

    async def _transcribe(self, pcm: bytes, rate: int) -> Transcript:
        for recogniser in self._standing.order(self._recognisers):
            try:
                transcript = await recogniser.transcribe(pcm, rate, self._ai.hears)
            except ProviderError as error:
                self._standing.failed(recogniser.name, error.cause)
                self.troubled("stt", recogniser.name, error)
                continue
            self._standing.worked(recogniser.name)
            self._stopwatch.transcribed(transcript.seconds)
            said = transcript.text
            logger.log(
                # Of most utterances the turn tells enough, in one line.
                "WARNING"
                if transcript.seconds >= SLOW
                else "DEBUG"
                if said
                else "INFO",
                "[STT] {:.2f} s: {} words",
                *(transcript.seconds, len(said.split())),
            )
            logger.log(words(), "[STT] {}", said)
            if self.dictating is None:
                return transcript
            return replace(transcript, text=group_digits(transcript.text))
        self.deaf()
        return Transcript("", self._ai.hears, 0.0)

    # News for the pipeline, in order.

    def _tell_end(self, utterance: _Utterance) -> None:
        self._stopwatch.caller_stopped(utterance.voice_ended, utterance.proved)
        self.tell(VADUserStoppedSpeakingFrame(stop_secs=utterance.silence))
        if utterance.said is not None:
            self.tell_text(utterance.said.text)
