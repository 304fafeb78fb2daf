"""From the probability of speech in each window to: he speaks, pauses, is done.

Two thresholds in each direction. The first voiced window is only a suspicion (ONSET):
it may pause our voice, and a cough takes it back (FALSE_ALARM). The first short
silence (PAUSE) starts transcription early; a longer one (STOP) ends the utterance.
No clock: a window is 32 ms of the caller's audio.
"""

from agent.calls.heard import Heard

from .config import GateConfig

WINDOW_SECONDS = 0.032


class Gate:
    def __init__(self, config: GateConfig) -> None:
        self.config = config
        self.stop = config.stop
        """Of this pause: who knows what was said may stretch or shorten it."""
        self._long = round(config.long / WINDOW_SECONDS)
        self._speaking = False
        self._paused = False
        self._voiced = 0
        """Windows: of a suspicion those voiced, of speech all."""
        self._silent = 0
        """Windows since the last voiced one."""

    @property
    def open(self) -> bool:
        """Something is being heard, or suspected."""
        return self._voiced > 0

    @property
    def silence(self) -> float:
        """Seconds since the caller was last heard."""
        return self._silent * WINDOW_SECONDS

    @property
    def paused(self) -> bool:
        """The caller is silent, and may go on."""
        return self._paused

    @property
    def speaking(self) -> bool:
        return self._speaking

    def window(self, probability: float, loudness: float) -> Heard | None:
        voiced = self._is_voiced(probability, loudness)
        self._silent = 0 if voiced else self._silent + 1
        if self._speaking:
            return self._while_speaking(voiced)
        if voiced:
            self._voiced += 1
            if self._voiced * WINDOW_SECONDS >= self.config.confirm:
                self._speaking = True
                return Heard.SPEECH
            return Heard.ONSET if self._voiced == 1 else None
        if self._voiced and self._silent >= 2:
            self._voiced = 0
            return Heard.FALSE_ALARM
        return None

    def _is_voiced(self, probability: float, loudness: float) -> bool:
        if loudness < self.config.floor:
            return False
        in_speech = self._speaking and not self._paused
        return probability >= (
            self.config.unvoiced if in_speech else self.config.voiced
        )

    def _while_speaking(self, voiced: bool) -> Heard | None:
        self._voiced += 1
        if self._voiced * WINDOW_SECONDS >= self.config.longest:
            return self._stop()
        if voiced and self._paused:
            self._paused = False
            self.stop = self.config.stop
            return Heard.RESUME
        if self.silence >= self.stop:
            return self._stop()
        if self.silence >= self.config.pause and not self._paused:
            self._paused = True
            return Heard.PAUSE
        if self._voiced == self._long and not self._paused:
            return Heard.LONG
        return None

    def _stop(self) -> Heard:
        self._speaking = self._paused = False
        self._voiced = 0
        self.stop = self.config.stop
        return Heard.STOP
