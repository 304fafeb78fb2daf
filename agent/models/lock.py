"""models.lock: every model, its files with size and SHA-256, and who has them.

The hash is what we trust; a source is only a place to ask. So a repackaged
file is as good as the original, and a changed one is refused wherever it is.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from .errors import LockError, UnknownModel

VERSION = 1

# Names become folders, addresses and archive members: nothing that a shell, a
# URL or a file system could read as more than a name.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PATH = r"(?P<path>[A-Za-z0-9][\w.+-]*(?:/[A-Za-z0-9][\w.+-]*)*)"
_HUB = re.compile(rf"(?P<repository>[\w.-]+/[\w.-]+)@(?P<revision>[\w.-]+)/{_PATH}")
_WHEEL = re.compile(
    rf"(?P<package>[A-Za-z0-9][\w.-]*)==(?P<version>[0-9][\w.!+]*)/{_PATH}"
)
_INSTALLED = re.compile(rf"(?P<package>[A-Za-z0-9][\w.-]*)/{_PATH}")


@dataclass(frozen=True, slots=True)
class Hub:
    """A file of a Hugging Face repository."""

    repository: str
    revision: str
    """A commit or a tag; `main` moves, and then only the hash guards the file."""
    path: str

    def __str__(self) -> str:
        return f"hub {self.repository}@{self.revision}"


@dataclass(frozen=True, slots=True)
class WheelPart:
    """A file inside a wheel of the package registry."""

    package: str
    version: str
    path: str

    @property
    def requirement(self) -> str:
        return f"{self.package}=={self.version}"


@dataclass(frozen=True, slots=True)
class Wheel:
    """Slices in wheels: joined in this order they are the file."""

    parts: tuple[WheelPart, ...]

    def __str__(self) -> str:
        first = self.parts[0].requirement
        if len(self.parts) == 1:
            return f"wheel {first}"
        return f"wheels {first} .. {self.parts[-1].requirement}"


@dataclass(frozen=True, slots=True)
class Installed:
    """A file that a package of this Python has beside its code: no network needed."""

    package: str
    path: str

    def __str__(self) -> str:
        return f"installed {self.package}"


Source = Hub | Wheel | Installed


@dataclass(frozen=True, slots=True)
class File:
    name: str
    size: int
    """Bytes."""
    sha256: str
    sources: tuple[Source, ...]
    """In the order in which they are asked; the operator's mirror comes before."""


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    """Also the folder that holds its files."""
    purpose: str
    licence: str
    origin: str
    """Where its makers publish it, for people to read."""
    files: tuple[File, ...]
    note: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, slots=True)
class Lock:
    models: Mapping[str, Model]
    sets: Mapping[str, tuple[str, ...]]
    """Names of models under one name; `default` is what a fresh machine needs."""

    def choose(self, names: Iterable[str]) -> tuple[Model, ...]:
        """The models of these names, where the name of a set stands for its models."""
        chosen: dict[str, Model] = {}
        for name in names:
            for each in self.sets.get(name, (name,)):
                chosen[each] = self.model(each)
        return tuple(chosen.values())

    def model(self, name: str) -> Model:
        try:
            return self.models[name]
        except KeyError:
            raise UnknownModel(
                f"no model is called {name!r}; models: {', '.join(self.models)}; "
                f"sets: {', '.join(self.sets)}"
            ) from None


@cache
def lock() -> Lock:
    """The lock that this version of Offhook was shipped with."""
    return read(lock_text())


def lock_text() -> str:
    return resources.files(__package__).joinpath("models.lock").read_text("utf-8")


def read(text: str) -> Lock:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LockError(f"models.lock is not TOML: {error}") from error
    top = _Table("models.lock", document)
    version = top.take("version", int)
    if version != VERSION:
        raise LockError(f"models.lock has version {version}; this reads {VERSION}")
    tables = top.take("models", dict)
    sets = top.take("sets", dict)
    top.end()
    models = {name: _model(name, table) for name, table in tables.items()}
    return Lock(models, _sets(sets, models))


def _sets(
    tables: dict[str, Any], models: Mapping[str, Model]
) -> dict[str, tuple[str, ...]]:
    for name, members in tables.items():
        where = f"models.lock: set {name!r}"
        if name in models:
            raise LockError(f"{where} has the name of a model")
        if not isinstance(members, list) or not members:
            raise LockError(f"{where} is {members!r}, not a list of model names")
        for member in members:
            if not isinstance(member, str) or member not in models:
                raise LockError(f"{where} names {member!r}, which is no model here")
    if "default" not in tables:
        raise LockError("models.lock: sets has no 'default'")
    return {name: tuple(members) for name, members in tables.items()}


def _model(name: str, value: Any) -> Model:
    table = _Table(f"models.lock: model {name!r}", value)
    _check(table.where, "name", name, _NAME, "letters, digits, dot, dash, underscore")
    files = table.take("files", list)
    model = Model(
        name,
        purpose=table.text("purpose"),
        licence=table.text("licence"),
        origin=table.text("origin"),
        files=tuple(
            _file(f"{table.where}, file {n}", each) for n, each in _numbered(files)
        ),
        note=table.take("note", str, ""),
    )
    table.end()
    if not model.files:
        raise LockError(f"{table.where} has no files")
    names = [file.name for file in model.files]
    if len(set(names)) < len(names):
        raise LockError(f"{table.where} has two files of one name: {names}")
    return model


def _file(where: str, value: Any) -> File:
    table = _Table(where, value)
    name = table.text("name")
    _check(where, "name", name, _NAME, "letters, digits, dot, dash, underscore")
    size = table.take("size", int)
    if size <= 0:
        raise LockError(f"{where} ({name}): size is {size}, not a number of bytes")
    sha256 = table.text("sha256")
    _check(where, "sha256", sha256, _SHA256, "64 lower-case hexadecimal digits")
    sources = table.take("sources", list)
    table.end()
    if not sources:
        raise LockError(f"{where} ({name}) has no sources")
    return File(
        name,
        size,
        sha256,
        tuple(
            _source(f"{where} ({name}), source {n}", each)
            for n, each in _numbered(sources)
        ),
    )


def _source(where: str, value: Any) -> Source:
    match value:
        case {"hub": str(text), **rest} if not rest:
            return Hub(**_check(where, "hub", text, _HUB, "OWNER/NAME@REVISION/PATH"))
        case {"installed": str(text), **rest} if not rest:
            return Installed(
                **_check(where, "installed", text, _INSTALLED, "PACKAGE/PATH")
            )
        case {"wheel": str() | list() as given, **rest} if given and not rest:
            texts = [given] if isinstance(given, str) else given
            return Wheel(tuple(_part(where, text) for text in texts))
        case _:
            raise LockError(
                f"{where} is {value!r}, not one of {{ hub = ... }}, "
                "{ wheel = ... } and { installed = ... }"
            )


def _part(where: str, text: Any) -> WheelPart:
    return WheelPart(**_check(where, "wheel", text, _WHEEL, "NAME==VERSION/PATH"))


def _check(
    where: str, key: str, value: Any, shape: re.Pattern[str], expected: str
) -> dict[str, str]:
    found = shape.fullmatch(value) if isinstance(value, str) else None
    if found is None or ".." in value:
        raise LockError(f"{where}: {key} is {value!r}, not {expected}")
    return found.groupdict()


def _numbered(values: list[Any]) -> Iterable[tuple[int, Any]]:
    return enumerate(values, start=1)


_REQUIRED = object()


class _Table:
    """A TOML table that is emptied key by key, so that a misspelt key is noticed."""

    def __init__(self, where: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise LockError(f"{where} is {value!r}, not a table")
        self.where = where
        self._left = dict(value)

    def take(self, key: str, kind: type, default: Any = _REQUIRED) -> Any:
        value = self._left.pop(key, default)
        if value is _REQUIRED:
            raise LockError(f"{self.where} has no {key!r}")
        if not isinstance(value, kind) or isinstance(value, bool):
            raise LockError(
                f"{self.where}: {key} is {value!r}, not of type {kind.__name__}"
            )
        return value

    def text(self, key: str) -> str:
        value: str = self.take(key, str)
        if not value.strip():
            raise LockError(f"{self.where}: {key} is empty")
        return value

    def end(self) -> None:
        if self._left:
            raise LockError(f"{self.where}: unknown key {next(iter(self._left))!r}")
