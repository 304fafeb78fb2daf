"""What a call uses of what costs money."""

from dataclasses import dataclass
from enum import StrEnum


class Meter(StrEnum):
    CALL_SECONDS = "call_seconds"
    STT_SECONDS = "stt_seconds"
    LLM_INPUT_TOKENS = "llm_input_tokens"
    """Read, and not from a cache."""
    LLM_CACHED_TOKENS = "llm_cached_tokens"
    LLM_OUTPUT_TOKENS = "llm_output_tokens"
    LLM_AUDIO_INPUT_TOKENS = "llm_audio_input_tokens"
    """Of models that hear and speak; those above are of text."""
    LLM_AUDIO_CACHED_TOKENS = "llm_audio_cached_tokens"
    LLM_AUDIO_OUTPUT_TOKENS = "llm_audio_output_tokens"
    TTS_CHARACTERS = "tts_characters"
    UNREPORTED_REQUESTS = "unreported_requests"
    """Answers of which the provider did not say what they took, as a rule because
    they were interrupted. They cost something, and nobody here knows how much."""


@dataclass(frozen=True, slots=True)
class Use:
    meter: Meter
    model: str
    """`<provider>.<model>`; of CALL_SECONDS empty."""
    amount: float
    cost: float | None = 0.0
    """In the currency of the prices; None: they do not name this model."""
