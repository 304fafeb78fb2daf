"""Who has the floor: when a voice takes it from us, when the caller has finished.

Rules without clock or sound. Time is the caller's own: seconds of silence in his audio,
which the gate counts. hearing.py asks, and does what they say.
"""

from enum import Enum

from pipecat.frames.frames import (
    Frame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.turns.types import ProcessFrameResult
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import BaseUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

from .config import TurnsConfig
from .words import (
    Dictation,
    asks_for_dictation,
    dictation_complete,
    is_backchannel,
    is_hallucination,
    may_go_on,
    sounds_unfinished,
)

NEARLY_HEARD = 0.7
"""Seconds of us still to be heard. A "yes" that falls into them is an answer."""
FINISHED = 0.5
"""Probability, of media/endings.py, from which a caller sounds as if he were done."""


class Claim(Enum):
    """What a voice wants that is heard while we think or speak."""

    FLOOR = "floor"
    """The caller has something to say: we stop."""
    ACKNOWLEDGEMENT = "acknowledgement"
    """"Mm-hm": we go on."""
    NOTHING = "nothing"
    """A noise, or what a recogniser makes of one."""


def claim(text: str, language: str, unheard: float) -> Claim:
    if is_nothing(text, language):
        return Claim.NOTHING
    if len(text.split()) == 1 and sounds_unfinished(text, language):
        # "I'm", "um": a hum, or who goes on at once, and then it is more.
        return Claim.NOTHING
    if unheard > NEARLY_HEARD and is_backchannel(text, language):
        return Claim.ACKNOWLEDGEMENT
    return Claim.FLOOR


def is_nothing(text: str, language: str) -> bool:
    return not any(c.isalnum() for c in text) or is_hallucination(text)


def patience(
    text: str,
    language: str,
    finished: float | None,
    dictating: Dictation | None,
    config: TurnsConfig,
) -> float:
    """Seconds of silence to wait for after these words.

    `finished`: the probability that the caller sounds done; None: nobody listened.
    """
    if dictating is not None:
        complete = dictation_complete(text, dictating)
        return config.unsure if complete else config.dictation
    hanging = sounds_unfinished(text, language)
    if finished is None:
        return config.unfinished if hanging else config.done
    if finished < FINISHED:
        hanging = hanging or may_go_on(text, language)
        return config.unfinished if hanging else config.unsure
    return config.unsure if hanging else config.done


def listens_for(said: str, language: str, mode: str) -> Dictation | None:
    """What the caller is about to dictate, by our last words and the AI's key."""
    if mode == "never":
        return None
    asked = asks_for_dictation(said, language)
    return asked or (Dictation.NUMBER if mode == "always" else None)


class UtteranceEnds(BaseUserTurnStopStrategy):
    """Pipecat's turn is over when an utterance has ended and its transcript is here.

    The gate has waited for silence as long as these rules wanted, and the recogniser
    sends exactly one transcript for each utterance: no timer is needed.
    """

    def __init__(self) -> None:
        super().__init__()
        self._speaking = False

    async def process_frame(self, frame: Frame) -> ProcessFrameResult:
        match frame:
            case VADUserStartedSpeakingFrame():
                self._speaking = True
            case VADUserStoppedSpeakingFrame():
                self._speaking = False
            case TranscriptionFrame() if not self._speaking:
                await self.trigger_user_turn_stopped()
        return ProcessFrameResult.CONTINUE


def strategies() -> UserTurnStrategies:
    return UserTurnStrategies(
        start=[VADUserTurnStartStrategy()], stop=[UtteranceEnds()]
    )
