"""Reads Asterisk's configuration files, and remembers where each line stands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HEAD = re.compile(r"\[([^\]]+)\]\s*(?:\(([^)]*)\))?")
_INCLUDE = re.compile(r"#(?:try)?include\s+[<\"]?([^>\"]+)[>\"]?")
_CUT = re.compile(r"[^;\[]*=[^;]*[^\s;\\];[^\s;-]")
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

    own: int = 0
    """From here on in `options` they stand in the section itself."""

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


@dataclass(frozen=True, slots=True)
class Odd:
    """A line that Asterisk does not understand."""

    place: Place
    line: str
    why: str = ""
    fatal: bool = False
    """It refuses the whole file for it."""


@dataclass(slots=True)
class ConfFile:
    path: Path
    sections: list[Section] = field(default_factory=list)
    """As they come: in pjsip.conf several have one name."""
    odd: list[Odd] = field(default_factory=list)
    cut: list[tuple[Place, str]] = field(default_factory=list)
    """Lines in which a `;` with no space at either side begins a comment."""
    unfinished: Place | None = None
    """Where a comment begins, `;--`, that nothing ends."""

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
    for place, line in _lines(conf, path, 0):
        if line.startswith("#include"):
            why = "there is no such file"
            conf.odd.append(Odd(place, line, why, fatal=True))
        elif line.startswith("["):
            _begin(conf, place, line)
        elif not conf.sections:
            why = "it stands before the first [section]"
            conf.odd.append(Odd(place, line, why, fatal=True))
        else:
            _add(conf, place, line)
    return conf


def _lines(conf: ConfFile, path: Path, depth: int) -> Iterator[tuple[Place, str]]:
    begun: list[Place] = []
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        place = Place(path, number)
        if not begun and _CUT.match(line):
            conf.cut.append((place, line.strip()))
        line = _without_comments(line, place, begun).strip()
        if include := _INCLUDE.match(line):
            found = sorted(_named(path.parent, include[1].strip()))
            for each in found if depth < _DEEPEST else ():
                yield from _lines(conf, each, depth + 1)
            if not found and line.startswith("#include"):
                yield place, line
        elif line and not line.startswith("#exec"):
            yield place, line
    if begun:
        conf.unfinished = begun[0]


def _without_comments(line: str, place: Place, begun: list[Place]) -> str:
    """`begun` are the comments of several lines that are open: `;--` to `--;`."""
    kept, at = "", 0
    while at < len(line):
        if not begun and line.startswith("\\;", at):
            kept, at = kept + ";", at + 2
        elif line.startswith(";--", at) and not line.startswith(";---", at):
            begun.append(place)
            at += 3
        elif begun and line.startswith("--;", at):
            begun.pop()
            at += 3
        elif begun:
            at += 1
        elif line[at] == ";":
            break
        else:
            kept, at = kept + line[at], at + 1
    return kept


def _named(folder: Path, pattern: str) -> Iterator[Path]:
    if pattern.startswith("/"):
        return Path("/").glob(pattern[1:])
    return folder.glob(pattern)


def _begin(conf: ConfFile, place: Place, line: str) -> None:
    head = _HEAD.match(line)
    if head is None:
        why = "the closing ] is missing"
        conf.odd.append(Odd(place, line, why, fatal=True))
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
            why = f"there is no [{name}] before it"
            conf.odd.append(Odd(place, line, why, fatal=True))
        elif part and (template := conf.section(part)) is not None:
            section.options.extend(template.options)
        elif part:
            why = f"there is no template {part!r} before it"
            conf.odd.append(Odd(place, line, why, fatal=True))
    section.own = len(section.options)
    conf.sections.append(section)


def _add(conf: ConfFile, place: Place, line: str) -> None:
    name, equals, value = line.partition("=")
    if not equals:
        conf.odd.append(Odd(place, line, "there is no = in it"))
        return
    value = value.removeprefix(">").strip()
    conf.sections[-1].options.append(Option(name.strip(), value, place))
