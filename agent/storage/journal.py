"""Facts on their way into the database, which may be away: none is lost, none is done
twice, and no call waits.

`note` adds a fact to a file and returns. `run` applies them in their order, many in a
transaction, and in the same transaction keeps how far it got.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from loguru import logger
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError
from sqlalchemy.ext.asyncio import AsyncSession

from agent.calls.event import Event
from agent.calls.facts import CallBegan, Fact
from agent.observe import metrics

from .agents import agent_row
from .calls import UnfitFact, call_of, record
from .database import Database
from .errors import StorageError
from .events import emit
from .rejected import Rejected, Rejection, rejection
from .rejected import call_of as rejected_call
from .segments import Entry, Place, Segments
from .tables import storable

AGAIN = "again.jsonl"
_OWNER = "agent"
_KINDS: dict[str, TypeAdapter[Any]] = {
    kind.__name__: TypeAdapter(kind) for kind in get_args(Fact)
}


class UnreadableFact(ValueError):
    """A line of the journal is not a fact, or not any more."""


@dataclass(frozen=True, slots=True)
class JournalConfig:
    at_once: int = 100
    """Facts in one transaction."""
    first_pause: float = 0.2
    """Seconds until the database is tried again; then twice as long each time."""
    longest_pause: float = 5.0
    quiet: float = 5.0
    """Seconds without a fact, after which files are deleted that are done with."""
    tries: int = 3
    """Before a fact is rejected that the database does not take."""


def _nothing() -> None:
    pass


class Journal:
    def __init__(
        self,
        database: Database,
        folder: Path,
        agent: str,
        config: JournalConfig = JournalConfig(),
        on_applied: Callable[[], None] = _nothing,
    ) -> None:
        """`on_applied` is called when something was committed."""
        self._database = database
        self._folder = folder
        self._agent = agent
        self._config = config
        self._on_applied = on_applied
        self._log = Segments(folder)
        self._rejected = Rejected(folder)
        self._place = Place(0, 0)
        self._applied = 0
        """All facts up to this number are in the database, or rejected."""
        self._behind = 0
        self._news = asyncio.Event()
        self._none_behind = asyncio.Event()
        self._away = False
        self._disk_full = False
        self._barred: set[str] = set()
        """Ids of calls that were rejected: what comes of them is not for the call
        that had the id before."""
        self._met = False
        """The database was asked how far the facts are."""
        self.replayed = asyncio.Event()
        """All that earlier lives noted is in the database."""

    @property
    def behind(self) -> int:
        """Facts that are not in the database yet."""
        return self._behind

    async def open(self, now: datetime) -> None:
        """Raises StorageError: the folder is another's, or cannot be written to."""
        self._behind = await asyncio.to_thread(self._open, now)
        metrics.facts_behind.set(self._behind)
        if not self._behind:
            self.replayed.set()
            self._none_behind.set()
        again = await asyncio.to_thread(self._read_again)
        for fact in again:
            self.note(fact)
        if again:
            await asyncio.to_thread((self._folder / AGAIN).unlink)
            logger.info("[FACTS] {} of {} are noted again", len(again), AGAIN)

    def note(self, fact: Fact) -> None:
        """Kept, as soon as this returns. Takes microseconds, and never raises."""
        self._log.add(encode(fact))
        self._behind += 1
        metrics.facts_behind.set(self._behind)
        self._none_behind.clear()
        self._news.set()
        self._look_at_disk()

    async def run(self, clock: Callable[[], datetime]) -> None:
        """Until it is cancelled."""
        pause = self._config.first_pause
        while True:
            try:
                if not await self._step(clock):
                    await self._wait()
                pause = self._config.first_pause
            except (StorageError, OSError) as error:
                await self._failed(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, self._config.longest_pause)

    async def flush(self, deadline: float) -> bool:
        """Waits until all is in the database, so many seconds at most; `run` runs
        meanwhile. False: something is left, for the next life."""
        try:
            async with asyncio.timeout(deadline):
                await self._none_behind.wait()
        except TimeoutError:
            logger.warning("[FACTS] {} stay in {}", self._behind, self._folder)
            return False
        return True

    def close(self) -> None:
        """What is not in the database stays, for the next life."""
        self._log.close()

    async def _step(self, clock: Callable[[], datetime]) -> bool:
        """False: there was nothing to do."""
        if not self._met:
            await self._meet(clock())
        self._news.clear()
        self._log.write_out()
        self._look_at_disk()
        # One that is slow may have time for one fact.
        limit = 1 if self._away else self._config.at_once
        entries, place = await asyncio.to_thread(
            self._log.read, self._place, self._log.end(limit), limit
        )
        if fresh := [entry for entry in entries if self._is_fresh(entry)]:
            await self._apply(fresh, clock)
        self._place = place
        if over := self._log.drop(self._applied, place):
            await asyncio.to_thread(_delete, over)
        if place.segment >= self._log.first:
            self.replayed.set()
        if not entries and not self._news.is_set():
            self._count(self._behind)
        return bool(entries)

    def _is_fresh(self, entry: Entry) -> bool:
        return entry.number is None or entry.number > self._applied

    async def _meet(self, now: datetime) -> None:
        async with self._database.session("look how far facts are") as session:
            row = await agent_row(session, self._agent, now)
            if row.applied >= self._log.first:
                # The clock was set back, and files of ours are gone: new facts would
                # seem to be applied already.
                row.applied = self._log.first - 1
        self._met = True

    async def _apply(
        self, entries: Sequence[Entry], clock: Callable[[], datetime]
    ) -> None:
        try:
            await self._keep(entries, clock())
            return
        except Exception as error:  # noqa: BLE001 - the culprit is looked for
            if _is_away(error):
                raise
        for entry in entries:
            await self._apply_alone(entry, clock)

    async def _apply_alone(self, entry: Entry, clock: Callable[[], datetime]) -> None:
        why = ""
        for _ in range(self._config.tries):
            try:
                await self._keep([entry], clock())
                return
            except Exception as error:  # noqa: BLE001 - the fact is rejected
                if _is_away(error):
                    raise
                why = str(error) or repr(error)
            await asyncio.sleep(self._config.first_pause)
        await self._keep([entry], clock(), reject=why)

    async def _keep(
        self, entries: Sequence[Entry], now: datetime, reject: str = ""
    ) -> None:
        """In one transaction. `reject`: why they are not to be applied."""
        rejected: list[Rejection] = []
        async with self._database.session("keep facts of calls") as session:
            row = await agent_row(session, self._agent, now)
            events: list[Event] = []
            for entry in entries:
                # Perhaps by a transaction whose end we never heard of.
                if entry.number is not None and entry.number <= row.applied:
                    continue
                try:
                    events += await self._record(session, entry, reject)
                except (UnfitFact, UnreadableFact) as error:
                    rejected.append(rejection(entry, str(error), now))
                if entry.number is not None:
                    row.applied = entry.number
            applied = row.applied
            if rejected:
                # Before the commit: rather twice than never.
                await asyncio.to_thread(self._rejected.add, rejected)
            await emit(session, events, now)
        self._count(sum(1 for entry in entries if self._is_fresh(entry)))
        self._applied = max(self._applied, applied)
        for each in rejected:
            metrics.journal_errors.labels("rejected").inc()
            logged = logger.bind(call=rejected_call(each))
            logged.error("[FACTS] rejected: {}", each["reason"])
        if self._away:
            self._away = False
            logger.info("[FACTS] go on; {} are behind", self._behind)
        self._on_applied()

    async def _record(
        self, session: AsyncSession, entry: Entry, reject: str
    ) -> Sequence[Event]:
        fact = decode(entry)
        call_id = call_of(fact)
        if isinstance(fact, CallBegan):
            self._barred.discard(call_id)
        if call_id in self._barred:
            raise UnfitFact("it is of a call whose beginning was rejected")
        try:
            if reject:
                raise UnfitFact(reject)
            return await record(session, fact, self._agent)
        except UnfitFact:
            if isinstance(fact, CallBegan):
                self._barred.add(call_id)
            raise

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._config.quiet):
                await self._news.wait()
        except TimeoutError:
            # The files hold what callers said, and are not needed any more.
            self._log.cut()

    async def _failed(self, error: StorageError | OSError) -> None:
        disk = isinstance(error, OSError)
        metrics.journal_errors.labels("disk" if disk else "database").inc()
        if not self._away:
            self._away = True
            logger.warning(
                "[FACTS] wait in {} and are not lost: {}",
                *(self._folder, error),
            )
        try:
            await asyncio.to_thread(self._log.sync, self._log.end(0))
        except OSError as trouble:
            logger.error("[FACTS] a power cut would cost some: {}", trouble)

    def _look_at_disk(self) -> None:
        trouble = self._log.trouble
        if trouble is not None and not self._disk_full:
            metrics.journal_errors.labels("disk").inc()
            logger.error(
                "[FACTS] cannot be written to {}, and are kept in memory: {}",
                *(self._folder, trouble),
            )
        elif trouble is None and self._disk_full:
            logger.info("[FACTS] are written to {} again", self._folder)
        self._disk_full = trouble is not None

    def _count(self, done: int) -> None:
        self._behind = max(0, self._behind - done)
        metrics.facts_behind.set(self._behind)
        if not self._behind:
            self._none_behind.set()

    def _open(self, now: datetime) -> int:
        # Microseconds, so that numbers rise even if the files are gone.
        lines = self._log.open(int(now.timestamp() * 1e6))
        try:
            self._own()
            self._barred = self._rejected.barred()
        except OSError as error:
            self.close()
            raise StorageError(f"cannot open the journal: {error}") from error
        except StorageError:
            self.close()
            raise
        return lines

    def _own(self) -> None:
        """How far the facts are is kept under the agent's name."""
        name = self._folder / _OWNER
        if not name.exists():
            name.write_text(self._agent)
        elif (owner := name.read_text()) != self._agent:
            raise StorageError(
                f"the journal in {self._folder} is that of agent {owner!r}, and this is"
                f" {self._agent!r}; call this one {owner!r} again"
            )

    def _read_again(self) -> Sequence[Fact]:
        path = self._folder / AGAIN
        try:
            return [_read(each["kind"], each["fact"]) for each in _lines(path)]
        except (OSError, ValueError, KeyError) as error:
            logger.error("[FACTS] nothing of {} is noted: {!r}", path, error)
            return ()


def encode(fact: Fact) -> bytes:
    """In one line."""
    kind = type(fact).__name__
    adapter = _KINDS[kind]
    try:
        told = adapter.dump_json(fact, warnings=False)
    except PydanticSerializationError:
        # Half a surrogate pair: models do say such things.
        plain = adapter.dump_python(fact, mode="json", warnings=False, fallback=str)
        told = storable(json.dumps(plain, ensure_ascii=False)).encode()
    return b"%b %b" % (kind.encode(), told)


def decode(entry: Entry) -> Fact:
    if entry.number is None:
        raise UnreadableFact("the line is broken")
    kind, _, told = entry.text.partition(b" ")
    return _read(kind.decode(errors="replace"), told)


def _read(kind: str, told: bytes | dict[str, Any]) -> Fact:
    if kind not in _KINDS:
        raise UnreadableFact(f"no fact is called {kind!r}")
    text = told if isinstance(told, bytes) else json.dumps(told)
    try:
        fact: Fact = _KINDS[kind].validate_json(text)
    except ValidationError as error:
        # Without what was found there: it may be what a caller said.
        wrong = error.errors(include_url=False, include_input=False)
        where = "; ".join(f"{each['loc']}: {each['msg']}" for each in wrong)
        raise UnreadableFact(f"{kind}: {where}") from error
    return fact


def _lines(path: Path) -> Sequence[dict[str, Any]]:
    if not path.exists():
        return ()
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def _delete(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _is_away(error: Exception) -> bool:
    """Or does the database refuse what it was given, or is it a fault of ours?"""
    if not isinstance(error, StorageError):
        return isinstance(error, OSError)
    cause = error.__cause__
    if isinstance(cause, DBAPIError):
        # 54: a limit of PostgreSQL's, such as the longest key of an index.
        refused = str(getattr(cause.orig, "sqlstate", "") or "").startswith("54")
        return not refused and not isinstance(cause, IntegrityError | DataError)
    return not isinstance(cause, StatementError)
