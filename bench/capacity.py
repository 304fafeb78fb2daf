"""How many calls does a core carry, and what does it add to their delay?

    python -m bench.capacity [--servers ours,stock,null] [--calls 10,25,50,100,200]

Ours beside stock pipecat-ai, and an echo that does nothing as the floor. The server has
one core, the load the other. Each point: connect, 4 s for the start to settle, the
seconds that count, 1 s for the last frames to come back. A server that loses frames, or
is over a second behind, is not asked for more. How to read it: docs/performance.md.
"""

import argparse
import gc
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent.phone.line import CallFailed
from agent.phone.load import Load, LoadConfig
from bench.server import PASSWORD, Lag, NoServer, Server

SETTLE = 4.0
GRACE = 1.0
RESULTS = Path(__file__).parent / "results"
SERVER_CORE, LOAD_CORE = 0, 1
LATE_LOAD = 20.0
"""Milliseconds. A load that was later than this with a frame was itself disturbed."""


@dataclass(frozen=True, slots=True)
class Point:
    server: str
    calls: int
    cpu: float
    """Percent of one core."""
    delay_ms: dict[str, float | None]
    """From a frame to its echo; loopback and the load's own share are in it. None when
    nothing came back."""
    lost: int
    lost_percent: float
    crossed: int
    """Frames that came back to another call."""
    silent: int
    """Frames of silence that the server put between."""
    closed: int
    waiting: int
    """Frames in the longest play queue at the end: delay that stays."""
    said: dict[str, int]
    pss_mb: float
    lag: Lag
    load_cpu: float
    load_late_ms: float
    machine_load: float
    """Of the last minute, before the point: other people's work, if it is above 2."""


PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "p99.9": 99.9, "max": 100.0}


def measure(server: Server, calls: int, seconds: float) -> Point:
    machine_load = os.getloadavg()[0]
    with Load(LoadConfig(server.url, password=PASSWORD), calls) as load:
        load.feed(SETTLE)
        server.lag()
        cpu, own, since = server.cpu_seconds(), time.process_time(), time.monotonic()
        load.feed(seconds, measuring=True)
        lasted = (time.monotonic() - since) / 100
        cpu = (server.cpu_seconds() - cpu) / lasted
        own = (time.process_time() - own) / lasted
        lag, pss_mb = server.lag(), server.pss_mb()
        load.feed(GRACE)
        came = load.measured()
    return Point(
        server=server.name,
        calls=calls,
        cpu=round(cpu, 1),
        delay_ms={
            name: round(1000 * came.delay(percent), 2) if came.returned else None
            for name, percent in PERCENTILES.items()
        },
        lost=came.lost,
        lost_percent=round(100 * came.lost / came.expected, 3),
        crossed=came.crossed,
        silent=came.silent,
        closed=came.closed,
        waiting=came.waiting,
        said=dict(came.said),
        pss_mb=round(pss_mb, 1),
        lag=lag,
        load_cpu=round(own, 1),
        load_late_ms=round(1000 * came.worst_start, 1),
        machine_load=round(machine_load, 2),
    )


HEAD = (
    "server        calls | CPU %  a call |    p50    p95    p99  p99.9     max ms"
    " | lost %  queued | PSS MB | loop lag p99/max | load CPU %, late ms | machine"
)


def row(point: Point) -> str:
    delays = " ".join(
        "     -" if delay is None else f"{delay:6.2f}"
        for delay in point.delay_ms.values()
    )
    notes = [
        f"{name} {count}"
        for name, count in (("crossed", point.crossed), ("closed", point.closed))
        if count
    ]
    if point.load_late_ms > LATE_LOAD:
        notes.append("(the load was held up)")
    return (
        f"{point.server:13} {point.calls:5} | {point.cpu:5.1f} "
        f"{point.cpu / point.calls:7.3f} | {delays}    "
        f" | {point.lost_percent:6.3f}  {point.waiting:6} | {point.pss_mb:6.1f}"
        f" | {point.lag.p99:7.2f} {point.lag.max:8.2f}"
        f" | {point.load_cpu:10.1f} {point.load_late_ms:8.1f}"
        f" | {point.machine_load:5.2f} {' '.join(notes)}"
    )


def mb_per_call(points: Sequence[Point]) -> float | None:
    """Of each further call: the slope through all points, but for ended ones."""
    if len(points) < 2:
        return None
    mean_calls = sum(point.calls for point in points) / len(points)
    mean_mb = sum(point.pss_mb for point in points) / len(points)
    return sum(
        (point.calls - mean_calls) * (point.pss_mb - mean_mb) for point in points
    ) / sum((point.calls - mean_calls) ** 2 for point in points)


def measure_all(
    names: Sequence[str], calls: Sequence[int], seconds: float
) -> list[Point]:
    points = []
    print(HEAD)
    for name in names:
        own: list[Point] = []
        try:
            with Server(name, core=SERVER_CORE) as server:
                for number in calls:
                    point = measure(server, number, seconds)
                    own.append(point)
                    print(row(point), flush=True)
                    median = point.delay_ms["p50"]
                    if point.lost_percent > 1 or median is None or median > 1000:
                        print(f"{name}: no more than that on a core")
                        break
        except (NoServer, CallFailed) as error:
            print(f"{name}: {error}")
        if (slope := mb_per_call(own)) is not None:
            print(f"{name}: {slope:.2f} MB for each further call")
        points += own
    return points


def keep(kind: str, measured: object) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{kind}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(measured, indent=1) + "\n")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", default="null,ours,galcymedia,stock,stock-no-vad")
    parser.add_argument("--calls", default="10,25,50,100,200")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument(
        "--undisturbed",
        action="store_true",
        help="before everything else on the machine (SCHED_FIFO, needs root)",
    )
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {LOAD_CORE})
    if arguments.undisturbed:  # the servers inherit it
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    gc.disable()
    points = measure_all(
        arguments.servers.split(","),
        [int(calls) for calls in arguments.calls.split(",")],
        arguments.seconds,
    )
    print(keep("capacity", [asdict(point) for point in points]))


if __name__ == "__main__":
    main()
