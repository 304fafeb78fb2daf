"""What calls and their records lose when the agent, or its database, goes down.

    python -m bench.outage kill [--calls 20] [--database sqlite|postgresql]
    python -m bench.outage database [--calls 20] [--seconds 60]

`kill`: the agent is ended with SIGKILL while all calls are up and is started again.
Every call's row must be there, ended as AGENT_DIED at about that time, with each turn
that the caller had heard, and `call_hungup` once.

`database`: PostgreSQL is stopped for so long while all calls are up. No call may end,
and no answer may be missing; afterwards every turn must be in the database. The waits
for answers before, during and after stand side by side.

Models as in own_share.py: ears, mind and voice of fixed slowness.
"""

import argparse
import asyncio
import json
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.house import House
from bench.own_share import Answer, Caller, ais, callers, spread
from bench.speech_corpus import corpus
from tests.storage.postgres import Server, programs, server

BEFORE = 20.0
"""Seconds of talk before the fault, and after it."""
WRITTEN_WITHIN = 1.0
"""Seconds after which an answer that was heard must be in the record."""


@dataclass(frozen=True, slots=True)
class Row:
    """What the record of a call says, beside what its caller heard."""

    call: str
    answers: int
    """That the caller heard to their end, early enough to be written down."""
    turns: int
    """Of the agent, in the record."""
    end_reason: str | None
    ended_late: float | None
    """Seconds from the fault to the end that the record states."""
    hangups: int
    """Events that say that it is over."""

    @property
    def right(self) -> bool:
        return self.turns >= self.answers and self.hangups == 1


def rows_of(
    house: House, talked: Sequence[Caller], fault: float, at: datetime
) -> list[Row]:
    return [_row(house, caller, fault, at) for caller in talked]


def _row(house: House, caller: Caller, fault: float, at: datetime) -> Row:
    record = house.get(f"/calls/{caller.name}")
    hangups = house.get(f"/events?call_id={caller.name}&types=call_hungup")
    ended = record["ended_at"]
    late = ended and (datetime.fromisoformat(ended) - at).total_seconds()
    heard = [
        answer
        for answer in caller.answers
        # The next question is asked when the answer was heard to its end.
        if answer is not None and answer.heard < fault - WRITTEN_WITHIN
    ]
    return Row(
        caller.name,
        max(0, len(heard) - 1),
        sum(turn["speaker"] == "agent" for turn in record["turns"]),
        record["end_reason"],
        late,
        len(hangups["events"]),
    )


async def _talk(house: House, calls: int, seconds: float) -> list[Caller]:
    return await callers(house.sockets, calls, seconds)


def kill(house: House, calls: int) -> dict[str, Any]:
    pid = house.start()
    told: dict[str, Any] = {}

    async def both() -> list[Caller]:
        talking = asyncio.create_task(_talk(house, calls, 2 * BEFORE))
        await asyncio.sleep(4 + BEFORE)
        told["up"] = len(
            (await asyncio.to_thread(house.get, "/calls?live=true"))["calls"]
        )
        told["at"], told["fault"] = datetime.now(UTC), time.monotonic()
        os.kill(pid, signal.SIGKILL)
        return await talking

    talked = asyncio.run(both())
    began = time.monotonic()
    house.start()
    started = time.monotonic() - began
    time.sleep(2)
    rows = rows_of(house, talked, told["fault"], told["at"])
    return _found(rows, "agent_died") | {
        "up_when_killed": told["up"],
        "started_again_after_s": round(started, 1),
        "ended_late_s": spread(row.ended_late or 0.0 for row in rows),
    }


def database(house: House, there: Server, calls: int, seconds: float) -> dict[str, Any]:
    house.start()
    span: list[float] = []
    at = datetime.now(UTC)

    async def both() -> list[Caller]:
        talking = asyncio.create_task(_talk(house, calls, 2 * BEFORE + seconds))
        await asyncio.sleep(4 + BEFORE)
        await asyncio.to_thread(there.stop)
        span.append(time.monotonic())
        await asyncio.sleep(seconds)
        span.append(time.monotonic())
        await asyncio.to_thread(there.start)
        return await talking

    talked = asyncio.run(both())
    time.sleep(10)
    rows = rows_of(house, talked, time.monotonic(), at)
    answers = [answer for caller in talked for answer in caller.answers[1:]]
    given = [answer for answer in answers if answer is not None]
    return _found(rows, "caller_hung_up") | {
        "seconds_without_database": round(span[1] - span[0], 1),
        "answers_missing": len(answers) - len(given),
        "wait_before_ms": _waits(given, 0, span[0]),
        "wait_without_ms": _waits(given, *span),
        "wait_after_ms": _waits(given, span[1], float("inf")),
    }


def _found(rows: Sequence[Row], reason: str) -> dict[str, Any]:
    wrong = [row for row in rows if not row.right or row.end_reason != reason]
    return {
        "calls": len(rows),
        "right": len(rows) - len(wrong),
        "wrong": [asdict(row) for row in wrong],
        "answers_heard": sum(row.answers for row in rows),
        "turns_written": sum(row.turns for row in rows),
    }


def _waits(given: Sequence[Answer], begin: float, end: float) -> dict[str, Any]:
    waits = [1000 * (a.arrived - a.ended) for a in given if begin <= a.ended < end]
    return {"answers": len(waits)} | spread(waits)


def _postgresql() -> AbstractContextManager[Server]:
    where = programs()
    if where is None:
        raise SystemExit("no PostgreSQL on this machine: scripts/postgres")
    return server(where)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fault", choices=("kill", "database"))
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--database", choices=("sqlite", "postgresql"))
    given = parser.parse_args()
    corpus()
    kind = given.database or ("sqlite" if given.fault == "kill" else "postgresql")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as held:
        there = held.enter_context(_postgresql()) if kind == "postgresql" else None
        settings = {"DATABASE_URL": there.url} if there else {}
        house = House(held, Path(folder), given.calls, ais(given.calls), **settings)
        if given.fault == "kill":
            found = kill(house, given.calls)
        elif there is None:
            parser.error("the database must be PostgreSQL")
        else:
            found = database(house, there, given.calls, given.seconds)
    print(json.dumps({"database": kind} | found, indent=2))


if __name__ == "__main__":
    main()
