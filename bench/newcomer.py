"""How long does it take from `git clone` to a call that talks?

    python -m bench.newcomer [--cache warm|empty]

A newcomer's path: a clone in a new folder, an empty home, no variable but PATH and HOME
(and ports that are free, so that it runs beside another agent); `make run`, and once it
answers calls, `make call`. With `--cache empty` everything is fetched, 1.6 GB; with
`warm` the new home has this user's caches, as for a second clone on a machine.
Takes one to ten minutes; ends what it started, and keeps nothing but the figures.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from agent.local.process import free_port
from bench.capacity import keep
from bench.process import ROOT, NotReady

PATIENCE = 1800.0
"""Seconds for all that `make run` fetches."""
CALL_PATIENCE = 300.0
READY = "The agent answers calls"


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Newcomer:
    cache: str
    load: float
    """Programs that ran or wanted to, a minute's average, when it began."""
    steps: tuple[Step, ...]

    @property
    def seconds(self) -> float:
        return sum(step.seconds for step in self.steps)


class Clock:
    """Steps, each from the end of the one before."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self.steps: list[Step] = []

    def step(self, name: str) -> None:
        now = time.monotonic()
        self.steps.append(Step(name, round(now - self._since, 1)))
        self._since = now


def path(folder: Path, cache: str) -> Newcomer:
    load = os.getloadavg()[0]
    home = folder / "home"
    (home / ".cache").mkdir(parents=True)
    if cache == "warm":
        ours = Path.home() / ".cache"
        for name in ("offhook", "uv"):
            (home / ".cache" / name).symlink_to(ours / name)
    clone, environment = folder / "offhook", bare(home)
    clock = Clock()
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    clock.step("git clone")
    with making_run(clone, environment, folder / "run.log") as run:
        for name, is_done in milestones(clone, run.log):
            run.wait_for(is_done)
            clock.step(name)
        asked_at = time.time()
        said = make_call(clone, environment)
        port = environment["OFFHOOK_PORT"]
        clock.steps += steps_of_a_call(said, answered_at(port) - asked_at)
    return Newcomer(cache, round(load, 1), tuple(clock.steps))


def bare(home: Path) -> dict[str, str]:
    """All that a newcomer's programs are told: what `env -i` leaves, and where."""
    ports = ("OFFHOOK_PORT", "OFFHOOK_WORK_PORT", "ASTERISK_HTTP_PORT")
    ports += ("OFFHOOK_AMI_PORT", "SIP_PORT")
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": str(home),
    } | {name: str(free_port()) for name in ports}


class Run:
    """`make run`, and what it has said."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self.log = log

    def wait_for(self, is_done: "Milestone") -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_done():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise NotReady(f"make run: {self.log.read_text()[-3000:]}")
            time.sleep(0.05)


@contextmanager
def making_run(clone: Path, environment: Mapping[str, str], log: Path) -> Iterator[Run]:
    with log.open("wb") as to:
        process = subprocess.Popen(
            ["make", "run"],
            cwd=clone,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=to,
            stderr=to,
            start_new_session=True,
        )
    try:
        yield Run(process, log)
    finally:
        # To all of them, as Ctrl-C does; scripts/run then takes Asterisk down, too.
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Milestone:
    """A file that is there, or words in the log."""

    def __init__(self, file: Path, words: str = "") -> None:
        self._file = file
        self._words = words

    def __call__(self) -> bool:
        if not self._words:
            return any(self._file.parent.glob(self._file.name))
        return self._words in self._file.read_text(errors="replace")


def milestones(clone: Path, log: Path) -> list[tuple[str, Milestone]]:
    """What scripts/run does, one after the other, and how it is seen from outside."""
    return [
        ("Python environment", Milestone(clone / ".venv" / "offhook-*.lock")),
        ("models", Milestone(clone / "var")),
        ("Asterisk", Milestone(log, "Asterisk is up")),
        ("agent ready", Milestone(log, READY)),
    ]


def make_call(clone: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["make", "call"],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        timeout=CALL_PATIENCE,
    )
    if done.returncode:
        raise NotReady(f"make call: {done.stdout}{done.stderr}")
    return done.stdout


def answered_at(port: str) -> float:
    """When the only call was, as the agent has it: seconds of the epoch."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/calls", timeout=5) as answer:
        (call,) = json.load(answer)["calls"]
    return datetime.fromisoformat(call["answered_at"]).timestamp()


def steps_of_a_call(said: str, until_answered: float) -> list[Step]:
    """Of what `make call` printed: when the agent's first words were heard, and when it
    was over, both counted from the answer."""
    begun = re.search(r"^ *([\d.]+) - +[\d.]+ +agent  ", said, re.MULTILINE)
    over = re.search(r"^ *([\d.]+) +\w+ hung up", said, re.MULTILINE)
    if begun is None or over is None:
        raise NotReady(f"make call: {said}")
    first, end = float(begun[1]), float(over[1])
    return [
        Step("make call: answered", round(until_answered, 1)),
        Step("first words heard", round(first, 1)),
        Step("goodbye", round(end - first, 1)),
    ]


def show(came: Newcomer) -> str:
    lines = [f"cache {came.cache}, load {came.load}", ""]
    lines += ["| step | seconds | since the beginning |", "|---|---|---|"]
    so_far = 0.0
    for step in came.steps:
        so_far += step.seconds
        lines.append(f"| {step.name} | {step.seconds:.1f} | {so_far:.1f} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", choices=("warm", "empty"), default="warm")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="newcomer-") as folder:
        try:
            came = path(Path(folder), arguments.cache)
        except NotReady as error:
            print(error, file=sys.stderr)
            return 1
    print(show(came))
    print(f"\n{keep('newcomer', asdict(came))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
