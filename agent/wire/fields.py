"""Strict reading of what a peer wrote: a JSON value, and typed fields of it.

Whatever comes in, the outcome is a value of the type asked for or PeerError. JSON
is taken as jansson takes it, which is what Asterisk reads and writes with.
"""

import json
import math
import reprlib
from collections.abc import Mapping
from typing import Any

from .errors import PeerError

MAX_TEXT = 65_536
"""Characters of one message; Asterisk's own events stay far below."""
MAX_STRING = 1024
"""Characters of one name, id or text in it."""


def json_value(text: str) -> Any:
    if len(text) > MAX_TEXT:
        raise PeerError(f"{len(text)} characters in a message, more than {MAX_TEXT}")
    try:
        value = _DECODER.decode(text)
        if "\\u" in text or not text.isascii():
            _check_texts(value)
    except (ValueError, RecursionError) as error:
        raise PeerError(f"not JSON ({error}): {reprlib.repr(text)}") from error
    return value


def json_object(text: str) -> dict[str, Any]:
    value = json_value(text)
    if not isinstance(value, dict):
        raise PeerError(f"not a JSON object: {reprlib.repr(text)}")
    return value


def string(fields: Mapping[str, Any], key: str, default: str | None = None) -> str:
    value = fields.get(key, default)
    if not isinstance(value, str) or len(value) > MAX_STRING or not is_text(value):
        raise PeerError(
            f"{key} is {reprlib.repr(value)}, "
            f"expected a string of at most {MAX_STRING} characters"
        )
    return value


def count(fields: Mapping[str, Any], key: str, most: int) -> int:
    value = fields.get(key)
    # A bool is an int to Python, not to JSON.
    if type(value) is not int or not 0 <= value <= most:
        raise PeerError(
            f"{key} is {reprlib.repr(value)}, expected a whole number from 0 to {most}"
        )
    return value


def flag(fields: Mapping[str, Any], key: str) -> bool:
    value = fields.get(key)
    if not isinstance(value, bool):
        raise PeerError(f"{key} is {reprlib.repr(value)}, expected true or false")
    return value


def strings(fields: Mapping[str, Any], key: str) -> dict[str, str]:
    """An object of strings; empty when absent. Only MAX_TEXT bounds its values."""
    value = fields.get(key, {})
    if not isinstance(value, dict) or not all(
        isinstance(item, str) and is_text(name) and is_text(item)
        for name, item in value.items()
    ):
        raise PeerError(
            f"{key} is {reprlib.repr(value)}, expected an object of strings"
        )
    return value


def is_text(value: str) -> bool:
    """Can be written as UTF-8 and as a C string: no half surrogate, no NUL."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _int64(digits: str) -> int:
    number = int(digits)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{digits[:30]} needs more than 64 bits")
    return number


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:30]} is too big")
    return number


# Made once: json.loads would make one for each message, at twice its cost.
_DECODER = json.JSONDecoder(
    parse_constant=_no_constant, parse_int=_int64, parse_float=_finite
)


def _check_texts(value: Any) -> None:
    match value:
        case str() if not is_text(value):
            raise ValueError("half a surrogate, or NUL, in a string")
        case list():
            for item in value:
                _check_texts(item)
        case dict():
            for key, item in value.items():
                _check_texts(key)
                _check_texts(item)
