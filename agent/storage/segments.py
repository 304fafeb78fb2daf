"""Lines in a folder, only ever added to: numbered, checked, cut into files.

A file is named after the number of its first line. What was written outlives the
process at once, and the machine since the last `sync`. One thread adds, another may
read, and one process at a time has the folder.
"""

import errno
import fcntl
import os
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from .errors import StorageError

_SUFFIX = ".facts"
_CUT_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class Entry:
    number: int | None
    """They rise, with gaps; None: the line is broken."""
    text: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where one has read to."""

    segment: int
    offset: int


@dataclass(frozen=True, slots=True)
class End:
    """How much there is at a moment, for who reads in another thread."""

    segments: tuple[int, ...]
    written: int
    """Bytes of the last one."""
    unwritten: tuple[Entry, ...]


class Segments:
    def __init__(self, folder: Path, *, cut_bytes: int = _CUT_BYTES) -> None:
        self._folder = folder
        self._cut_bytes = cut_bytes
        self._lock = -1
        self._file = -1
        self._segments: list[int] = []
        """By the numbers of their first lines; the last one is written to."""
        self._written = 0
        """Bytes of the last one."""
        self._unwritten: deque[tuple[int, bytes]] = deque()
        """What the disk did not take."""
        self._next = 0
        self._synced = 0
        """The file up to which, and perhaps in which, the disk has everything."""
        self.first = 0
        """The number with which this life begins: lower ones are of earlier lives."""
        self.trouble: OSError | None = None
        """Why the disk does not take what is added; None: it does."""

    def open(self, least: int) -> int:
        """Returns how many lines there are. What is added has numbers from `least` on.

        Blocks, and raises StorageError."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._take()
            self._segments = sorted(
                int(path.stem)
                for path in self._folder.glob(f"*{_SUFFIX}")
                if path.stem.isdecimal()
            )
            lines = sum(self._count(segment) for segment in self._segments)
            self.first = self._next = max(least, self._last() + 1)
            self._cut()
        except OSError as error:
            self.close()
            raise StorageError(f"cannot open the journal: {error}") from error
        return lines

    def close(self) -> None:
        for file in (self._file, self._lock):
            if file != -1:
                os.close(file)
        self._file = self._lock = -1

    def add(self, text: bytes) -> int:
        """Without newlines. Never raises: see `trouble`."""
        number, self._next = self._next, self._next + 1
        checked = b"%d %b" % (number, text)
        line = b"%08x %b\n" % (zlib.crc32(checked), checked)
        self._unwritten.append((number, line))
        self.write_out()
        return number

    def write_out(self) -> None:
        """What is not written yet, as far as that goes."""
        try:
            while self._unwritten:
                if self._written >= self._cut_bytes:
                    self._cut()
                _, line = self._unwritten[0]
                self._write(line)
                self._unwritten.popleft()
            self.trouble = None
        except OSError as error:
            self.trouble = error

    def end(self, limit: int) -> End:
        """What there is now, with up to so many of the lines that no file has."""
        unwritten = islice(self._unwritten, limit)
        return End(
            tuple(self._segments),
            self._written,
            tuple(_entry(line.rstrip(b"\n")) for _, line in unwritten),
        )

    def read(self, place: Place, end: End, limit: int) -> tuple[Sequence[Entry], Place]:
        """Up to so many lines between these two, and where to go on. Blocks; raises
        OSError."""
        entries: list[Entry] = []
        for segment in end.segments:
            if segment < place.segment:
                continue
            offset = place.offset if segment == place.segment else 0
            last = segment == end.segments[-1]
            with open(self._path(segment), "rb") as file:
                file.seek(offset)
                while len(entries) < limit and not (last and offset >= end.written):
                    if not (line := file.readline()):
                        break
                    offset += len(line)
                    entries.append(_entry(line.rstrip(b"\n")))
            place = Place(segment, offset)
            if len(entries) == limit:
                return entries, place
        return entries or end.unwritten[:limit], place

    def drop(self, number: int, place: Place) -> Sequence[Path]:
        """Forgets what was read up to there, and what no file has up to that number.
        Returns the files that are to be deleted."""
        while self._unwritten and self._unwritten[0][0] <= number:
            self._unwritten.popleft()
        over = [each for each in self._segments if each < place.segment]
        self._segments = self._segments[len(over) :]
        return [self._path(segment) for segment in over]

    def cut(self) -> None:
        """What is added from now on goes into a new file."""
        if self._written:
            try:
                self._cut()
            except OSError as error:
                self.trouble = error

    def sync(self, end: End) -> None:
        """Until the disk has what was written by then. Blocks; raises OSError."""
        for segment in end.segments:
            if segment >= self._synced:
                _sync(self._path(segment))
                self._synced = segment
        _sync(self._folder)

    def _take(self) -> None:
        self._lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(
                f"the journal in {self._folder} is that of an agent which still runs;"
                " each needs a folder of its own"
            ) from error

    def _write(self, line: bytes) -> None:
        # Without a buffer of our own: what was written outlives us.
        done = os.write(self._file, line)
        if done == len(line):
            self._written += done
            return
        try:
            os.ftruncate(self._file, self._written)
        except OSError:
            # Half a line stays, and must be the last one of its file.
            self._written = self._cut_bytes
        raise OSError(errno.ENOSPC, f"the disk took {done} bytes of {len(line)}")

    def _cut(self) -> None:
        first = self._unwritten[0][0] if self._unwritten else self._next
        file = os.open(
            self._path(first),
            os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND,
            0o600,
        )
        if self._file != -1:
            os.close(self._file)
        self._file, self._written = file, 0
        self._segments.append(first)

    def _last(self) -> int:
        """The highest number that was given, as far as the files know."""
        if not self._segments:
            return 0
        last = self._segments[-1]
        with open(self._path(last), "rb") as file:
            numbers = [_entry(line.rstrip(b"\n")).number or 0 for line in file]
        # Of an empty file the name is a number that is free; it stays unused.
        return max([last, *numbers])

    def _count(self, segment: int) -> int:
        with open(self._path(segment), "rb") as file:
            return sum(1 for _ in file)

    def _path(self, segment: int) -> Path:
        return self._folder / f"{segment:020}{_SUFFIX}"


def _entry(line: bytes) -> Entry:
    check, _, checked = line.partition(b" ")
    number, _, text = checked.partition(b" ")
    if check == b"%08x" % zlib.crc32(checked) and number.isdigit():
        return Entry(int(number), text)
    return Entry(None, line)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
