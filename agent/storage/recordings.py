"""Takes finished recordings from Asterisk's folder into the store.

For each track: copy, verify, row, then delete the original; the job goes last. Each
step can be repeated, so a process killed anywhere loses nothing and doubles nothing.
Here is one try of one recording; jobs/uploads.py tries until there is nothing left.
"""

import asyncio
import hashlib
import os
import random
import shutil
import threading
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, TypeVar

from loguru import logger

from agent.calls.record import Recording, RecordingState, Track
from agent.observe import metrics

from .config import RecordingsConfig
from .encoding import EncodingError, Format, encode
from .errors import StorageError
from .files import BadFile, open_plainly, still_written
from .ledger import Ledger
from .retention import GONE
from .spool import SUFFIXES, Job, JobError, Spool, orphans
from .stores import FolderStore, Kept, Sound, Store, StoreError
from .wav import Measured, Unfinished, measure, repair

AT_ONCE = 4
"""Recordings that are on their way to the store."""
LOOK_EVERY = 2.0
"""Seconds between two looks into the spool, or at who has it."""
_LONGEST_PAUSE = timedelta(minutes=5)
_ORPHAN = timedelta(minutes=5)
"""So long nothing was written, and there is no job: nobody will leave one."""
_NEVER_COMES = timedelta(days=1)
"""After the end of the call, of a file that is not there."""
_SETTLED = timedelta(minutes=1)
"""Since the last write, before a file that was never finished is taken for all there
will be; if we cannot know whether somebody still has it open, six hours."""
_FORGOTTEN = timedelta(hours=6)
_FULL = 2**20
"""Bytes that are left of a disk on which Asterisk has no room for a call any more."""

T = TypeVar("T")
OnStored = Callable[[Recording], Awaitable[None]]


class NothingRecorded(BadFile):
    """A whole file without sound: the call was refused, or nobody said anything."""


class NotYet(Exception):
    """There is nothing wrong: Asterisk has not finished."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one try."""

    next_try: datetime | None = None
    """None: the job is done, and gone."""
    error: str = ""
    """What failed, if anything did: it may be that the others would fail as well."""


def pause_after(attempts: int, share: float) -> timedelta:
    """`share` of half of it, 0 to 1, is jitter: what failed together is not tried
    again together."""
    pause = min(timedelta(seconds=2 ** min(attempts, 10)), _LONGEST_PAUSE)
    return pause * (0.5 + share / 2)


@dataclass(frozen=True, slots=True)
class _Try:
    job: Job
    attempt: int
    """How many there were before it."""
    now: datetime
    next: datetime | None
    """When it is tried again, should it fail."""


_Problem = tuple[Track, RecordingState, str]


@dataclass(frozen=True, slots=True)
class _Taken:
    measured: Measured
    kept: Kept
    format: Format
    disk_full: bool
    """Asterisk says nothing of what it cannot write."""


class Recordings:
    """`on_stored` is called at least once for each track, before its original is
    deleted; if it fails, that is tried again."""

    def __init__(
        self,
        config: RecordingsConfig,
        ledger: Ledger,
        *,
        on_stored: OnStored | None = None,
    ) -> None:
        self._monitor = config.monitor
        self._spool = Spool(config.spool)
        self._format = config.format
        self._ledger = ledger
        self._store = make_store(config)
        self._on_stored = on_stored
        # Of its own: a store that hangs must not keep anybody else's work waiting.
        self._threads = ThreadPoolExecutor(AT_ONCE, "recordings", _calls_come_first)

    @property
    def spool(self) -> Path:
        return self._spool.folder

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Waits until no other process looks after this spool; then none will."""
        said = ""
        lock = None
        while lock is None:
            try:
                lock = await asyncio.to_thread(self._spool.lock)
            except OSError as error:
                if str(error) != said:
                    logger.error("[REC] cannot use the spool: {}", error)
                said = str(error)
            if lock is None:
                await asyncio.sleep(LOOK_EVERY)
        logger.info("[REC] looks after {}", self._spool.folder)
        try:
            yield
        finally:
            os.close(lock)

    async def inbox(self, busy: Collection[str] = ()) -> tuple[Job, ...]:
        """The jobs, the oldest first, but for recordings that are `busy`; what is no
        job is put aside. Raises StorageError."""
        try:
            inbox = await asyncio.to_thread(self._spool.inbox, frozenset(busy))
        except OSError as error:
            raise StorageError(f"cannot use the spool: {error}") from error
        for path, reason in inbox.broken:
            try:
                await asyncio.to_thread(self._spool.reject, path, reason)
                logger.error("[REC] {} is moved to rejected: {}", path, reason)
            except OSError as error:
                logger.debug("[REC] {} cannot be moved to rejected: {}", path, error)
        return inbox.jobs

    async def sweep(self, now: datetime) -> None:
        """Leaves jobs for recordings that nobody left one for.

        Asterisk was killed, or could not run its hook. Raises StorageError.
        """
        try:
            found = await asyncio.to_thread(self._found, now - _ORPHAN)
        except OSError as error:
            raise StorageError(f"cannot look for lost recordings: {error}") from error
        for job in found:
            logger.bind(call=job.call).warning("[REC] nobody left a job, found it")

    def _found(self, before: datetime) -> Sequence[Job]:
        return [job for job in orphans(self._monitor, before) if self._spool.add(job)]

    async def collect(self, now: datetime, busy: Collection[str] = ()) -> None:
        """Tries each job once, one after the other, as long as not all of them fail.

        For when nobody can keep count of the tries. Raises StorageError.
        """
        in_vain = 0
        for job in await self.inbox(busy):
            outcome = await self.tend(job.recording, 0, now)
            in_vain = in_vain + 1 if outcome.error else 0
            if in_vain == AT_ONCE:
                break

    async def tend(self, recording: str, attempt: int, now: datetime) -> Outcome:
        """One try: everything of its job, as far as it can be brought now."""
        again = now + pause_after(attempt, random.random())
        try:
            job = await asyncio.to_thread(self._spool.find, recording)
            if job is None:
                return Outcome()
            with logger.contextualize(call=job.call):
                return await self._tend(_Try(job, attempt, now, again))
        except JobError:
            # The next look into the spool puts it aside.
            return Outcome()
        except OSError as error:
            logger.bind(call=recording).error("[REC] cannot note it: {}", error)
            return Outcome(again, str(error))

    async def _tend(self, this: _Try) -> Outcome:
        problems: list[_Problem] = []
        for track in Track:
            try:
                await self._keep_or_reject(this, track)
            except NotYet as error:
                problems.append((track, RecordingState.WAITING, str(error)))
            except Exception as error:  # noqa: BLE001  # one bad track must not stop the others
                problems.append((track, RecordingState.FAILING, str(error)))
                metrics.recordings.labels(track.value, "failed").inc()
                if isinstance(error, (StoreError, StorageError)):
                    # The others would wait for the same store, or database.
                    break
        if not problems:
            await asyncio.to_thread(self._spool.done, this.job)
            return Outcome()
        said = "; ".join(f"{track.value}: {problem}" for track, _, problem in problems)
        logger.warning("[REC] {}; again at {}", said, this.next)
        try:
            for track, state, problem in problems:
                told = self._told(this, track, state, problem, this.attempt + 1)
                await self._ledger.note(told)
        except StorageError as unknown:
            # The log says it as well, and nothing is stored before that is mended.
            logger.debug("[REC] nobody is told: {}", unknown)
        failed = any(state is RecordingState.FAILING for _, state, _ in problems)
        return Outcome(this.next, said if failed else "")

    async def hold_back(
        self, job: Job, attempts: int, error: str, now: datetime, until: datetime
    ) -> None:
        """Tells that it is not tried now, for the others fail. Raises StorageError."""
        said = f"not tried while others fail: {error}"
        logger.bind(call=job.call).warning("[REC] {}; again at {}", said, until)
        this = _Try(job, attempts, now, next=None)
        told = self._told(this, Track.MIX, RecordingState.FAILING, said, attempts)
        await self._ledger.note(told)

    async def _keep_or_reject(self, this: _Try, track: Track) -> None:
        source = self._source(this.job, track)
        try:
            await self._keep(this, track)
            return
        except BadFile as error:
            reason = str(error)
            worth_keeping = not isinstance(error, NothingRecorded)
        told = self._told(this, track, RecordingState.REJECTED, reason, this.attempt)
        await self._ledger.note(told)
        if worth_keeping:
            await asyncio.to_thread(self._spool.reject, source, reason)
        else:
            await asyncio.to_thread(source.unlink, missing_ok=True)
        metrics.recordings.labels(track.value, "rejected").inc()
        logger.error("[REC] {} is rejected: {}", track.value, reason)

    def _told(
        self,
        this: _Try,
        track: Track,
        state: RecordingState,
        error: str,
        attempts: int,
    ) -> Recording:
        """What there is to say of a track that the store does not have."""
        return Recording(
            call_id=this.job.call,
            track=track,
            store=self._store.name,
            key="",
            bytes=0,
            seconds=0,
            sha256="",
            created_at=this.now,
            state=state,
            format=self._format.value,
            closed_at=this.job.closed_at,
            attempts=attempts,
            last_error=error,
            next_try=None if state is RecordingState.REJECTED else this.next,
        )

    def _source(self, job: Job, track: Track) -> Path:
        return self._monitor / (job.recording + SUFFIXES[track])

    async def _keep(self, this: _Try, track: Track) -> None:
        source = self._source(this.job, track)
        known = await self._ledger.look_up(this.job.call, track)
        state = None if known is None else known.state
        try:
            if state in GONE:
                stored = None
            elif known is not None and state is RecordingState.STORED:
                await self._in_thread(_compare, source, known, this.now)
                stored = known
            else:
                stored = await self._put(this, track, source)
        except FileNotFoundError as error:
            if state not in (None, RecordingState.WAITING, RecordingState.FAILING):
                return
            if this.now - this.job.closed_at > _NEVER_COMES:
                raise BadFile(f"{source} never came") from error
            said = f"{source} is not there"
            waits = self._told(this, track, RecordingState.WAITING, said, this.attempt)
            # Nobody waits for what was erased before it was known of.
            if state is None and not await self._ledger.note(waits):
                return
            raise NotYet(said) from error
        if stored is not None and self._on_stored is not None:
            await self._on_stored(stored)
        await asyncio.to_thread(source.unlink, missing_ok=True)

    async def _put(self, this: _Try, track: Track, source: Path) -> Recording | None:
        """None: meanwhile somebody has asked that it be erased."""
        job = this.job
        key = f"{job.closed_at:%Y-%m-%d}/{job.call}/{track.value}"
        taken = await self._in_thread(self._take, source, key, this.now)
        if taken.disk_full:
            logger.error(
                "[REC] call {}: {} may lack its end: the disk of {} is full",
                *(job.call, track.value, self._monitor),
            )
        recording = Recording(
            call_id=job.call,
            track=track,
            store=self._store.name,
            key=taken.kept.key,
            bytes=taken.kept.bytes,
            seconds=taken.measured.seconds,
            sha256=taken.kept.sha256,
            created_at=this.now,
            state=RecordingState.STORED,
            format=taken.format.value,
            rate=taken.measured.rate,
            samples=taken.measured.samples,
            source_sha256=taken.measured.sha256,
            closed_at=job.closed_at,
            stored_at=this.now,
            attempts=this.attempt,
        )
        if not await self._ledger.note(recording):
            await self._in_thread(self._store.delete, recording.key)
            return None
        metrics.recordings.labels(track.value, "stored").inc()
        logger.info(
            "[REC] {} is kept as {}/{}, {:.1f} s",
            *(track.value, self._store.name, recording.key),
            recording.seconds,
        )
        return recording

    def _take(self, source: Path, key: str, now: datetime) -> _Taken:
        with _finished(source, now) as (file, measured):
            if measured.samples == 0:
                raise NothingRecorded(
                    "nothing was recorded: there is a header, no sound"
                )
            full = shutil.disk_usage(source.parent).free < _FULL
            if self._format is not Format.WAV:
                try:
                    encoded = encode(file, measured, self._format)
                except EncodingError as error:
                    logger.error("[REC] {} is kept as WAV: {}", source, error)
                else:
                    with encoded:
                        sound = _described(encoded, measured, self._format)
                        kept = self._store.put(
                            encoded, f"{key}.{self._format.value}", sound
                        )
                    return _Taken(measured, kept, self._format, full)
            file.seek(0)
            sound = Sound(measured.bytes, measured.sha256, measured.sha256)
            kept = self._store.put(file, f"{key}.wav", sound)
            return _Taken(measured, kept, Format.WAV, full)

    async def _in_thread(self, blocking: Callable[..., T], *arguments: Any) -> T:
        loop = asyncio.get_running_loop()
        within = copy_context()  # its lines in the log are of the same call
        return await loop.run_in_executor(
            self._threads, within.run, blocking, *arguments
        )


def make_store(config: RecordingsConfig) -> Store:
    if config.s3 is None:
        return FolderStore(config.folder)
    # boto3 takes 0.7 s to import, and only those who have a bucket need it.
    from .bucket import BucketStore

    return BucketStore(config.s3)


@contextmanager
def _finished(source: Path, now: datetime) -> Iterator[tuple[BufferedReader, Measured]]:
    opened = open_plainly(source)
    try:
        with opened as file:
            written = still_written(file)
            if written:
                raise NotYet(f"{source} is still open in Asterisk")
            try:
                measured = measure(file)
            except Unfinished as error:
                changed = os.fstat(file.fileno()).st_mtime
                patience = _FORGOTTEN if written is None else _SETTLED
                if now.timestamp() - changed < patience.total_seconds():
                    raise NotYet(f"{source}: {error}") from error
                repair(source)
                logger.warning("[REC] repaired the header of {}: {}", source, error)
            else:
                yield file, measured
                return
        with open_plainly(source) as file:
            measured = measure(file)
            yield file, measured
    except BadFile as error:
        raise type(error)(f"{source}: {error}") from error


def _compare(source: Path, known: Recording, now: datetime) -> None:
    with _finished(source, now) as (_, measured):
        if measured.sha256 != known.source_sha256:
            raise BadFile("it is not the recording that is kept of this call")


def _described(encoded: IO[bytes], measured: Measured, format: Format) -> Sound:
    read = hashlib.sha256()
    while block := encoded.read(2**20):
        read.update(block)
    size = encoded.tell()
    encoded.seek(0)
    return Sound(size, read.hexdigest(), measured.sha256, format)


def _calls_come_first() -> None:
    """Encoding is work for the processor, and on Linux each thread has its own rank."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
