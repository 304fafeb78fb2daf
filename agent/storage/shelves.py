"""Opens and deletes recordings where their rows say that they are.

stores.py puts them there; this is the way back. A row may name a store of last year:
the folder is always known, a bucket while it is the configured one. All of it blocks.
"""

import os
import stat
import threading
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import IO, Protocol

from .config import S3Config
from .files import sync_folder
from .stores import StoreError

FOLDER = "folder"


class NotThere(StoreError):
    """The store answers, and does not have it."""


class Shelf(Protocol):
    def fetch(self, key: str) -> IO[bytes]:
        """Opened at its beginning, and seekable."""
        ...

    def delete(self, key: str) -> None:
        """In every version that the store has; nothing happens if there is none."""
        ...


class LinkingShelf(Shelf, Protocol):
    """A store with a web server of its own."""

    def link(self, key: str, seconds: int, media_type: str, name: str) -> str:
        """Good for so long. Raises NotThere rather than link to nothing."""
        ...


class Shelves:
    def __init__(self, folder: Path, s3: S3Config | None) -> None:
        self._folder = FolderShelf(folder)
        self._s3 = s3
        self._bucket: LinkingShelf | None = None
        self._opening = threading.Lock()

    def holding(self, store: str) -> "FolderShelf | LinkingShelf":
        """Blocks. Raises StoreError if the store is none of ours any more."""
        if store == FOLDER:
            return self._folder
        if self._s3 is None or store != f"s3://{self._s3.bucket}":
            raise StoreError(f"{store} is not configured any more: S3_BUCKET names it")
        with self._opening:
            if self._bucket is None:
                # boto3 takes 0.7 s to import, and only who has a bucket needs it.
                from .bucket_shelf import BucketShelf

                self._bucket = BucketShelf(self._s3)
            return self._bucket


class FolderShelf:
    """Keys are relative paths; no link on the way is ever followed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fetch(self, key: str) -> BufferedReader:
        try:
            above, name = self._walk(key)
            try:
                file = os.open(
                    name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=above
                )
            finally:
                os.close(above)
        except FileNotFoundError as error:
            raise NotThere(f"{self._folder / key} is not there") from error
        except OSError as error:
            raise StoreError(f"{self._folder / key}: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise StoreError(f"{self._folder / key} is not a regular file")
        return open(file, "rb")

    def delete(self, key: str) -> None:
        try:
            above, name = self._walk(key)
            try:
                os.unlink(name, dir_fd=above)
                os.fsync(above)
            finally:
                os.close(above)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"{self._folder / key}: {error.strerror}") from error
        self._tidy(key)

    def _walk(self, key: str) -> tuple[int, str]:
        """The open folder in which the last part of the key is a name."""
        *folders, name = key.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in (*folders, name)):
            raise StoreError(f"{key!r} is not the key of a recording")
        # The folder itself may be a link: that is the operator's choice.
        below = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        for folder in folders:
            above = below
            try:
                below = os.open(
                    folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above
                )
            finally:
                os.close(above)
        return below, name

    def _tidy(self, key: str) -> None:
        """The folders of a call and of a day go with what was in them."""
        with suppress(OSError):  # not empty
            for folder in (self._folder / key).parents:
                if folder == self._folder:
                    break
                folder.rmdir()
                sync_folder(folder.parent)
