"""What the caller says: decoded, gated into speech, kept until it is transcribed."""

import math
import time
from collections.abc import Callable

from agent.calls.heard import Heard
from agent.wire.audio import Codec

from . import vad
from .audio import DECODE, Resampler, rms
from .config import GateConfig
from .gate import WINDOW_SECONDS, Gate
from .loudness import Loudness
from .noise import MakeFilter

PRE_ROLL = 0.4
"""Seconds kept from before the onset: a soft first consonant is below every gate."""
GAP = 0.15
"""Seconds without a frame that are more than jitter."""
_DRIFT = 0.01
"""Seconds in a second, more than any two clocks drift apart."""


class Ear:
    def __init__(
        self,
        codec: Codec,
        detector: vad.Vad,
        config: GateConfig,
        noise: MakeFilter | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.gate = Gate(config)
        self.codec = codec
        self.rate = codec.rate
        self._decode = DECODE[codec.name]
        self._narrow = Resampler(vad.RATE)
        self._listener = detector.listen(self._on_window)
        self._noise = noise(codec.rate, self._detect) if noise else None
        self.on_audio: Callable[[bytes], None] | None = None
        """Wants all of it, as it comes; only a model that hears for itself does."""
        self._clock = clock
        self.heard_at = -math.inf
        """When the last frame came."""
        self._filled_until = -math.inf
        self._loudness = Loudness(lambda payload: rms(self._decode(payload)))
        self.frames = 0
        self.seconds = self.loud = self.voiced = 0.0
        """Of all that came; of it louder than the floor; of that a voice."""
        self.late = 0.0
        """Seconds by which sound was held up on its way, at worst, and came at once."""
        self._slowest = -math.inf
        self.on_heard: Callable[[Heard], None] = lambda what: None
        self._speech = bytearray()
        self._pre_roll = 2 * int(PRE_ROLL * codec.rate)

    def hear(self, payload: bytes) -> None:
        self.heard_at = self._clock()
        if self.on_audio is not None:
            self.on_audio(payload)
        pcm = self._decode(payload)
        seconds = len(pcm) / 2 / self.rate
        self.frames += 1
        self._measure(self.heard_at - self.seconds, seconds)
        self.seconds += seconds
        self._loudness.frame(payload, seconds, self.heard_at)
        self._take(pcm)

    def _measure(self, delay: float, seconds: float) -> None:
        """`delay`: the clock, less the sound that had come before. In a pause of the
        sender it grows, and stays so; it falls where what was held up comes at once.
        Clocks drift apart, so an old delay is forgotten bit by bit."""
        self._slowest = max(delay, self._slowest - _DRIFT * seconds)
        self.late = max(self.late, self._slowest - delay)

    def _take(self, pcm: bytes) -> None:
        self._speech += pcm
        if not self.gate.open and len(self._speech) > 2 * self._pre_roll:
            del self._speech[: -self._pre_roll]
        if self._noise is None:
            self._detect(pcm)
        else:
            self._noise.hear(pcm)

    @property
    def silence(self) -> float:
        """Seconds since the caller was last heard."""
        return self.gate.silence

    @property
    def voice_ended(self) -> float:
        """When the last of the caller's voice came, by the clock."""
        now = self._clock()
        return self._loudness.ended(now - self.gate.silence, now)

    def fill(self) -> None:
        """Silence for the time in which no frame came: a phone that suppresses silence
        would else never finish what its owner has begun to say."""
        missing = self._clock() - max(self.heard_at, self._filled_until)
        if missing >= GAP:
            self._filled_until = self._clock()
            self._take(bytes(2 * int(missing * self.rate)))

    def speech(self) -> bytes:
        """16-bit samples at `rate`, from a little before the onset until now."""
        return bytes(self._speech)

    def close(self) -> None:
        if self._noise is not None:
            self._noise.close()
        self._listener.close()

    def _detect(self, pcm: bytes) -> None:
        self._listener.hear(self._narrow.resample(pcm, self.rate))

    def _on_window(self, probability: float, loudness: float) -> None:
        if loudness >= self.gate.config.floor:
            self.loud += WINDOW_SECONDS
            if probability >= self.gate.config.voiced:
                self.voiced += WINDOW_SECONDS
        heard = self.gate.window(probability, loudness)
        if heard is None:
            return
        if heard is Heard.ONSET:
            del self._speech[: -self._pre_roll]
        self.on_heard(heard)
        if heard is Heard.STOP:
            del self._speech[: -self._pre_roll]
