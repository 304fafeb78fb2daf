"""Programs that a measurement starts, waits for and stops."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent


class NotReady(Exception):
    """It died, or took too long. Says what it wrote last."""


@contextmanager
def running(
    *command: str,
    ready: str,
    log: Path,
    core: int | None = None,
    within: float = 120.0,
    **environment: str,
) -> Iterator[int]:
    """`python -m` that, until the block is left; its process id once `ready` answers.

    `ready` is a URL, `core` the only one that it may use.
    """
    with log.open("wb") as to:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", *command],
            cwd=ROOT,
            env=os.environ | environment,
            stdout=to,
            stderr=to,
        )
    try:
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        deadline = time.monotonic() + within
        while not _answers(ready):
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotReady(f"{' '.join(command)}: {log.read_text()[-3000:]}")
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False
