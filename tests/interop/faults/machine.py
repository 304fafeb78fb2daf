"""What a fault needs of the machine: small disks, and the worker's process."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .stage import Stage

needs_mount = pytest.mark.skipif(os.getuid() != 0, reason="only root may mount")


@contextmanager
def disk(folder: Path, options: str) -> Iterator[None]:
    """A disk in memory lies over the folder; `options` as mount(8) has them."""
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield
    finally:
        # Lazily: somebody may still have a file of it.
        subprocess.run(["umount", "-l", str(folder)], check=True)


def worker(stage: Stage) -> int | None:
    """The process of the agent's `offhook work`, if there is one just now."""
    children = Path(f"/proc/{stage.offhook.pid}/task").glob("*/children")
    for child in " ".join(each.read_text() for each in children).split():
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"work" in command:
            return int(child)
    return None
