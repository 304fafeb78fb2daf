"""`offhook bench`: how many calls does the media plane carry on this machine?

Starts it with an echo in the AI's place (agent/echo.py) on one core, and callers on
another, more of them each time, until frames come late or not at all. A loop that is
late delays every frame, so the delay speaks for both. Models and their cores are not
in it: they have limits of their own.
"""

import argparse
import gc
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .line import CallFailed
from .load import Load, LoadConfig, Measured

STEPS = (10, 25, 50, 75, 100, 125, 150, 175, 200, 250, 300, 350, 400)
SETTLE, GRACE = 3.0, 0.5
"""Seconds before the ones that count, and after them."""
MOST_LOST = 0.001
"""Part of the frames."""
SHARE = 0.8
"""Of what was carried. The rest is for what a conversation does besides."""
_START_WITHIN = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Step:
    calls: int
    cpu: float
    """Percent of one core."""
    came: Measured

    def verdict(self, slowest_ms: float) -> str:
        """What was wrong; empty: nothing."""
        if self.came.closed:
            return f"{self.came.closed} calls were ended"
        if self.came.lost > MOST_LOST * self.came.expected:
            return f"{self.came.lost} of {self.came.expected} frames were lost"
        if (p99 := 1000 * self.came.delay(99)) > slowest_ms:
            return f"p99 is {p99:.1f} ms, more than {slowest_ms:g}"
        return ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seconds", type=float, default=6.0, help="that count, of each step (6)"
    )
    parser.add_argument(
        "--slowest",
        type=float,
        default=5.0,
        metavar="MS",
        help="p99 of a frame's delay that is still good (5)",
    )


def run(arguments: argparse.Namespace, model: Path) -> int:
    """`model`: silero_vad.onnx. Prints a table and what OFFHOOK_MAX_CALLS may be."""
    server_core, load_core = _cores(sorted(os.sched_getaffinity(0)))
    os.sched_setaffinity(0, {load_core})
    gc.disable()  # a collection of ours would be taken for the server's delay
    print("  calls   CPU %   p50    p99  p99.9    max ms    lost")
    carried = 0
    try:
        with _echo(model, server_core) as (pid, config):
            for calls in STEPS:
                step = _again_if_bad(config, pid, calls, arguments)
                print(row(step), flush=True)
                if wrong := step.verdict(arguments.slowest):
                    print(f"{calls} calls are too many: {wrong}")
                    break
                carried = calls
    except CallFailed as error:
        print(f"offhook: {error}", file=sys.stderr)
        return 1
    print(proposal(carried))
    return 0 if carried else 1


def proposal(carried: int) -> str:
    if not carried:
        return (
            f"not even {STEPS[0]} calls are carried: is the machine busy with something"
            " else, or are its cores shared?"
        )
    return (
        f"one core carries {carried} calls; OFFHOOK_MAX_CALLS={int(carried * SHARE)}"
        " leaves room for the conversations (models and Asterisk need cores of their"
        " own)"
    )


def row(step: Step) -> str:
    came = step.came
    delays = (1000 * came.delay(percent) for percent in (50, 99, 99.9, 100))
    return (
        f"{step.calls:7} {step.cpu:7.1f} "
        + " ".join(f"{delay:6.2f}" for delay in delays)
        + f" {came.lost:10}"
    )


def _again_if_bad(
    config: LoadConfig, pid: int, calls: int, arguments: argparse.Namespace
) -> Step:
    """A second look, once: something else on the machine may have been in the way."""
    step = _step(config, pid, calls, arguments.seconds)
    if step.verdict(arguments.slowest):
        step = _step(config, pid, calls, arguments.seconds)
    return step


def _step(config: LoadConfig, pid: int, calls: int, seconds: float) -> Step:
    with Load(config, calls) as load:
        load.feed(SETTLE)
        before, since = _cpu_seconds(pid), time.monotonic()
        load.feed(seconds, measuring=True)
        used = (_cpu_seconds(pid) - before) / (time.monotonic() - since)
        load.feed(GRACE)
        return Step(calls, 100 * used, load.measured())


@contextmanager
def _echo(model: Path, core: int) -> Iterator[tuple[int, LoadConfig]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    password = secrets.token_hex(8)
    url = f"ws://127.0.0.1:{port}/telephony/ws"
    server = subprocess.Popen(
        [sys.executable, "-m", "agent.echo", str(model), str(port), password]
    )
    try:
        os.sched_setaffinity(server.pid, {core})
        _wait(server, port)
        yield server.pid, LoadConfig(url, password=password)
    finally:
        server.kill()
        server.wait()


def _wait(server: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + _START_WITHIN
    while time.monotonic() < until and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise CallFailed(f"the echo server did not start in {_START_WITHIN:g} s")


def _cores(allowed: Sequence[int]) -> tuple[int, int]:
    """For the server and for the load; the same one if there is only one."""
    return allowed[0], allowed[-1]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
