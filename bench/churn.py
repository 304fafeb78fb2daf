"""Does anything of a call stay behind when it is over?

    python -m bench.churn [--calls 10000]

Short calls, many a second, through one process: connect, MEDIA_START, ten frames,
close; each with a pipeline of its own. Then a census of tasks, objects, threads,
descriptors and memory: at the start, after a hundred, at each tenth of the way.
"""

import argparse
import os
import time
from dataclasses import asdict, dataclass

from agent.phone.load import Load, LoadConfig
from bench.capacity import LOAD_CORE, SERVER_CORE, keep
from bench.server import PASSWORD, Server

AT_ONCE = 50
SPEAK = 0.2
"""Seconds: ten frames."""
WARM = 100
"""Calls after which growth counts; the first ones fill pools and caches."""
SETTLE = 2.5
"""Seconds for the last calls to be put down, and for the sweep after them."""


@dataclass(frozen=True, slots=True)
class Census:
    calls: int
    seconds: float
    failed: int
    """Calls that the server ended, or in which it said nothing, not even silence."""
    tasks: int
    threads: int
    objects: int
    descriptors: int
    pss_mb: float


def churn(server: Server, until: int, census: Census) -> Census:
    """More calls, until there have been so many in all."""
    since, failed = time.monotonic(), census.failed
    for done in range(census.calls, until, AT_ONCE):
        calls = min(AT_ONCE, until - done)
        with Load(LoadConfig(server.url, password=PASSWORD), calls) as load:
            load.feed(SPEAK, measuring=True)
            load.feed(0.02)
            came = load.measured()
        failed += came.closed if came.returned or came.silent else calls
    seconds = census.seconds + time.monotonic() - since
    time.sleep(SETTLE)
    return count(server, until, seconds, failed)


def count(server: Server, calls: int, seconds: float, failed: int) -> Census:
    return Census(
        calls=calls,
        seconds=round(seconds, 1),
        failed=failed,
        pss_mb=round(server.pss_mb(), 1),
        **server.census(),
    )


HEAD = "  calls  seconds  failed  tasks  threads  objects  descriptors  PSS MB"


def row(census: Census) -> str:
    return (
        f"{census.calls:7} {census.seconds:8.1f} {census.failed:7} {census.tasks:6}"
        f" {census.threads:8} {census.objects:8} {census.descriptors:12}"
        f" {census.pss_mb:7.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--server", default="pipeline")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    steps = [WARM, *range(WARM, arguments.calls, max(WARM, arguments.calls // 10))]
    print(HEAD)
    with Server(arguments.server, core=SERVER_CORE) as server:
        taken = [count(server, 0, 0.0, 0)]
        print(row(taken[0]))
        for step in sorted({*steps, arguments.calls}):
            taken.append(churn(server, step, taken[-1]))
            print(row(taken[-1]), flush=True)
    print(keep("churn", [asdict(census) for census in taken]))


if __name__ == "__main__":
    main()
