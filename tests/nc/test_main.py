"""The process itself, with the real model."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from websockets.sync.client import connect

from tests.interop.asterisk import ROOT, free_port

pytestmark = pytest.mark.models


@pytest.fixture
def log(tmp_path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def port(models_folder, log) -> Iterator[int]:
    port = free_port(range(18005, 18025), socket.SOCK_STREAM)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "agent.nc", "--port", str(port)),
                *("--models", str(models_folder), "--streams", "1"),
                *("--report", "0.2"),
            ],
            cwd=ROOT,
            env=os.environ | {"OFFHOOK_LOG": "text"},
            stdout=out,
            stderr=out,
        )
    try:
        wait(process, port, log)
        yield port
    finally:
        process.terminate()
        process.wait(20)
    assert "Traceback" not in log.read_text()


def wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            assert get(port, "/health")["status"] == "ready"
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)


def get(port: int, path: str):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return json.load(answer)


def test_noise_goes_in_and_comes_out_quieter(port, log):
    noise = np.random.default_rng(1).normal(0, 500, 16000).astype("<i2").tobytes()
    with connect(f"ws://127.0.0.1:{port}/?rate=8000", compression=None) as stream:
        cleaned = b""
        for at in range(0, len(noise), 320):
            stream.send(noise[at : at + 320])
            cleaned += stream.recv(timeout=10)
        assert get(port, "/health")["status"] == "full"
    assert len(cleaned) == len(noise)
    assert np.frombuffer(cleaned, "<i2")[8000:].std() < 0.3 * 500
    deadline = time.monotonic() + 10
    while sum(map(int, re.findall(r"frames=(\d+)", log.read_text()))) < 100:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
