"""What noting a fact costs a call, and how fast facts get into the database.

    python bench/journal.py [facts] [database url]

Prints microseconds of `Journal.note` (median, 99 %, 99.9 %, longest) while nothing else
runs and while facts are applied, and facts per second into the database.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from agent.calls.call import Call, Direction
from agent.calls.facts import CallBegan, TurnTaken
from agent.calls.transcript import Speaker, Turn
from agent.storage.database import Database
from agent.storage.journal import Journal


def now() -> datetime:
    return datetime.now(UTC)


def noted(journal: Journal, call_id: str, count: int) -> list[float]:
    words = "I would like to book a table for four on Friday at half past seven."
    turn = Turn(Speaker.CALLER, words, now(), now(), latency={"stt": 0.2, "llm": 0.3})
    took = []
    for _ in range(count):
        fact = TurnTaken(call_id, turn)
        begun = time.perf_counter()
        journal.note(fact)
        took.append((time.perf_counter() - begun) * 1e6)
    return took


def told(name: str, took: list[float]) -> None:
    cuts = statistics.quantiles(took, n=1000)
    print(
        f"{name}: {statistics.median(took):.1f} us, 99 % {cuts[989]:.1f},"
        f" 99.9 % {cuts[998]:.1f}, longest {max(took):.0f}"
    )


async def main(count: int, url: str, folder: Path) -> None:
    database = Database(url or f"sqlite:///{folder}/offhook.db")
    await database.open()
    journal = Journal(database, folder / "journal", f"bench-{time.time():.0f}")
    await journal.open(now())
    ids = [f"{time.time():.3f}.{number}" for number in range(20)]
    for call_id in ids:
        journal.note(CallBegan(Call(call_id, "1", "2", Direction.INBOUND, "x", now())))
    took = [each for call_id in ids for each in noted(journal, call_id, count // 20)]
    told("alone", took)
    running = asyncio.create_task(journal.run(now))
    begun = time.perf_counter()
    took = []
    while journal.behind:
        if len(took) < count // 4:
            took += noted(journal, ids[0], 1)
        await asyncio.sleep(0.001)
    seconds = time.perf_counter() - begun
    told("while applied", took)
    print(f"applied: {(count + len(took)) / seconds:.0f} facts/s")
    running.cancel()
    await asyncio.wait([running])
    journal.close()
    await database.close()


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(count, (sys.argv[2:] or [""])[0], Path(folder)))
