"""How far a download is: a bar on a terminal, a line now and then elsewhere."""

import shutil
import time
from collections.abc import Callable
from typing import Protocol, TextIO

_BAR = 24
_TERMINAL_SECONDS = 0.1
_PLAIN_SECONDS = 5.0


class Progress(Protocol):
    def at(self, label: str, done: int, total: int) -> None:
        """So many bytes of it; a new label begins a new download."""

    def said(self, line: str) -> None:
        """Something that the operator wants to know, besides how far it is."""


class Silent:
    def at(self, label: str, done: int, total: int) -> None:
        pass

    def said(self, line: str) -> None:
        pass


class Lines:
    """Progress on a stream. Rates are of this run: what was resumed does not count."""

    def __init__(
        self, stream: TextIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._terminal = stream.isatty()
        self._pause = _TERMINAL_SECONDS if self._terminal else _PLAIN_SECONDS
        self._label = ""
        self._began = self._shown = 0.0
        self._began_with = 0

    def at(self, label: str, done: int, total: int) -> None:
        now = self._clock()
        if label != self._label:
            self._erase()
            self._label = label
            self._began = self._shown = now
            self._began_with = done
        if done >= total:
            # What is over in a moment is not worth a line.
            if not self._terminal and now - self._began >= _PLAIN_SECONDS:
                self._show(done, total, now)
            self._erase()
        elif now - self._shown >= self._pause:
            self._show(done, total, now)

    def said(self, line: str) -> None:
        self._erase()
        self._stream.write(line + "\n")
        self._stream.flush()

    def _show(self, done: int, total: int, now: float) -> None:
        rate = (done - self._began_with) / max(now - self._began, 1e-6)
        figures = _figures(done, total, rate)
        if self._terminal:
            filled = "#" * (_BAR * done // total)
            line = f"[{filled:<{_BAR}}] {figures} {self._label}"
            # A line that wraps could not be written over.
            line = line[: shutil.get_terminal_size().columns - 1]
            self._stream.write(f"\r{line}\x1b[K")
        else:
            self._stream.write(f"{self._label}: {figures}\n")
        self._stream.flush()
        self._shown = now

    def _erase(self) -> None:
        """Takes the bar off the terminal; what `said` writes stays."""
        if self._terminal and self._label:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
        self._label = ""


def _figures(done: int, total: int, rate: float) -> str:
    parts = [f"{done / 1e6:.1f}/{total / 1e6:.1f} MB"]
    if rate > 0:
        parts.append(f"{rate / 1e6:.1f} MB/s")
        if done < total:
            minutes, seconds = divmod(round((total - done) / rate), 60)
            parts.append(f"ETA {minutes}:{seconds:02}")
    return " ".join(parts)
