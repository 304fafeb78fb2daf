"""A file on its way: FILE.part, hashed as it grows, renamed to FILE when it is right.

So FILE is never half a file, whenever the power fails, and what has arrived
of FILE.part is not asked for again.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from .errors import WrongFile
from .lock import File

CHUNK = 1 << 20


class Part:
    def __init__(self, target: Path, file: File) -> None:
        self._target = target
        self._file = file
        self._path = target.with_name(target.name + ".part")
        target.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self._path.open("a+b")
        self._hash = hashlib.sha256()
        self.have = 0
        """Bytes that are here already."""
        self._stream.seek(0)
        for chunk in iter(lambda: self._stream.read(CHUNK), b""):
            self._hash.update(chunk)
            self.have += len(chunk)
        if self.have > file.size:
            self.restart()

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self._file.size

    def restart(self) -> None:
        self._stream.truncate(0)
        self._stream.seek(0)
        self._hash = hashlib.sha256()
        self.have = 0

    def write(self, chunk: bytes) -> None:
        if self.have + len(chunk) > self.size:
            self.restart()
            raise WrongFile(f"more than the {self.size} bytes of models.lock came")
        self._stream.write(chunk)
        self._hash.update(chunk)
        self.have += len(chunk)

    def publish(self) -> None:
        """FILE.part becomes FILE, if it is the file that models.lock means."""
        have, found = self.have, self._hash.hexdigest()
        if have != self.size:
            self.restart()
            raise WrongFile(f"{have} bytes came, models.lock says {self.size}")
        if found != self._file.sha256:
            self.restart()
            raise WrongFile(f"SHA-256 is {found}, models.lock says {self._file.sha256}")
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._path.replace(self._target)
        _sync_folder(self._target.parent)

    def close(self) -> None:
        """Keeps what has arrived; an empty FILE.part goes."""
        self._stream.close()
        if self.have == 0:
            self._path.unlink(missing_ok=True)

    def __enter__(self) -> "Part":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def digest(path: Path, advanced: Callable[[int], None]) -> str:
    """SHA-256 of a file; `advanced` hears the bytes done so far."""
    hashed = hashlib.sha256()
    done = 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            hashed.update(chunk)
            done += len(chunk)
            advanced(done)
    return hashed.hexdigest()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
