"""What the operator decides about ears, minds, voices and the letters of AIs.

Apart, because pipecat and the clients of providers take their time to import.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.calls.ai import AI

from . import catalogue
from .catalogue import (
    LOCAL_EARS,
    LOCAL_MIND,
    LOCAL_VOICE,
    TELEPHONE_RATE,
    Api,
    Endpoint,
    Patience,
    SpeechEndpoint,
)

SECURITY = ("starttls", "tls", "none")


@dataclass(frozen=True, slots=True)
class TurnsConfig:
    """Seconds of silence that end a turn."""

    done: float = 0.45
    """After a whole sentence, said with a voice that falls."""
    unsure: float = 1.0
    """When words and voice do not agree."""
    unfinished: float = 2.0
    """After "I would like to", "my number is", "um"."""
    dictation: float = 2.2
    """In the middle of a number, an address, a name that is spelled."""


@dataclass(frozen=True, slots=True)
class WhisperConfig:
    folder: Path
    window: float = 12.0
    """Seconds that the encoder sees; longer speech is cut at its quietest places."""
    threads: int = 2
    """Of one decoding."""
    workers: int = 1
    """Decodings at once."""
    beam: int = 1
    nice: int = 5
    """Priority of the decoding threads below the loop that moves audio."""


@dataclass(frozen=True, slots=True)
class ProvidersConfig:
    """Endpoints by name, and for each kind what an AI has that names none."""

    minds: Mapping[str, Endpoint] = field(default_factory=dict)
    ears: Mapping[str, Endpoint] = field(default_factory=dict)
    voices: Mapping[str, SpeechEndpoint] = field(default_factory=dict)
    engine_model: str = ""
    """`<provider>.<model>`; empty: the model of this machine."""
    stt: str = ""
    """The same; empty: Whisper in this process."""
    tts: str = ""
    """The same; empty: Piper on this machine."""

    def used(self, ais: Iterable[AI]) -> frozenset[str]:
        """The providers that these AIs need, those of this machine among them."""
        return frozenset(
            model.partition(".")[0]
            for ai in ais
            for model in (
                ai.engine_model or self.engine_model or f"{LOCAL_MIND}.",
                ai.stt or self.stt or f"{LOCAL_EARS}.",
                ai.tts or self.tts or f"{LOCAL_VOICE}.",
                *ai.fallback_models,
            )
        )

    def with_local_mind(self, base_url: str, model: str) -> "ProvidersConfig":
        """llama.cpp's server on this machine, which closes after each answer."""
        local = Endpoint(
            Api.OPENAI,
            base_url,
            models=(model,),
            patience=Patience(first=15),
            keeps_connections=False,
        )
        return replace(
            self,
            minds={**self.minds, LOCAL_MIND: local},
            engine_model=self.engine_model or f"{LOCAL_MIND}.{model}",
        )

    def with_piper(self, base_url: str, voices: Sequence[str]) -> "ProvidersConfig":
        """Our own speech server; `voices` are the models that it has, with or without
        "piper-", the first for whom none fits."""
        files = [name.removeprefix("piper-") for name in voices]
        piper = SpeechEndpoint(
            Api.OPENAI,
            base_url,
            voice=files[0] if files else "",
            voices=tuple(catalogue.piper_voice(file) for file in files),
            rate=TELEPHONE_RATE,
            asks_rate=True,
        )
        return replace(
            self,
            voices={**self.voices, LOCAL_VOICE: piper},
            tts=self.tts or f"{LOCAL_VOICE}.{LOCAL_VOICE}",
        )


@dataclass(frozen=True, slots=True)
class SmtpConfig:
    host: str
    sender: str
    """The address that e-mails come from."""
    port: int = 587
    security: str = "starttls"
    """Or "tls" from the first byte, or "none", for a relay on this machine."""
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SenderConfig:
    """Whoever sends SMS or chat messages for us, behind one URL."""

    url: str
    token: str = field(default="", repr=False)
    """Bearer."""
    body: Mapping[str, Any] = field(
        default_factory=lambda: {"to": "{to}", "text": "{text}"}
    )
    """JSON of the request; {to} and {text} in its strings are replaced."""
