"""OpenAI's Realtime protocol: what is written to such a server, and read from it.

Two shapes of one protocol: today's, and the beta's of before 2025-08, which servers
of one's own (speaches) still speak. Events are read as today's.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from agent.calls.usage import Meter, Use

from .errors import Cause, ProviderError

PCM_RATE = 24000
"""The only one that servers of this type know for linear samples."""

G711 = {"ulaw": ("audio/pcmu", "g711_ulaw"), "alaw": ("audio/pcma", "g711_alaw")}
"""Their names in today's API, and in its beta."""

ALREADY_ANSWERING = "conversation_already_has_active_response"

MOST_USED = 1e9
"""Tokens, or seconds, of one answer: what is above is nonsense."""

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RealtimeConfig:
    """A server of this type: OpenAI, Azure, LocalAI, speaches."""

    provider: str
    model: str
    url: str = "wss://api.openai.com/v1/realtime"
    key: str = ""
    key_header: str = "Authorization"
    """Azure wants "api-key"."""
    voice: str = ""
    """Empty: the server's default."""
    transcription: str = "gpt-4o-mini-transcribe"
    """What writes down the caller's words. Empty: the record has none of them."""
    turns: str = "server_vad"
    """Who decides that the caller is done: this, or "semantic_vad"."""
    silence: float = 0.5
    """Seconds of it that end a turn, by server_vad."""
    deadline: float = 4.0
    """Seconds until an answer begins, and between two pieces of it."""
    g711: bool = True
    """It takes a call's own µ-law or A-law. Otherwise samples at 24 kHz."""
    beta: bool = False
    """It still has the API of before 2025-08, as speaches."""

    @property
    def name(self) -> str:
        return f"{self.provider}.{self.model}"

    @property
    def address(self) -> str:
        url = self.url.replace("http", "ws", 1) if self.url[:4] == "http" else self.url
        separator = "&" if "?" in url else "?"
        return f"{url}{separator}model={quote(self.model, safe='')}"

    def headers(self) -> dict[str, str]:
        if not self.key:
            return {}
        bearer = self.key_header.lower() == "authorization"
        headers = {self.key_header: f"Bearer {self.key}" if bearer else self.key}
        return headers | ({"OpenAI-Beta": "realtime=v1"} if self.beta else {})


def session(
    config: RealtimeConfig,
    codec: str,
    language: str,
    instructions: str,
    tools: Sequence[Mapping[str, Any]],
) -> Event:
    """What we want of the server. `codec` is the call's; `language` BCP-47 or auto."""
    turns: Event = {
        "type": config.turns,
        "create_response": True,
        "interrupt_response": True,
    }
    if config.turns == "server_vad":
        turns["silence_duration_ms"] = round(config.silence * 1000)
    transcription: Event | None = None
    if config.transcription:
        transcription = {"model": config.transcription}
        if language != "auto":
            transcription["language"] = language.partition("-")[0].lower()
    wanted: Event = {"instructions": instructions}
    if tools:
        wanted["tools"] = [{"type": "function", **tool} for tool in tools]
        wanted["tool_choice"] = "auto"
    voice = {"voice": config.voice} if config.voice else {}
    names = G711.get(codec) if config.g711 else None
    if config.beta:
        wanted |= voice | {"modalities": ["audio", "text"], "turn_detection": turns}
        if transcription is not None:
            wanted["input_audio_transcription"] = transcription
        if names:  # samples are the default, and speaches refuses the key
            wanted["input_audio_format"] = wanted["output_audio_format"] = names[1]
        return wanted
    sound = {"type": names[0]} if names else {"type": "audio/pcm", "rate": PCM_RATE}
    hearing = {
        "format": sound,
        "transcription": transcription,
        "turn_detection": turns,
    }
    return wanted | {
        "type": "realtime",
        "output_modalities": ["audio"],
        "audio": {"input": hearing, "output": {"format": sound} | voice},
    }


def encode(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, **fields}, ensure_ascii=False)


def read_event(message: str | bytes) -> Event:
    try:
        event = json.loads(message)
    except RecursionError as error:
        raise ValueError(f"nested too deep: {message[:80]!r}") from error
    if not isinstance(event, dict):
        raise ValueError(f"not an event: {message[:80]!r}")
    kind = text_of(event, "type")
    for old, new in (
        ("response.audio.", "response.output_audio."),
        ("response.audio_transcript.", "response.output_audio_transcript."),
    ):
        if kind.startswith(old):
            kind = new + kind.removeprefix(old)
    return event | {"type": kind}


def text_of(event: Event, key: str) -> str:
    value = event.get(key)
    if not isinstance(value, str):
        raise ValueError(f"{key} of {event.get('type')} is {value!r:.80}, not a text")
    return value


def table_of(event: Event, key: str) -> Event:
    value = event.get(key)
    if not isinstance(value, dict):
        raise ValueError(f"{key} of {event.get('type')} is {value!r:.80}, not a table")
    return value


def uses_of(usage: object, model: str) -> list[Use]:
    """What an answer, or what was written down of the caller, took."""
    if not isinstance(usage, dict):
        return [Use(Meter.UNREPORTED_REQUESTS, model, 1)]
    if usage.get("type") == "duration":
        uses = [Use(Meter.STT_SECONDS, model, _amount(usage, "seconds"))]
    else:
        read, written = _amount(usage, "input_tokens"), _amount(usage, "output_tokens")
        details = _details(usage, "input_token_details")
        heard = min(read, _amount(details, "audio_tokens"))
        cached = min(read, _amount(details, "cached_tokens"))
        cached_details = _details(details, "cached_tokens_details")
        cached_heard = min(heard, cached, _amount(cached_details, "audio_tokens"))
        cached_text = min(read - heard, cached - cached_heard)
        said = _amount(_details(usage, "output_token_details"), "audio_tokens")
        said = min(written, said)
        uses = [
            Use(Meter.LLM_INPUT_TOKENS, model, read - heard - cached_text),
            Use(Meter.LLM_CACHED_TOKENS, model, cached_text),
            Use(Meter.LLM_OUTPUT_TOKENS, model, written - said),
            Use(Meter.LLM_AUDIO_INPUT_TOKENS, model, heard - cached_heard),
            Use(Meter.LLM_AUDIO_CACHED_TOKENS, model, cached_heard),
            Use(Meter.LLM_AUDIO_OUTPUT_TOKENS, model, said),
        ]
    return [use for use in uses if use.amount > 0]


def _amount(table: Event, key: str) -> float:
    given = table.get(key)
    believable = isinstance(given, int | float) and 0 <= given <= MOST_USED
    return float(given) if believable else 0.0  # type: ignore[arg-type]


def _details(table: Event, key: str) -> Event:
    given = table.get(key)
    return given if isinstance(given, dict) else {}


def trouble_of(error: object, otherwise: Cause = Cause.BAD_REQUEST) -> ProviderError:
    """What an error event, or a failed response, says that is wrong."""
    said = error if isinstance(error, dict) else {}
    kind, code = str(said.get("type")), str(said.get("code"))
    detail = f"{said.get('message') or error} ({code})"[:300]
    words = f"{kind} {code}"
    for cause, signs in (
        (Cause.NO_CREDIT, ("insufficient_quota", "billing")),
        (Cause.THROTTLED, ("rate_limit",)),
        (Cause.REFUSED, ("api_key", "authentication", "permission")),
        (Cause.CUT, ("session_expired",)),
        (Cause.SERVER_ERROR, ("server_error", "internal_error")),
    ):
        if any(sign in words for sign in signs):
            return ProviderError(cause, detail)
    return ProviderError(otherwise, detail)
