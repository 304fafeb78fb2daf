"""Brings every recording that waits in the spool into the store.

The spool is the inbox, and the truth: a workflow is begun for each job that none is at
work for, and goes on until the job is gone. While one recording after the other fails,
the rest stays in the inbox, and the first success brings them out.
"""

import asyncio
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from dbos import DBOS, DBOSConfiguredInstance, SetWorkflowID
from loguru import logger
from sqlalchemy.exc import SQLAlchemyError

from agent.observe import metrics
from agent.storage.errors import StorageError
from agent.storage.recordings import AT_ONCE, LOOK_EVERY, Recordings, pause_after
from agent.storage.spool import Job

from . import engine

_SWEEP_EVERY = timedelta(minutes=3)
_AWAKE = 2 * AT_ONCE
"""Workflows that are not pausing: the next are ready when a place is free."""
_LAPS = 32
"""Tries of one workflow: whoever carries it on reads about all of them."""
_NEVER_BEGINS = timedelta(minutes=1)
"""After which a workflow that should begin is given up, and another one is begun."""
_WITHOUT_ENGINE = 30.0
"""Seconds between two passes while the engine's database cannot be used."""
_TOLD_A_LOOK = 10
"""Recordings that are held back, of which one look tells."""
_REMEMBERED = timedelta(days=1)
"""How long the engine keeps what is over."""

Clock = Callable[[], datetime]


class Trouble:
    """What the last tries tell of the store: how many recordings may ask it now?

    The more different ones have failed since the last success, the longer is the pause
    for those that have not tried. Bad ones that fail again and again prolong nothing.
    """

    def __init__(self) -> None:
        self._failed: set[str] = set()
        self.until: datetime | None = None
        self.error = ""

    def failed(self, recording: str, error: str, now: datetime) -> None:
        self.error = error
        if recording not in self._failed:
            self.until = now + pause_after(len(self._failed), random.random())
            self._failed.add(recording)

    def over(self) -> None:
        self._failed.clear()
        self.until = None

    def room(self, awake: int, now: datetime) -> int:
        """How many more may begin; at the end of a pause, one to try it."""
        if self.until is None:
            return _AWAKE - awake
        return 0 if now < self.until else 1 - awake


@dataclass(slots=True, eq=False)
class _Going:
    """A workflow that is to begin, or has begun."""

    id: str
    since: datetime
    begun: bool = False
    pauses: bool = False


@DBOS.dbos_class()
class Uploads(DBOSConfiguredInstance):
    """Make it before the engine runs; `run` after. One of each name in a process."""

    def __init__(
        self, recordings: Recordings, clock: Clock, *, name: str = "uploads"
    ) -> None:
        super().__init__(name)
        self._name = name
        self._recordings = recordings
        self._clock = clock
        self._places = asyncio.Semaphore(AT_ONCE)
        self._trouble = Trouble()
        self._going: dict[str, _Going] = {}
        """By recording: there is never more than one."""
        self._attempts: dict[str, int] = {}
        """Of recordings whose workflow has had all its laps."""
        self._held: set[str] = set()
        """Recordings of which was told that they are held back."""
        self._ours = asyncio.Event()
        """The spool, and nobody else's."""
        self._changed = asyncio.Event()
        self._swept: datetime | None = None
        self._said = ""

    async def run(self) -> None:
        """Until it is cancelled. A spool that another process has is waited for."""
        async with self._recordings.alone():
            await self.tend_spool()

    async def tend_spool(self) -> None:
        """For whoever is alone with the spool."""
        # The engine carries on what the last process left; those are not begun again.
        for id in await engine.begun(f"{self._name}/"):
            self._going.setdefault(id.split("/")[1], _Going(id, self._clock()))
        self._ours.set()
        try:
            while True:
                try:
                    await self._look()
                    self._said = ""
                except StorageError as error:
                    self._say(str(error))
                    await asyncio.sleep(LOOK_EVERY)
        finally:
            self._ours.clear()
            self._going.clear()

    async def _look(self) -> None:
        now = self._clock()
        if self._swept is None or now - self._swept >= _SWEEP_EVERY:
            self._swept = now
            await self._sweep(now)
        for recording, going in [*self._going.items()]:
            if not going.begun and now - going.since > _NEVER_BEGINS:
                del self._going[recording]
        jobs = await self._recordings.inbox(self._going)
        metrics.work_looks.labels("uploads").inc()
        metrics.recordings_waiting.set(len(jobs) + len(self._going))
        self._held &= {job.recording for job in jobs}
        until = asyncio.get_running_loop().time() + LOOK_EVERY
        for number, job in enumerate(jobs):
            if not await self._room(until):
                await self._hold_back(jobs[number:])
                break
            try:
                await self._begin(job)
            except SQLAlchemyError as error:
                self._say(f"uploads go on, and nobody counts the tries: {error}")
                await self._recordings.collect(self._clock(), self._going)
                await asyncio.sleep(_WITHOUT_ENGINE)
                return
        await asyncio.sleep(until - asyncio.get_running_loop().time())

    async def _sweep(self, now: datetime) -> None:
        try:
            await self._recordings.sweep(now)
        except StorageError as error:
            # Those that have a job are found without it.
            logger.error("[REC] {}", error)
        try:
            await engine.forget(now - _REMEMBERED)
        except SQLAlchemyError as error:
            logger.debug("[REC] finished uploads stay in the engine: {}", error)

    async def _room(self, until: float) -> bool:
        """Waits for it, to the end of this look."""
        while True:
            self._changed.clear()
            awake = sum(not each.pauses for each in self._going.values())
            if self._trouble.room(awake, self._clock()) > 0:
                return asyncio.get_running_loop().time() < until
            try:
                async with asyncio.timeout_at(until):
                    await self._changed.wait()
            except TimeoutError:
                return False

    async def _begin(self, job: Job) -> None:
        name = f"{self._name}/{job.recording}/{job.closed_at:%Y%m%dT%H%M%S}"
        id = f"{name}/{secrets.token_hex(4)}"
        self._going[job.recording] = _Going(id, self._clock())
        try:
            with SetWorkflowID(id):
                await DBOS.start_workflow_async(
                    self.upload, job.recording, self._attempts.pop(job.recording, 0)
                )
        except SQLAlchemyError:
            del self._going[job.recording]
            raise

    async def _hold_back(self, jobs: tuple[Job, ...]) -> None:
        """Says so of some, if it is because others fail."""
        now = self._clock()
        until = self._trouble.until
        if until is None or until <= now:
            return
        untold = [job for job in jobs if job.recording not in self._held]
        for job in untold[:_TOLD_A_LOOK]:
            self._held.add(job.recording)
            attempts = self._attempts.get(job.recording, 0)
            try:
                await self._recordings.hold_back(
                    job, attempts, self._trouble.error, now, until
                )
            except StorageError as error:
                logger.bind(call=job.call).debug("[REC] nobody is told: {}", error)
                break

    def _say(self, error: str) -> None:
        if error != self._said:
            logger.error("[REC] {}", error)
        self._said = error

    @DBOS.workflow(max_recovery_attempts=None)
    async def upload(self, recording: str, attempts: int) -> None:
        id = DBOS.workflow_id or ""
        going = self._going.setdefault(recording, _Going(id, self._clock()))
        if going.id != id:
            return
        going.begun = True
        with engine.under_way():
            try:
                await self._ours.wait()
                for attempt in range(attempts, attempts + _LAPS):
                    pause = await self.tend(recording, attempt)
                    if pause is None:
                        return
                    going.pauses = True
                    self._changed.set()
                    await DBOS.sleep_async(pause)
                    going.pauses = False
                self._attempts[recording] = attempts + _LAPS
            finally:
                if self._going.get(recording) is going:
                    del self._going[recording]
                self._changed.set()

    @DBOS.step()
    async def tend(self, recording: str, attempt: int) -> float | None:
        """One try. Seconds until the next; None: there is nothing left to do."""
        async with self._places:
            now = self._clock()
            try:
                outcome = await self._recordings.tend(recording, attempt, now)
            except Exception as error:  # noqa: BLE001  # whatever it was, it is tried again
                logger.bind(call=recording).opt(exception=error).error(
                    "[REC] trying again: {!r}", error
                )
                return pause_after(attempt, random.random()).total_seconds()
            if outcome.error:
                self._trouble.failed(recording, outcome.error, now)
            elif outcome.next_try is None:
                self._trouble.over()
            self._changed.set()
        if outcome.next_try is None:
            return None
        return (outcome.next_try - now).total_seconds()


async def upload_forever(recordings: Recordings, clock: Clock) -> None:
    """Beside Asterisk, without the agent; the engine's database lies in the spool."""
    uploads = Uploads(recordings, clock)
    said = ""
    async with recordings.alone():
        while True:
            try:
                async with engine.running(f"sqlite:///{recordings.spool / '.work.db'}"):
                    await uploads.tend_spool()
            except (SQLAlchemyError, StorageError) as error:
                if str(error) != said:
                    logger.error("[REC] uploads without their engine: {}", error)
                said = str(error)
            try:
                await recordings.collect(clock())
            except StorageError as error:
                logger.error("[REC] {}", error)
            await asyncio.sleep(_WITHOUT_ENGINE)
