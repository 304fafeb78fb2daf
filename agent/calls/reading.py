"""From what TOML and JSON know, tables and lists, to our frozen dataclasses.

Every mistake is named with the way to it: `http_tools[0].url is 7, not a string`.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints


class ReadingError(ValueError):
    """A key is unknown or missing, or holds something else than it should."""


_KINDS: Mapping[Any, tuple[tuple[type, ...], str]] = {
    str: ((str,), "a string"),
    float: ((int, float), "a number"),
    int: ((int,), "a whole number"),
    bool: ((bool,), "true or false"),
}


def value(kind: Any, given: Any, way: str) -> Any:
    """What was given, as a value of that kind. `way`: where it stands, for errors."""
    if is_dataclass(kind):
        return _dataclass(kind, given, way)
    if get_origin(kind) is tuple:
        return _tuple(get_args(kind)[0], given, way)
    if get_origin(kind) is Mapping:
        return _mapping(get_args(kind)[1], given, way)
    if kind is Any:
        return given
    accepted, expected = _KINDS[kind]
    if not isinstance(given, accepted) or isinstance(given, bool) != (kind is bool):
        raise ReadingError(f"{way} is {given!r}, not {expected}")
    return given


def _dataclass(kind: Any, given: Any, way: str) -> Any:
    if not isinstance(given, dict):
        raise ReadingError(f"{way} is {given!r}, not a table")
    hints = get_type_hints(kind)
    prefix = f"{way}." if way else ""
    for key in given:
        if key not in hints:
            known = ", ".join(name for name in hints if way or name != "name")
            raise ReadingError(f"unknown key {prefix + key!r}; known: {known}")
    for field in fields(kind):
        needed = field.default is MISSING and field.default_factory is MISSING
        if needed and field.name not in given:
            raise ReadingError(f"no {prefix}{field.name}")
    values = {key: value(hints[key], part, prefix + key) for key, part in given.items()}
    try:
        return kind(**values)
    except ReadingError as error:
        raise ReadingError(f"{prefix}{error}") from error


def _tuple(kind: Any, given: Any, way: str) -> tuple[Any, ...]:
    if not isinstance(given, list):
        raise ReadingError(f"{way} is {given!r}, not a list")
    return tuple(value(kind, part, f"{way}[{n}]") for n, part in enumerate(given))


def _mapping(kind: Any, given: Any, way: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise ReadingError(f"{way} is {given!r}, not a table")
    return {key: value(kind, part, f"{way}.{key}") for key, part in given.items()}
