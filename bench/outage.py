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
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.local.process import free_port
from bench.own_share import (
    FIRST_BYTE_MS,
    FIRST_TOKEN_MS,
    Answer,
    Caller,
    ais,
    callers,
    get,
    spread,
)
from bench.process import running
from bench.server import PASSWORD
from bench.speech_corpus import corpus
from tests.storage.postgres import programs, server

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


class House:
    """The agent, its models and its database, as processes."""

    def __init__(self, held: ExitStack, folder: Path, calls: int, kind: str) -> None:
        self._held = held
        self._folder = folder
        self._calls = calls
        self._port, models = free_port(), free_port()
        (folder / "ais.toml").write_text(ais(calls))
        held.enter_context(
            running(
                "bench.servers.models",
                *map(str, (models, FIRST_TOKEN_MS, FIRST_BYTE_MS)),
                ready=f"http://127.0.0.1:{models}/health",
                log=folder / "models.log",
            )
        )
        self.database = None
        if kind == "postgresql":
            where = programs()
            if where is None:
                raise SystemExit("no PostgreSQL on this machine: scripts/postgres")
            self.database = held.enter_context(server(where))
        self._settings = {
            "OFFHOOK_PORT": str(self._port),
            "OFFHOOK_WORK_PORT": str(free_port()),
            "OFFHOOK_DATA": str(folder),
            "OFFHOOK_MEDIA_PASSWORD": PASSWORD,
            "OFFHOOK_AIS": str(folder / "ais.toml"),
            "OFFHOOK_MAX_CALLS": str(calls),
            "OFFHOOK_MAX_LAG_SECONDS": "10",
            "OFFHOOK_TTS_BASE_URL": f"http://127.0.0.1:{models}/v1",
            "OPENAI_BASE_URL": f"http://127.0.0.1:{models}/v1",
            "OPENAI_API_KEY": "none",
            "OPENAI_MODEL": "mock",
        }
        if self.database is not None:
            self._settings["DATABASE_URL"] = self.database.url
        self._started = 0

    @property
    def sockets(self) -> str:
        return f"ws://127.0.0.1:{self._port}/telephony/ws"

    def start(self) -> int:
        self._started += 1
        log = self._folder / f"agent-{self._started}.log"
        return self._held.enter_context(
            running(
                *("bench.servers.fixed_ears", str(self._folder / "ears.jsonl")),
                ready=f"http://127.0.0.1:{self._port}/readyz",
                log=log,
                **self._settings,
            )
        )

    def get(self, path: str) -> Any:
        return get(f"http://127.0.0.1:{self._port}{path}")

    def rows(self, talked: Sequence[Caller], fault: float, at: datetime) -> list[Row]:
        return [self._row(caller, fault, at) for caller in talked]

    def _row(self, caller: Caller, fault: float, at: datetime) -> Row:
        record = self.get(f"/calls/{caller.name}")
        hangups = self.get(f"/events?call_id={caller.name}&types=call_hungup")
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
    rows = house.rows(talked, told["fault"], told["at"])
    return _found(rows, "agent_died") | {
        "up_when_killed": told["up"],
        "started_again_after_s": round(started, 1),
        "ended_late_s": spread(row.ended_late or 0.0 for row in rows),
    }


def database(house: House, calls: int, seconds: float) -> dict[str, Any]:
    assert house.database is not None, "the database must be PostgreSQL"
    there = house.database
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
    rows = house.rows(talked, time.monotonic(), at)
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
        house = House(held, Path(folder), given.calls, kind)
        if given.fault == "kill":
            found = kill(house, given.calls)
        else:
            found = database(house, given.calls, given.seconds)
    print(json.dumps({"database": kind} | found, indent=2))


if __name__ == "__main__":
    main()
