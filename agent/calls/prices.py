"""What a use costs, by the operator's table of prices (OFFHOOK_PRICES, a TOML file).

Nothing is guessed: what no price names has no cost, and is called unpriced. The models
of this machine cost nothing.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from .usage import Meter, Use

LOCAL = frozenset({"local", "whisper", "piper"})
"""Providers that are this machine itself."""
MOST = 1e6
"""A price above it is a mistake."""
_MILLION = 1_000_000.0
_MINUTE = 60.0

Rates = Mapping[Meter, float]
"""For one second, token or character."""

_TABLES: Mapping[str, Mapping[str, tuple[Meter, float]]] = {
    "llm": {
        "input": (Meter.LLM_INPUT_TOKENS, _MILLION),
        "cached": (Meter.LLM_CACHED_TOKENS, _MILLION),
        "output": (Meter.LLM_OUTPUT_TOKENS, _MILLION),
        "audio_input": (Meter.LLM_AUDIO_INPUT_TOKENS, _MILLION),
        "audio_cached": (Meter.LLM_AUDIO_CACHED_TOKENS, _MILLION),
        "audio_output": (Meter.LLM_AUDIO_OUTPUT_TOKENS, _MILLION),
    },
    "stt": {"per_minute": (Meter.STT_SECONDS, _MINUTE)},
    "tts": {"per_million_characters": (Meter.TTS_CHARACTERS, _MILLION)},
}
_OPTIONAL = ("cached", "audio_input", "audio_cached", "audio_output")
_TABLE_OF = {
    meter: table for table, keys in _TABLES.items() for meter, _ in keys.values()
}


class PricesError(ValueError):
    """The table of prices is wrong. Says where, and what was expected."""


@dataclass(frozen=True, slots=True)
class Prices:
    currency: str = "EUR"
    """ISO 4217."""
    call: float = 0.0
    """For one second of a call."""
    models: Mapping[tuple[str, str], Rates] = field(default_factory=dict)
    """By table and `<provider>.<model>`, or `<provider>.*`."""

    def cost(self, use: Use) -> float | None:
        """None: no price names this model."""
        if use.meter is Meter.UNREPORTED_REQUESTS:
            return 0.0
        if use.meter is Meter.CALL_SECONDS:
            return use.amount * self.call
        provider = use.model.partition(".")[0]
        if provider in LOCAL:
            return 0.0
        table = _TABLE_OF[use.meter]
        rates = self.models.get((table, use.model))
        if rates is None:
            rates = self.models.get((table, f"{provider}.*"), {})
        rate = rates.get(use.meter)
        return None if rate is None else use.amount * rate

    def priced(self, use: Use) -> Use:
        return replace(use, cost=self.cost(use))


def read(text: str) -> Prices:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PricesError(f"not TOML: {error}") from error
    _check_keys(document, ("currency", "call", *_TABLES), "")
    currency = document.get("currency", "EUR")
    if not isinstance(currency, str) or not _is_currency(currency):
        raise PricesError(f"currency is {currency!r}, not ISO 4217 such as EUR")
    call = _table(document.get("call", {}), "call")
    _check_keys(call, ("per_minute",), "call.")
    models = {
        (name, model): _rates(name, model, entry)
        for name in _TABLES
        for model, entry in _table(document.get(name, {}), name).items()
    }
    per_minute = _price(call.get("per_minute", 0), "call.per_minute")
    return Prices(currency, per_minute / _MINUTE, models)


def _rates(name: str, model: str, entry: object) -> Rates:
    place = f'{name}."{model}"'
    provider, dot, which = model.partition(".")
    if not (provider and dot and which) or ("*" in model and which != "*"):
        raise PricesError(
            f"{place} is not <provider>.<model>, in quotes, nor <provider>.*"
        )
    prices = _table(entry, place)
    keys = _TABLES[name]
    _check_keys(prices, keys, f"{place}.")
    for key in keys:
        if key not in prices and key not in _OPTIONAL:
            raise PricesError(f"no {place}.{key}")
    rates = {
        keys[key][0]: _price(price, f"{place}.{key}") / keys[key][1]
        for key, price in prices.items()
    }
    for cached, full in (
        (Meter.LLM_CACHED_TOKENS, Meter.LLM_INPUT_TOKENS),
        (Meter.LLM_AUDIO_CACHED_TOKENS, Meter.LLM_AUDIO_INPUT_TOKENS),
    ):
        if full in rates:
            rates.setdefault(cached, rates[full])
    return rates


def _table(given: object, place: str) -> Mapping[str, object]:
    if not isinstance(given, dict):
        raise PricesError(f"{place} is {given!r}, not a table")
    return given


def _price(given: object, place: str) -> float:
    if isinstance(given, int | float) and not isinstance(given, bool):
        if 0 <= given <= MOST:
            return float(given)
    raise PricesError(f"{place} is {given!r}, not a price of 0 to {MOST:g}")


def _check_keys(given: Iterable[str], known: Iterable[str], place: str) -> None:
    names = list(known)
    for key in given:
        if key not in names:
            raise PricesError(f"unknown key {place + key!r}; known: {', '.join(names)}")


def _is_currency(text: str) -> bool:
    return len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()
