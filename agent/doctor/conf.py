"""Reads Asterisk's configuration files, and remembers where each line stands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HEAD = re.compile(r"\[([^\]]+)\]\s*(?:\(([^)]*)\))?")
_INCLUDE = re.compile(r"#(?:try)?include\s+[<\"]?([^>\"]+)[>\"]?")
_COMMENT = re.compile(r"(?<!\\);.*")
_DEEPEST = 8
"""Files that include files."""


@dataclass(frozen=True, slots=True)
class Place:
    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Option:
    name: str
    value: str
    place: Place


@dataclass(slots=True)
class Section:
    name: str
    place: Place
    template: bool = False
    options: list[Option] = field(default_factory=list)
    """Those of its templates first."""

    def option(self, name: str) -> Option | None:
        """The last one counts."""
        found = [option for option in self.options if option.name == name]
        return found[-1] if found else None

    def value(self, name: str, default: str = "") -> str:
        option = self.option(name)
        return option.value if option is not None else default

    def place_of(self, name: str) -> Place:
        option = self.option(name)
        return option.place if option is not None else self.place

    def is_on(self, name: str, default: bool) -> bool:
        value = self.value(name).lower()
        return value in ("yes", "true", "on", "1", "y", "t") if value else default


@dataclass(slots=True)
class ConfFile:
    path: Path
    sections: list[Section] = field(default_factory=list)
    """As they come: in pjsip.conf several have one name."""
    odd: list[tuple[Place, str]] = field(default_factory=list)
    """Lines that Asterisk does not understand."""

    def section(self, name: str) -> Section | None:
        return next((found for found in self.sections if found.name == name), None)

    def of_type(self, kind: str) -> list[Section]:
        once = {id(found): found for found in self.sections}.values()
        return [
            found
            for found in once
            if not found.template and found.value("type") == kind
        ]


def read(path: Path) -> ConfFile:
    """OSError when the file itself cannot be read."""
    conf = ConfFile(path)
    for place, line in _lines(path, 0):
        if line.startswith("#include"):
            conf.odd.append((place, f"{line}: there is no such file"))
        elif line.startswith("["):
            _begin(conf, place, line)
        elif not conf.sections:
            conf.odd.append((place, line))
        else:
            _add(conf, place, line)
    return conf


def _lines(path: Path, depth: int) -> Iterator[tuple[Place, str]]:
    commented = False
    text = path.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith(";--") and not line.startswith(";---"):
            commented = True
        if commented:
            commented = "--;" not in line
            continue
        line = _COMMENT.sub("", line).strip()
        if include := _INCLUDE.match(line):
            found = sorted(_named(path.parent, include[1].strip()))
            for each in found if depth < _DEEPEST else ():
                yield from _lines(each, depth + 1)
            if not found and line.startswith("#include"):
                yield Place(path, number), line
        elif line and not line.startswith("#exec"):
            yield Place(path, number), line.replace("\\;", ";")


def _named(folder: Path, pattern: str) -> Iterator[Path]:
    if pattern.startswith("/"):
        return Path("/").glob(pattern[1:])
    return folder.glob(pattern)


def _begin(conf: ConfFile, place: Place, line: str) -> None:
    head = _HEAD.match(line)
    if head is None:
        conf.odd.append((place, line))
        return
    name = head[1].strip()
    section = Section(name, place)
    for part in (head[2] or "").split(","):
        part = part.strip()
        if part == "!":
            section.template = True
        elif part == "+":
            if (earlier := conf.section(name)) is not None:
                conf.sections.append(earlier)  # its lines go on here
                return
        elif part and (template := conf.section(part)) is not None:
            section.options.extend(template.options)
        elif part:
            conf.odd.append((place, f"{line}: there is no template {part!r}"))
    conf.sections.append(section)


def _add(conf: ConfFile, place: Place, line: str) -> None:
    name, equals, value = line.partition("=")
    if not equals:
        conf.odd.append((place, line))
        return
    value = value.removeprefix(">").strip()
    conf.sections[-1].options.append(Option(name.strip(), value, place))
