"""What the operator decides about the caller's sound.

Apart, because what cleans it takes its time to import.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GateConfig:
    voiced: float = 0.5
    """Probability from which a window counts as voiced."""
    unvoiced: float = 0.35
    """Probability below which it counts as silent; between the two it continues."""
    floor: float = -55.0
    """dBFS. What is quieter is not the caller: crosstalk, breath, comfort noise."""
    confirm: float = 0.16
    """Seconds of voice that make a suspicion speech."""
    pause: float = 0.16
    """Seconds of silence after which transcription starts."""
    stop: float = 0.5
    """Seconds of silence that end an utterance."""
    long: float = 0.8
    """Seconds of voice after which it is worth knowing what is being said."""
    longest: float = 60.0
    """Seconds after which an utterance ends even if the caller speaks on."""


@dataclass(frozen=True, slots=True)
class NoiseServiceConfig:
    url: str = "ws://127.0.0.1:8005"
