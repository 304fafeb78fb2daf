"""Are webhooks told of everything, however often the worker dies?

    python -m bench.webhooks [--events 20000] [--kills 50] [--endpoints 8]
        [--database sqlite|postgresql]

Events are written as calls write them, while a worker that sends them is ended with
SIGKILL again and again, at random moments. Its receivers fail half the time: errors,
redirects, connections reset before and after an event was taken, silence.

Lost is what no receiver ever took. A duplicate is what one took again; it must have the
same id and the same bytes. Out of order is an event that came to a receiver before it
had taken all earlier ones. Signatures are verified by the public library.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select
from standardwebhooks import Webhook

from agent.calls.customer import DEFAULT
from agent.calls.event import Event, EventType
from agent.jobs import worker
from agent.jobs.config import DeliveryConfig
from agent.local.process import free_port
from agent.net.addresses import networks
from agent.observe import logs
from agent.storage.database import Database
from agent.storage.events import emit
from agent.storage.tables import CustomerRow, DeliveryRow, EventRow, WebhookRow
from bench.process import ROOT
from tests.fakes.receiver import Arrival, Receiver, Reply, Rude
from tests.storage.postgres import programs, server

_BATCH = 7
"""Events of one transaction."""
_TYPES = tuple(EventType)
HURRIED = DeliveryConfig(
    schedule=(0, *(0.005, 0.01, 0.02, 0.05, 0.1, 0.2), *[0.5] * 60),
    timeout=0.5,
    allow=networks("127.0.0.0/8"),
    longest_wish=0.05,
    nap=0.03,
    look_every=0.1,
    recovery=3.0,
)
_FAILURES: Sequence[tuple[Reply | Rude, int]] = (
    (Reply(500, b"out of order"), 30),
    (Reply(503, headers={"retry-after": "1"}), 10),
    (Reply(429), 10),
    (Reply(404), 10),
    (Reply(302, headers={"location": "/elsewhere"}), 10),
    (Rude.RESET, 15),
    (Rude.FORGETFUL, 15),
    (Rude.GARBLED, 8),
    (Rude.SILENT, 1),
)
"""And how often each comes, beside the others."""


@dataclass(frozen=True, slots=True)
class Figures:
    events: int
    kills: int
    requests: int
    lost: int
    duplicates: int
    """Taken again; all else in this list must be 0."""
    changed: int
    """Came again with other bytes."""
    out_of_order: int
    unverified: int
    undelivered: int
    """Rows that do not say `delivered`."""
    seconds: float

    @property
    def right(self) -> bool:
        wrong = self.changed + self.out_of_order + self.unverified + self.undelivered
        return self.lost + wrong == 0


class Judge:
    """Sees all that comes to the receivers, as it comes."""

    def __init__(self, secrets: dict[str, str], dice: random.Random) -> None:
        self.requests = 0
        self.unverified = 0
        self.changed = 0
        self.taken: dict[str, list[str]] = defaultdict(list)
        """Ids in the order in which they were taken first, by path."""
        self.again = 0
        self._keys = {path: Webhook(secret) for path, secret in secrets.items()}
        self.taken_before: dict[tuple[str, str], int] = {}
        """How many its receiver had taken when an event came for the first time."""
        self._bodies: dict[tuple[str, str], bytes] = {}
        self._seen: set[tuple[str, str]] = set()
        self._dice = dice

    def __call__(self, arrival: Arrival) -> Reply | Rude:
        self.requests += 1
        try:
            self._keys[arrival.path].verify(arrival.body, dict(arrival.headers))
        except Exception as error:  # noqa: BLE001 - whatever it is, it counts
            self.unverified += 1
            print(f"unverified: {error!r} {arrival}")
        key = (arrival.path, arrival.id)
        self.taken_before.setdefault(key, len(self.taken[arrival.path]))
        if self._bodies.setdefault(key, arrival.body) != arrival.body:
            self.changed += 1
        answer: Reply | Rude = Reply()
        if self._dice.random() < 0.5:
            kinds, weights = zip(*_FAILURES, strict=True)
            (answer,) = self._dice.choices(kinds, weights)
        if answer == Reply() or answer is Rude.FORGETFUL:
            if key in self._seen:
                self.again += 1
            else:
                self.taken[arrival.path].append(arrival.id)
            self._seen.add(key)
        return answer


async def measure(
    url: str, events: int, kills: int, endpoints: int, dice: random.Random
) -> Figures:
    began = time.monotonic()
    database = Database(url)
    await database.open()
    secrets = {
        f"/{number}": "whsec_" + f"{number:02}".encode().hex() * 8
        for number in range(endpoints)
    }
    judge = Judge(secrets, dice)
    async with Receiver(judge) as receiver:
        await _register(database, receiver, secrets)
        writing = asyncio.create_task(_write(database, events, kills, dice))
        killed = 0
        while killed < kills:
            async with _working(url) as process:
                if dice.random() < 0.8:
                    await _at_work(judge, process)
                await asyncio.sleep(dice.uniform(0, 4))
                assert process.returncode is None, "the worker ended by itself"
                process.send_signal(signal.SIGKILL)
                await process.wait()
            killed += 1
            print(
                f"{killed} killed, {sum(map(len, judge.taken.values()))} taken",
                *(f"of {events}, {time.monotonic() - began:.0f} s",),
                flush=True,
            )
        await writing
        async with _working(url) as process:
            while await _undelivered(database):
                assert process.returncode is None, "the worker ended by itself"
                await asyncio.sleep(0.2)
            process.terminate()
            # Told before it was up, it ends as any program does.
            ends = (0, -signal.SIGTERM)
            assert await process.wait() in ends, "the worker ended badly"
    lost, disordered = await _compare(database, judge, secrets)
    undelivered = await _undelivered(database)
    await database.close()
    return Figures(
        *(events, kills, judge.requests, lost, judge.again, judge.changed),
        *(disordered, judge.unverified, undelivered, time.monotonic() - began),
    )


async def _register(
    database: Database, receiver: Receiver, secrets: dict[str, str]
) -> None:
    now = datetime.now(UTC)
    async with database.session("make webhooks") as session:
        if await session.get(CustomerRow, DEFAULT) is None:
            session.add(CustomerRow(id=DEFAULT, name="", created_at=now))
            await session.flush()
        for number, (path, secret) in enumerate(secrets.items()):
            session.add(
                WebhookRow(
                    id=f"wh_{path[1:]}",
                    customer=DEFAULT,
                    url=receiver.url(path),
                    events=[type.value for type in _TYPES[number :: len(secrets)]],
                    label="",
                    secret=secret,
                    old_secret="",
                    old_secret_until=None,
                    enabled=True,
                    disabled_because="",
                    revision=1,
                    created_at=now,
                    updated_at=now,
                )
            )


async def _write(
    database: Database, events: int, kills: int, dice: random.Random
) -> None:
    """As evenly as the worker is killed."""
    pause = 4.0 * kills / (events / _BATCH)
    for first in range(0, events, _BATCH):
        now = datetime.now(UTC)
        told = [
            Event(
                _TYPES[number % len(_TYPES)],
                DEFAULT,
                now,
                {"number": number, "said": "Grüß Gott \N{WAVING HAND SIGN}"},
                f"call-{number // 9}",
            )
            for number in range(first, min(first + _BATCH, events))
        ]
        async with database.session("write events") as session:
            await emit(session, told, now)
        await asyncio.sleep(dice.uniform(0, 2 * pause))


@asynccontextmanager
async def _working(url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-m", "bench.webhooks", "--work", url),
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _at_work(judge: Judge, process: asyncio.subprocess.Process) -> None:
    """Or in any case when two minutes are over."""
    before = judge.requests
    with suppress(TimeoutError):
        async with asyncio.timeout(120):
            while judge.requests == before:
                assert process.returncode is None, "the worker ended by itself"
                await asyncio.sleep(0.02)


async def _undelivered(database: Database) -> int:
    async with database.session("count", read_only=True) as session:
        left = select(func.count()).where(DeliveryRow.state != "delivered")
        return await session.scalar(left) or 0


async def _compare(
    database: Database, judge: Judge, secrets: dict[str, str]
) -> tuple[int, int]:
    """How many are lost, how many came out of order."""
    lost = disordered = 0
    for path in secrets:
        async with database.session("read", read_only=True) as session:
            due = await session.scalars(
                select(EventRow.id)
                .join(DeliveryRow, DeliveryRow.event == EventRow.number)
                .where(DeliveryRow.webhook == f"wh_{path[1:]}")
                .order_by(EventRow.number)
            )
            ids = due.all()
        lost += len(set(ids) - set(judge.taken[path]))
        disordered += sum(
            judge.taken_before.get((path, id), place) != place
            for place, id in enumerate(ids)
        )
    return lost, disordered


@contextmanager
def database_of(kind: str) -> Iterator[str]:
    with ExitStack() as held:
        if kind == "sqlite":
            # In memory: this is about kills, not about power cuts, and disks differ.
            folder = held.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm"))
            yield f"sqlite:///{folder}/offhook.db"
        else:
            bin = programs()
            assert bin is not None, (
                "there is no PostgreSQL: scripts/postgres fetches it"
            )
            yield held.enter_context(server(bin)).url


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.webhooks")
    parser.add_argument("--events", type=int, default=20000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--endpoints", type=int, default=8)
    parser.add_argument(
        "--database", choices=("sqlite", "postgresql"), default="sqlite"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        logs.set_up("WARNING", as_json=False)
        port = given.port or free_port()
        worker.run(worker.WorkConfig(given.work, port, HURRIED))
    dice = random.Random(given.seed)
    with database_of(given.database) as url:
        figures = asyncio.run(
            measure(url, given.events, given.kills, given.endpoints, dice)
        )
    print(json.dumps(asdict(figures) | {"database": given.database}))
    sys.exit(0 if figures.right else 1)


if __name__ == "__main__":
    main()
