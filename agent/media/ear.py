"""What the caller says: decoded, gated into speech, kept until it is transcribed."""

from collections.abc import Callable

from agent.wire.audio import Codec

from . import vad
from .audio import DECODE, Resampler
from .gate import Gate, GateConfig, Heard
from .noise import MakeFilter

PRE_ROLL = 0.4
"""Seconds kept from before the onset: a soft first consonant is below every gate."""


class Ear:
    def __init__(
        self,
        codec: Codec,
        detector: vad.Vad,
        config: GateConfig,
        on_heard: Callable[[Heard], None],
        noise: MakeFilter | None = None,
    ) -> None:
        self.gate = Gate(config)
        self.rate = codec.rate
        self._decode = DECODE[codec.name]
        self._narrow = Resampler(vad.RATE)
        self._listener = detector.listen(self._on_window)
        self._noise = noise(codec.rate, self._detect) if noise else None
        self._on_heard = on_heard
        self._speech = bytearray()
        self._pre_roll = 2 * int(PRE_ROLL * codec.rate)

    def hear(self, payload: bytes) -> None:
        pcm = self._decode(payload)
        self._speech += pcm
        if not self.gate.open and len(self._speech) > 2 * self._pre_roll:
            del self._speech[: -self._pre_roll]
        if self._noise is None:
            self._detect(pcm)
        else:
            self._noise.hear(pcm)

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
        heard = self.gate.window(probability, loudness)
        if heard is None:
            return
        if heard is Heard.ONSET:
            del self._speech[: -self._pre_roll]
        self._on_heard(heard)
        if heard is Heard.STOP:
            del self._speech[: -self._pre_roll]
