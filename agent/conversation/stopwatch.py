"""Where the time between the caller's last word and our first one goes.

Told by the processors as a reply is made; read when the reply has been heard.
"""

import time
from dataclasses import dataclass, field

from agent.observe import metrics


@dataclass(slots=True)
class Stopwatch:
    """One call's. Times are of the monotonic clock; what did not happen is None."""

    _stopped: float | None = None
    """When the caller fell silent: before the silence that proved it."""
    _decoding: float | None = None
    """Seconds of the last utterance's."""
    _turn_over: float | None = None
    _first_token: float | None = None
    _parts: dict[str, float] = field(default_factory=dict)

    def caller_stopped(self, silence: float) -> None:
        self._stopped = time.monotonic() - silence
        self._turn_over = self._first_token = None
        self._parts = {"silence": silence}
        if self._decoding is not None:
            self._parts["stt"] = self._decoding

    def transcribed(self, seconds: float) -> None:
        """Often before it is known that he has stopped."""
        self._decoding = self._parts["stt"] = seconds
        metrics.stt_seconds.observe(seconds)

    def asked(self) -> None:
        """The model was asked for an answer."""
        self._turn_over = time.monotonic()

    def first_token(self) -> None:
        if self._first_token is None and self._turn_over is not None:
            self._first_token = time.monotonic()
            self._parts["llm"] = self._first_token - self._turn_over
            metrics.llm_first_token_seconds.observe(self._parts["llm"])

    def first_audio(self, seconds: float) -> None:
        """Of a sentence; `seconds` since the TTS was asked for it."""
        metrics.tts_first_audio_seconds.observe(seconds)
        self._parts.setdefault("tts", seconds)

    def replied(self) -> None:
        """Our first sound has left."""
        if self._stopped is not None:
            self._parts["reply"] = time.monotonic() - self._stopped
            metrics.reply_seconds.observe(self._parts["reply"])
            self._stopped = None

    def take(self) -> dict[str, float]:
        """The parts of the reply that is over, in seconds."""
        parts, self._parts = self._parts, {}
        return {name: round(seconds, 3) for name, seconds in parts.items()}
