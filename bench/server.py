"""A server under measurement: started on a core of its own, and asked about itself."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from agent import environment
from agent.models.store import Store

ROOT = Path(__file__).parent.parent
PASSWORD = "bench"
_TICKS = os.sysconf("SC_CLK_TCK")
_START_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Kind:
    module: str
    """In bench/servers."""
    options: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    """Run in an environment of its own, which has these and nothing of ours."""
    media_port: int = 0
    """Counted from the port that is told."""


SERVERS = {
    "null": Kind("null"),
    "ours": Kind("ours"),
    "stock": Kind("stock"),
    "stock-no-vad": Kind("stock", ("--no-vad",)),
    "galcymedia": Kind(
        "galcymedia", packages=("galcymedia==0.1.1", "uvicorn", "uvloop"), media_port=1
    ),
    "talking": Kind("talking"),
    "pipeline": Kind("pipeline"),
}


class NoServer(Exception):
    """It did not start, or died."""


@dataclass(frozen=True, slots=True)
class Lag:
    """Of the event loop, milliseconds."""

    p50: float = 0.0
    p99: float = 0.0
    max: float = 0.0


class Server:
    def __init__(self, name: str, *, core: int | None = 0) -> None:
        self.name = name
        self._kind = SERVERS[name]
        self._core = core
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._port + self._kind.media_port}/telephony/ws"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> "Server":
        kind = self._kind
        model = Store(environment.models()).path("silero-vad") / "silero_vad.onnx"
        command = [
            *(_python(kind), "-W", "ignore", "-m", f"bench.servers.{kind.module}"),
            *(str(self._port), str(model), *kind.options),
        ]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        if self._core is not None:
            os.sched_setaffinity(self._process.pid, {self._core})
        until = time.monotonic() + _START_WITHIN
        while time.monotonic() < until and self._process.poll() is None:
            try:
                self.lag()
            except OSError:
                time.sleep(0.1)
            else:
                return self
        self._stop()
        raise NoServer(f"{self.name} did not start within {_START_WITHIN:g} s")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def lag(self) -> Lag:
        """Since the last time it was asked."""
        url = f"http://127.0.0.1:{self._port}/bench/lag"
        with urllib.request.urlopen(url, timeout=60) as answer:
            return Lag(**json.load(answer))

    def census(self) -> dict[str, int]:
        """What the process holds: tasks, objects, threads; after a collection."""
        url = f"http://127.0.0.1:{self._port}/bench/census"
        with urllib.request.urlopen(url, timeout=60) as answer:
            counted: dict[str, int] = json.load(answer)
        counted["descriptors"] = len(os.listdir(f"/proc/{self.pid}/fd"))
        return counted

    def cpu_seconds(self) -> float:
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def pss_mb(self) -> float:
        """Memory, with its share of what other processes use as well."""
        rollup = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        (pss,) = (line for line in rollup.splitlines() if line.startswith("Pss:"))
        return int(pss.split()[1]) / 1024


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _python(kind: Kind) -> str:
    """Ours, or that of an environment in the cache, made when first asked for."""
    if not kind.packages:
        return sys.executable
    folder = environment.cache(os.environ) / "bench" / kind.module
    python = folder / "bin" / "python"
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", *kind.packages],
            check=True,
            capture_output=True,
            timeout=120,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NoServer(f"{kind.packages[0]} cannot be installed: {error}") from error
    return str(python)
