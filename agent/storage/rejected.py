"""Facts that the database does not take, put aside in a file of the journal's folder.

They hold what callers said, so they are forgotten as transcripts are. Two processes may
be at it, the agent and an operator's command: each holds the lock meanwhile.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.calls.facts import CallBegan

from .segments import Entry

REJECTED = "rejected.jsonl"
_LOCK = "rejected.lock"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_WITHOUT_WORDS = ("at", "number", "kind")

Rejection = dict[str, Any]


class Rejected:
    """Its methods block, and may raise an OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / REJECTED

    def add(self, rejections: Sequence[Rejection]) -> None:
        with self._alone():
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with open(file, "w", encoding="utf-8") as lines:
                lines.writelines(json.dumps(each) + "\n" for each in rejections)
                lines.flush()
                os.fsync(file)

    def barred(self) -> set[str]:
        """Ids of calls whose beginning was rejected."""
        read = (_read(line) for line in self._lines())
        return {
            call_of(each) for each in read if each.get("kind") == CallBegan.__name__
        }

    def forget(self, call_id: str) -> None:
        """What of this call is left says that something was rejected, and when."""

        def without_words(line: str) -> str:
            each = _read(line)
            if call_of(each) != call_id:
                return line
            left = {name: each[name] for name in _WITHOUT_WORDS if name in each}
            fact = {"call": {"id": call_id}}
            return json.dumps(left | {"reason": "erased", "fact": fact}) + "\n"

        self._rewrite(without_words)

    def forget_before(self, moment: datetime) -> None:
        at = _LONG_AGO

        def if_young(line: str) -> str:
            nonlocal at
            # Half a line, of a power cut, is as old as the one before it.
            at = _moment(_read(line)) or at
            return line if at >= moment else ""

        self._rewrite(if_young)

    def _lines(self) -> list[str]:
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        return [f"{line}\n" for line in text.split("\n") if line]

    def _rewrite(self, changed: Callable[[str], str]) -> None:
        if not self._path.exists():
            return
        with self._alone():
            before = self._lines()
            after = [changed(line) for line in before]
            if not any(after):
                self._path.unlink(missing_ok=True)
            elif after != before:
                beside = self._path.with_suffix(".new")
                file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                with open(file, "w", encoding="utf-8") as lines:
                    lines.writelines(after)
                    lines.flush()
                    os.fsync(file)
                beside.replace(self._path)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        lock = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def rejection(entry: Entry, why: str, now: datetime) -> Rejection:
    told = {"at": now.isoformat(), "number": entry.number, "reason": why}
    kind, _, fact = entry.text.partition(b" ")
    try:
        return told | {"kind": kind.decode(), "fact": json.loads(fact)}
    except ValueError:
        return told | {"line": entry.text.decode(errors="backslashreplace")}


def call_of(rejection: Rejection) -> str:
    """Its id; empty if nothing tells."""
    fact = rejection.get("fact")
    if not isinstance(fact, dict):
        return ""
    call = fact.get("call")
    return str(
        (call.get("id") if isinstance(call, dict) else fact.get("call_id")) or ""
    )


def _read(line: str) -> Rejection:
    try:
        read = json.loads(line)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _moment(rejection: Rejection) -> datetime | None:
    try:
        return datetime.fromisoformat(str(rejection.get("at"))).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
