"""Reading files that somebody else wrote, and writing ones that survive a crash."""

import errno
import fcntl
import os
import shutil
import signal
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


def still_written(file: BufferedReader) -> bool | None:
    """Whether any process of this machine has it open to write to it.

    None: this file system, or our rights, do not let us know.
    """
    # The kernel grants a read lease only on a file that nobody has open for writing,
    # in whatever container. Whoever opens it in the instant in which we hold the lease
    # makes the kernel signal us: by SIGURG, which nobody minds, not by SIGIO, which
    # kills.
    try:
        fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def move_away(path: Path, folder: Path) -> Path:
    """Moves a file into a folder, perhaps on another disk; replaces nothing there."""
    folder.mkdir(exist_ok=True)
    target = folder / path.name
    number = 1
    while target.exists():
        number += 1
        target = folder / f"{path.name}.{number}"
    try:
        os.rename(path, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with open_plainly(path) as source, replacing(target) as copy:
            shutil.copyfileobj(source, copy)
        sync_folder(folder)
        path.unlink()
    return target
