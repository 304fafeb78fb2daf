"""Documents, cut into passages that can be found, and said in one breath or two.

A passage is 60 to 120 words of one section, cut between paragraphs, where one is too
long between sentences. It begins with the headings above it, without which "from nine
to five" says nothing.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from .errors import StorageError
from .files import BadFile, open_plainly
from .words import size

_LEAST, _MOST = 60, 120
"""Words of a passage without its headings. One that is a section of its own, or a
document's last, may be shorter."""
_LARGEST_FILE = 20_000_000


@dataclass(frozen=True, slots=True)
class Document:
    name: str
    """The file's, without its folder."""
    sha256: str
    passages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    headings: tuple[str, ...]
    text: str
    alone: bool = False
    """A passage of its own, however short."""


def read(path: Path) -> Document:
    paragraphs = _FORMATS.get(path.suffix.lower())
    if paragraphs is None:
        raise StorageError(
            f"{path} is of a format that is not known;"
            f" known: {', '.join(sorted(_FORMATS))}"
        )
    try:
        with open_plainly(path) as file:
            content = file.read(_LARGEST_FILE + 1)
    except BadFile as error:
        raise StorageError(str(error)) from error
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > _LARGEST_FILE:
        raise StorageError(
            f"{path} is larger than {_LARGEST_FILE // 1_000_000} MB; cut it up"
        )
    try:
        passages = tuple(_passages(paragraphs(_decoded(content, path))))
    except csv.Error as error:
        raise StorageError(f"{path} is not CSV: {error}") from error
    if not passages:
        raise StorageError(f"{path} says nothing: no text was found in it")
    return Document(path.name, hashlib.sha256(content).hexdigest(), passages)


def _decoded(content: bytes, path: Path) -> str:
    utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise StorageError(
            f"{path} is not UTF-8 at byte {error.start}; save it as UTF-8"
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _passages(paragraphs: Iterable[Paragraph]) -> Iterator[str]:
    headings: tuple[str, ...] = ()
    pieces: list[str] = []
    so_far = 0
    for paragraph in paragraphs:
        if paragraph.headings != headings or paragraph.alone:
            yield from _passage(headings, pieces)
            headings, pieces, so_far = paragraph.headings, [], 0
        for piece in _cut(paragraph.text):
            length = size(piece)
            if so_far >= _LEAST or so_far + length > _MOST:
                yield from _passage(headings, pieces)
                pieces, so_far = [], 0
            pieces.append(piece)
            so_far += length
    yield from _passage(headings, pieces)


def _passage(headings: tuple[str, ...], pieces: list[str]) -> Iterator[str]:
    if pieces:
        yield "\n".join(part for part in (" > ".join(headings), *pieces) if part)


_SENTENCE_ENDS = re.compile(r"(?<=[.!?…])\s+|(?<=[.!?…][\"'”»)])\s+|(?<=[。！？])|\n")
_SHORT_PARTS = re.compile(r"\S{1,32}\s*")
"""Words; or of a text without spaces, so many characters."""


def _cut(text: str) -> Iterator[str]:
    """Pieces of at most _MOST words, between sentences if these are short enough."""
    if size(text) <= _MOST:
        yield text
        return
    piece, so_far = "", 0
    for sentence in _sentences(text):
        whole = size(sentence) <= _MOST
        for part in [sentence] if whole else _SHORT_PARTS.findall(sentence):
            length = size(part)
            if so_far + length > _MOST and piece:
                yield piece.strip()
                piece, so_far = "", 0
            piece += part
            so_far += length
    if piece.strip():
        yield piece.strip()


def _sentences(text: str) -> Iterator[str]:
    start = 0
    for end in _SENTENCE_ENDS.finditer(text):
        yield text[start : end.end()]
        start = end.end()
    yield text[start:]


class _Outline:
    """Paragraphs under the headings that stand above them."""

    def __init__(self) -> None:
        self.paragraphs: list[Paragraph] = []
        self._headings: list[tuple[int, str]] = []
        self._bare = False
        """The last heading has nothing under it yet."""

    def heading(self, level: int, text: str) -> None:
        if not text:
            return
        if self._bare and level <= self._headings[-1][0]:
            self._say_bare()
        while self._headings and self._headings[-1][0] >= level:
            self._headings.pop()
        self._headings.append((level, text))
        self._bare = True

    def paragraph(self, text: str) -> None:
        if text:
            self._bare = False
            self.paragraphs.append(Paragraph(self._path(), text))

    def end(self) -> list[Paragraph]:
        if self._bare:
            self._say_bare()
        return self.paragraphs

    def _say_bare(self) -> None:
        self._bare = False
        *above, text = self._path()
        self.paragraphs.append(Paragraph(tuple(above), text))

    def _path(self) -> tuple[str, ...]:
        return tuple(text for _, text in self._headings)


def _text(text: str) -> list[Paragraph]:
    parts = (_one_line(part) for part in re.split(r"\n\s*\n", text))
    return [Paragraph((), part) for part in parts if part]


_FENCE = re.compile(r"\s{0,3}(```|~~~)")
_HEADING = re.compile(r"\s{0,3}(#{1,6})\s(.*)")
_CLOSING = re.compile(r"\s#+\s*$")
_QUOTED = re.compile(r"\s{0,3}>\s?")
_UNDERLINE = re.compile(r"\s{0,3}(=+|-+)\s*$")
_ITEM = re.compile(r"\s*(?:[-*+]|\d{1,4}[.)])\s+")
_RULE = re.compile(r"[\s|:*_-]*$")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_EMPHASIS = re.compile(r"(\*\*|__|\*|`)(?=\S)(.+?)(?<=\S)\1")


def _markdown(text: str) -> list[Paragraph]:
    outline = _Outline()
    lines: list[str] = []
    """Of the paragraph so far."""
    fence = ""

    def close() -> None:
        outline.paragraph("\n".join(lines))
        lines.clear()

    for line in text.split("\n"):
        quoted = _QUOTED.match(line)
        line = line[quoted.end() :] if quoted else line
        marker = _FENCE.match(line)
        if fence or marker:
            if marker and marker[1] == (fence or marker[1]):
                close()
                fence = "" if fence else marker[1]
            elif line.strip():
                lines.append(line.strip())
        elif heading := _HEADING.match(line):
            close()
            outline.heading(len(heading[1]), _plain(_CLOSING.sub("", heading[2])))
        elif len(lines) == 1 and (underline := _UNDERLINE.match(line)):
            outline.heading(1 if "=" in underline[1] else 2, lines.pop())
        elif _RULE.match(line):
            if not line.strip(" |:-") and "|" in line:
                continue  # the line below the head of a table
            close()
        elif line.lstrip().startswith("|"):
            cells = (_plain(cell) for cell in line.strip().strip("|").split("|"))
            lines.append("; ".join(cell for cell in cells if cell))
        elif item := _ITEM.match(line):
            lines.append("- " + _plain(line[item.end() :]))
        elif lines:
            lines[-1] = f"{lines[-1]} {_plain(line)}"
        else:
            lines.append(_plain(line))
    close()
    return outline.end()


def _plain(markdown: str) -> str:
    return _EMPHASIS.sub(r"\2", _LINK.sub(r"\1", _one_line(markdown)))


def _csv(text: str) -> list[Paragraph]:
    """Each row is told with the names of its columns."""
    try:
        dialect: type[csv.Dialect] = csv.Sniffer().sniff(text[:8192], ",;\t|")
    except csv.Error:
        dialect = csv.excel
    rows = [row for row in csv.reader(io.StringIO(text), dialect) if any(row)]
    if len(rows) < 2:
        return [Paragraph((), "; ".join(row)) for row in rows]
    names, *rows = rows
    told = []
    for row in rows:
        cells = [
            f"{_one_line(name)}: {_one_line(cell)}" if name.strip() else _one_line(cell)
            for name, cell in zip(names + [""] * len(row), row, strict=False)
            if cell.strip()
        ]
        told.append(Paragraph((), "; ".join(cells), alone=True))
    return told


class _Html(HTMLParser):
    _SILENT = frozenset({"script", "style", "noscript", "template", "svg", "title"})
    _INLINE = frozenset(
        "a abbr b bdi bdo cite code data em font i img input kbd label mark q s samp"
        " small span strong sub sup time tt u var wbr".split()
    )
    _CELLS = frozenset({"td", "th"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.outline = _Outline()
        self._text: list[str] = []
        self._silent = ""
        """The element in which nothing is heard until it ends."""
        self._heading = 0

    def handle_starttag(
        self, tag: str, attributes: list[tuple[str, str | None]]
    ) -> None:
        if self._silent or tag in self._INLINE:
            return
        if tag in self._SILENT:
            self._silent = tag
        elif tag in self._CELLS:
            self._text.append("; " if self._said() else "")
        elif tag == "br":
            self._text.append(" ")
        else:
            self.close_block()
            if re.fullmatch("h[1-6]", tag):
                self._heading = int(tag[1])
            self._text.append("- " if tag == "li" else "")

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            self._silent = "" if tag == self._silent else self._silent
        elif tag not in self._INLINE and tag not in self._CELLS:
            self.close_block()

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._text.append(data)

    def close_block(self) -> None:
        text = self._said()
        self._text.clear()
        if self._heading:
            self.outline.heading(self._heading, text)
            self._heading = 0
        elif text != "-":
            self.outline.paragraph(text)

    def _said(self) -> str:
        return _one_line("".join(self._text))


def _html(text: str) -> list[Paragraph]:
    parser = _Html()
    parser.feed(text)
    parser.close()
    parser.close_block()
    return parser.outline.end()


def _one_line(text: str) -> str:
    return " ".join(text.split())


_FORMATS = {
    ".md": _markdown,
    ".txt": _text,
    ".csv": _csv,
    ".html": _html,
    ".htm": _html,
}
