"""Reading files that somebody else wrote, and writing ones that survive a crash."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO


class BadFile(Exception):
    """A file is not what it should be."""


def open_plainly(path: Path) -> BufferedReader:
    """Opens a regular file; never follows a link out of the folder it lies in."""
    try:
        # Without O_NONBLOCK, opening a named pipe waits for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise BadFile(f"{path} is a symbolic link") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BadFile(f"{path} is not a regular file")
    return open(descriptor, "rb")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """What is written appears under `path` at the end, whole and on disk, or not."""
    draft = path.with_name(f".{path.name}.tmp")
    with open(draft, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def sync_folder(folder: Path) -> None:
    """A name lives in its folder; without this a power cut can take it back."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
