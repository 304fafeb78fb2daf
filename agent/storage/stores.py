"""Where recordings are kept: a folder here, a bucket that speaks S3 in bucket.py.

`put` returns once the recording is safe there. Putting the same one twice leaves
one, and nothing that is there is ever replaced.
"""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from .encoding import Format, made_of
from .files import BadFile, open_plainly, replacing, sync_folder


class StoreError(Exception):
    """The store did not take a recording, or has something else now."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What is put into a store."""

    bytes: int
    sha256: str
    source_sha256: str
    """Of what it was encoded from."""
    format: Format = Format.WAV


@dataclass(frozen=True, slots=True)
class Kept:
    """What the store has now: perhaps from an earlier time, encoded from the same."""

    key: str
    bytes: int
    sha256: str


class Store(Protocol):
    """All of it blocks, and raises StoreError."""

    name: str

    def put(self, file: IO[bytes], key: str, sound: Sound) -> Kept:
        """The key that comes back is the one under which the store knows it."""
        ...

    def open(self, key: str) -> BinaryIO: ...

    def delete(self, key: str) -> None:
        """It is gone then, whether or not it was there."""
        ...


class FolderStore:
    name = "folder"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, file: IO[bytes], key: str, sound: Sound) -> Kept:
        path = self.folder / key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            there = self._there(path, key, sound)
            if there is not None:
                return there
            with replacing(path) as copy:
                shutil.copyfileobj(file, copy)
                written = copy.tell()
                if written != sound.bytes:
                    raise StoreError(f"{path} got {written} of {sound.bytes} bytes")
            with open_plainly(path) as whole:
                sha256 = hashlib.file_digest(whole, "sha256").hexdigest()
            if sha256 != sound.sha256:
                path.unlink()
                raise StoreError(f"{path} reads back as something else")
            for folder in path.parents:
                sync_folder(folder)
                if folder == self.folder:
                    break
        except (OSError, BadFile) as error:
            raise StoreError(f"the folder {self.folder}: {error}") from error
        return Kept(key, sound.bytes, sound.sha256)

    def open(self, key: str) -> BinaryIO:
        try:
            return open_plainly(self.folder / key)
        except (OSError, BadFile) as error:
            raise StoreError(f"the folder {self.folder}: {error}") from error

    def delete(self, key: str) -> None:
        path = self.folder / key
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"the folder {self.folder}: {error}") from error

    def _there(self, path: Path, key: str, sound: Sound) -> Kept | None:
        try:
            with open_plainly(path) as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                size = file.tell()
                file.seek(0)
                same = sha256 == sound.sha256 or (
                    sound.format is not Format.WAV
                    and made_of(file) == sound.source_sha256
                )
        except FileNotFoundError:
            return None
        if not same:
            raise StoreError(f"{path} is there already, and is something else")
        return Kept(key, size, sha256)
