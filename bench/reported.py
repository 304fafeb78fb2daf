"""Whether the latency in the record is what the caller heard, over hundreds of turns.

    python -m bench.reported [--calls 20] [--seconds 90]

The callers of own_share.py, each with a play queue of Asterisk's habits. Measured is
from the last loud packet that a caller sends to the first loud frame that his queue
plays; reported is `heard` in the record of the call. A turn is a pair of both: that
turn of the agent in which the caller began to hear it. As there, first turns are not
counted: they are of the seconds in which all the calls begin. Turns in which a caller
himself was late with a packet measured nothing; they are counted apart.
"""

import argparse
import gc
import json
import os
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import uvloop

from agent.phone.load import percentile
from bench.capacity import LOAD_CORE, keep
from bench.house import House
from bench.own_share import LATE_LOAD, Caller, ais, callers
from bench.speech_corpus import corpus

ALLOWED_MS = 20.0
LATE_MS = 1000 * LATE_LOAD
PERCENTILES = {"p1": 1.0, "p50": 50.0, "p95": 95.0, "p99": 99.0}


@dataclass(frozen=True, slots=True)
class Pair:
    call: str
    at: float
    """When the answer was heard, in seconds since 1970."""
    measured_ms: float
    late_ms: float
    """By how much the caller himself was late in this turn."""
    reported_ms: float | None
    """None: the record has no such turn, or no `heard` in it."""

    @property
    def off_ms(self) -> float | None:
        if self.reported_ms is None:
            return None
        return round(self.reported_ms - self.measured_ms, 2)


def pair(
    call: str,
    record: Mapping[str, Any],
    at: float,
    measured: float,
    late: float = 0.0,
) -> Pair:
    """`at`: when it was heard, in seconds since 1970; the rest in seconds."""
    reported = None
    for turn in record["turns"]:
        began, ended = (_instant(turn[name]) for name in ("started_at", "ended_at"))
        if turn["speaker"] == "agent" and began <= at <= ended + ALLOWED_MS / 1000:
            reported = turn["latency"].get("heard")
    return Pair(
        call,
        round(at, 3),
        round(1000 * measured, 2),
        round(1000 * late, 2),
        None if reported is None else round(1000 * reported, 2),
    )


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def pairs(caller: Caller, record: Mapping[str, Any], epoch: float) -> list[Pair]:
    """`epoch`: seconds since 1970 at which the monotonic clock was zero."""
    return [
        pair(
            caller.name,
            record,
            epoch + answer.heard,
            answer.heard - answer.ended,
            answer.late,
        )
        for answer in caller.answers[1:]
        if answer is not None
    ]


def summary(found: Sequence[Pair]) -> dict[str, Any]:
    sound = [one for one in found if one.late_ms <= LATE_MS]
    off = sorted(one.off_ms for one in sound if one.off_ms is not None)
    size = sorted(map(abs, off))
    return {
        "turns": len(sound),
        "disturbed": len(found) - len(sound),
        "not_in_the_record": len(sound) - len(off),
        "within_20_ms": round(_share(one <= ALLOWED_MS for one in size), 4),
        "off_ms": {name: percentile(off, at) for name, at in PERCENTILES.items()}
        if off
        else {},
        "off_at_most_ms": size[-1] if size else None,
        "off_at_most_ms_p99": percentile(size, 99.0) if size else None,
    }


def _share(good: Iterable[bool]) -> float:
    all_of_them = list(good)
    return sum(all_of_them) / len(all_of_them) if all_of_them else 0.0


def measure(calls: int, seconds: float, folder: Path) -> dict[str, Any]:
    machine_load = os.getloadavg()[0]
    with ExitStack() as held:
        house = House(held, folder, calls, ais(calls), pinned=True)
        house.start()
        made = uvloop.run(callers(house.sockets, calls, seconds))
        epoch = time.time() - time.monotonic()
        time.sleep(2)  # the last turns are being written down
        found = [
            one
            for caller in made
            for one in pairs(caller, house.get(f"/calls/{caller.name}"), epoch)
        ]
    late = round(1000 * max(caller.latest for caller in made), 2)
    return summary(found) | {
        "load_late_ms": late,
        "machine_load": round(machine_load, 2),
        "pairs": [asdict(one) | {"off_ms": one.off_ms} for one in found],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=90)
    arguments = parser.parse_args()
    corpus()
    os.sched_setaffinity(0, {LOAD_CORE})
    gc.disable()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(arguments.calls, arguments.seconds, Path(folder))
    shown = {name: value for name, value in result.items() if name != "pairs"}
    print(json.dumps(shown, indent=1))
    print(keep("reported", result))


if __name__ == "__main__":
    main()
