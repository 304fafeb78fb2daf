"""The agent as operators run it: `offhook serve` as a process, with real models."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from agent.local.process import free_port

from .asterisk import ROOT


class Offhook:
    def __init__(self, folder: Path, port: int, password: str, **settings: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "agent.log"
        self._settings = {
            "OFFHOOK_PORT": str(port),
            "OFFHOOK_WORK_PORT": str(free_port()),
            "OFFHOOK_DATA": str(folder),
            "OFFHOOK_MEDIA_PASSWORD": password,
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def up(self, within: float = 120.0) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "agent", "serve"],
                cwd=ROOT,
                env=os.environ | self._settings,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + within
        while not self._ready():
            assert self._process.poll() is None, self.log.read_text()[-3000:]
            assert time.monotonic() < deadline, self.log.read_text()[-3000:]
            time.sleep(0.1)

    def down(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                raise

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            return json.load(answer)

    def delete(self, path: str) -> int:
        request = urllib.request.Request(self.url + path, method="DELETE")
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(self.url + "/metrics", timeout=5) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(f"{name} "):
                    return float(line.split()[1])
        raise AssertionError(f"no metric {name}")

    @property
    def files(self) -> int:
        """File descriptors that it holds open, the database's apart: its pool grows to
        five connections, and stays there."""
        folder = Path(f"/proc/{self.pid}/fd")
        return sum("offhook.db" not in os.readlink(link) for link in folder.iterdir())

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + "/readyz", timeout=2):
                return True
        except OSError:
            return False
