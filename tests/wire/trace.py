"""Reads tests/data: calls captured from a real Asterisk."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent.wire.events import Format, MediaStart, parse

DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True)
class Line:
    at: float
    """Seconds since the handshake."""
    way: Literal["to", "from"]
    message: str | bytes
    """Of audio only the length is known."""
    times: int = 1


@dataclass(frozen=True)
class Trace:
    name: str
    format: Format
    start: MediaStart
    lines: list[Line]
    closed: int

    def texts(self, way: Literal["to", "from"]) -> list[str]:
        return [
            line.message
            for line in self.lines
            if line.way == way and isinstance(line.message, str)
        ]


def traces(pattern: str = "*") -> list[Trace]:
    found = [_read(path) for path in sorted(DATA.glob(f"asterisk-{pattern}.jsonl"))]
    assert found, f"no trace is called {pattern}"
    return found


def trace(name: str) -> Trace:
    return traces(f"22.10.1-{name}")[0]


def _read(path: Path) -> Trace:
    head, *rows = map(json.loads, path.read_text().splitlines())
    lines = [_line(row) for row in rows if "to" in row or "from" in row]
    first = lines[0].message
    assert isinstance(first, str)
    start = parse(first)
    assert isinstance(start, MediaStart)
    closed = next(row["closed"] for row in rows if "closed" in row)
    return Trace(path.stem, head["format"], start, lines, closed)


def _line(row: dict[str, Any]) -> Line:
    message = row["text"] if "text" in row else bytes(row["bytes"])
    return Line(row["t"], "to" if "to" in row else "from", message, row.get("times", 1))
