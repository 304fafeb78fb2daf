"""When the caller's turn begins and when it is over."""

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


class UtteranceEnds(BaseUserTurnStopStrategy):
    """The turn is over when an utterance has ended and its transcript is here.

    The gate has already waited for silence, and the recogniser sends exactly one
    transcript for each utterance, empty if it understood nothing: no timer is needed.
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
