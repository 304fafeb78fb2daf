"""Where the time between the caller's last sound and our first one goes.

Told by the processors as a reply is made; read when the reply has been heard. `heard`
is what the caller waited: until Asterisk played our first loud frame to him. `reply`
ends when it left us; the other parts say where the time went.
"""

import time
from dataclasses import dataclass, field

from agent.observe import metrics

SLOW = 3.0
"""Seconds for an utterance or a sentence: somebody should look, some day."""


@dataclass(slots=True)
class Stopwatch:
    """One call's. Times are of the monotonic clock; what did not happen is None."""

    _stopped: float | None = None
    """When the caller fell silent, and has heard no answer yet."""
    _replied: bool = False
    """Our answer to that has left, or a filler."""
    _waits_since: float | None = None
    """When he fell silent, and has got no answer yet: no filler is one."""
    _decoding: float | None = None
    """Seconds of the last utterance's, if it is not over yet."""
    _undecoded: bool = False
    """It is over, and not decoded yet."""
    _turn_over: float | None = None
    _first_token: float | None = None
    _parts: dict[str, float] = field(default_factory=dict)
    _before: dict[str, float] = field(default_factory=dict)
    """Of the reply before, as long as nobody has taken them."""

    def caller_stopped(self, ended: float, proved: float) -> None:
        """When his last sound came, and when we were sure that it was the last."""
        self._before = self._parts
        self._stopped, self._replied = ended, False
        self._waits_since = ended
        self._turn_over = self._first_token = None
        self._parts = {"silence": proved - ended}
        metrics.turn_silence_seconds.observe(proved - ended)
        self._undecoded = self._decoding is None
        if self._decoding is not None:
            self._parts["stt"], self._decoding = self._decoding, None

    def nothing_said(self) -> None:
        """It was no words: what we say next answers nobody."""
        self._stopped = None
        self._parts = {}
        self.no_answer()

    def no_answer(self) -> None:
        """There will be none, and he is told so."""
        self._waits_since = None

    def transcribed(self, seconds: float) -> None:
        """Often before it is known that he has stopped."""
        if self._undecoded:
            self._parts["stt"], self._undecoded = seconds, False
        else:
            self._decoding = seconds
        metrics.stt_seconds.observe(seconds)

    def asked(self) -> None:
        """The model was asked for an answer."""
        self._turn_over = time.monotonic()
        self._undecoded = False

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
        if self._first_token is not None:
            self._waits_since = None
        if self._waiting and self._stopped is not None:
            self._replied = True
            self._parts["reply"] = time.monotonic() - self._stopped
            metrics.reply_seconds.observe(self._parts["reply"])

    def heard(self, at: float) -> None:
        """The caller began to hear us."""
        if self._stopped is not None and self._replied:
            self._parts[metrics.HEARD] = at - self._stopped
            self._stopped = None

    def waiting(self) -> tuple[str, float] | None:
        """For which part of an answer the caller waits now, and how many seconds he
        has; None: he does not."""
        if self._waits_since is None:
            return None
        if self._turn_over is None:
            part = "stt"
        else:
            part = "llm" if self._first_token is None else "tts"
        return part, time.monotonic() - self._waits_since

    def take(self) -> dict[str, float]:
        """The parts of the reply that is over, in seconds."""
        if self._waiting:  # he has spoken again: it is the reply before that is over
            parts, self._before = self._before, {}
        else:
            parts, self._parts = self._parts, {}
            self._stopped = None
        return {name: round(seconds, 3) for name, seconds in parts.items()}

    @property
    def _waiting(self) -> bool:
        return self._stopped is not None and not self._replied
