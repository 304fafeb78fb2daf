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
    TTS_CHARACTERS = "tts_characters"


@dataclass(frozen=True, slots=True)
class Use:
    meter: Meter
    model: str
    """`<provider>.<model>`; of CALL_SECONDS empty."""
    amount: float
    cost: float | None = 0.0
    """In the currency of the prices; None: they do not name this model."""
