"""Takes finished recordings from Asterisk's folder into the store.

For each track: copy, verify, row, then delete the original; the job goes last. Each
step can be repeated, so a process killed anywhere loses nothing and doubles nothing.
Runs in the agent, or beside Asterisk as `offhook upload`.
"""

import asyncio
import functools
import hashlib
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, TypeVar

from loguru import logger

from agent.calls.record import Recording, RecordingState, Track
from agent.observe import metrics

from .encoding import EncodingError, Format, encode
from .errors import StorageError
from .files import BadFile, open_plainly, still_written
from .ledger import Ledger
from .retention import GONE
from .spool import SUFFIXES, Job, Spool, orphans
from .stores import FolderStore, Kept, S3Config, Sound, Store, StoreError
from .wav import Measured, Unfinished, measure, repair

_AT_ONCE = 4
"""Recordings that are on their way to the store."""
_LOOK_EVERY = 2.0
"""Seconds between two looks into the spool."""
_SWEEP_EVERY = timedelta(minutes=3)
_ORPHAN = timedelta(minutes=5)
"""So long nothing was written, and there is no job: nobody will leave one."""
_NEVER_COMES = timedelta(days=1)
"""After the end of the call, of a file that is not there."""
_SETTLED = timedelta(minutes=1)
"""Since the last write, before a file that was never finished is taken for all there
will be; if we cannot know whether somebody still has it open, six hours."""
_FORGOTTEN = timedelta(hours=6)

T = TypeVar("T")
OnStored = Callable[[Recording], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RecordingsConfig:
    monitor: Path
    """Where Asterisk's MixMonitor writes."""
    spool: Path
    """Where scripts/upload-recording.sh leaves its jobs."""
    folder: Path
    """Where recordings are kept if there is no bucket."""
    s3: S3Config | None = None
    format: Format = Format.WAV
    retention_days: int = 0
    """0: they are kept for ever."""


class NothingRecorded(BadFile):
    """A whole file without sound: the call was refused, or nobody said anything."""


class NotYet(Exception):
    """There is nothing wrong: Asterisk has not finished."""


@dataclass(frozen=True, slots=True)
class _Taken:
    measured: Measured
    kept: Kept
    format: Format


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
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._swept: datetime | None = None
        # Of its own: a store that hangs must not keep anybody else's work waiting.
        self._threads = ThreadPoolExecutor(_AT_ONCE, "recordings", _calls_come_first)

    async def run(self, clock: Callable[[], datetime]) -> None:
        """Until it is cancelled."""
        said = ""
        while True:
            try:
                async with self._alone() as alone:
                    while alone:
                        await self._look(clock())
                        said = ""
            except StorageError as error:
                if str(error) != said:
                    logger.error("[REC] {}", error)
                said = str(error)
            await asyncio.sleep(_LOOK_EVERY)

    async def collect(self, now: datetime) -> None:
        """One pass over all that is due; what fails is noted and tried later.

        Raises StorageError if the spool itself cannot be used.
        """
        async with self._alone() as alone:
            if not alone:
                return
            jobs = await self._due(now)
            await asyncio.gather(*(self._tend(job, now) for job in jobs))

    async def sweep(self, now: datetime) -> None:
        """Leaves jobs for recordings that nobody left one for.

        Asterisk was killed, or could not run its hook.
        """
        try:
            found = await asyncio.to_thread(self._found, now - _ORPHAN)
        except OSError as error:
            raise StorageError(f"cannot look for lost recordings: {error}") from error
        for job in found:
            logger.warning("[REC] call {}: nobody left a job, found it", job.call)

    def _found(self, before: datetime) -> Sequence[Job]:
        return [job for job in orphans(self._monitor, before) if self._spool.add(job)]

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[bool]:
        """False: another process looks after this spool."""
        try:
            lock = await asyncio.to_thread(self._spool.lock)
        except OSError as error:
            raise StorageError(f"cannot use the spool: {error}") from error
        if lock is None:
            yield False
            return
        try:
            yield True
        finally:
            for task in self._busy.values():
                task.cancel()
            os.close(lock)

    async def _look(self, now: datetime) -> None:
        """Starts what is due while there is room, and waits until there may be more."""
        if self._swept is None or now - self._swept >= _SWEEP_EVERY:
            self._swept = now
            try:
                await self.sweep(now)
            except StorageError as error:
                # Those that have a job are found without it.
                logger.error("[REC] {}", error)
        jobs = await self._due(now)
        for job in jobs[: _AT_ONCE - len(self._busy)]:
            task = asyncio.create_task(self._tend(job, now))
            self._busy[job.recording] = task
            task.add_done_callback(functools.partial(self._ended, job.recording))
        if len(self._busy) < _AT_ONCE:
            await asyncio.sleep(_LOOK_EVERY)
        else:
            await asyncio.wait(self._busy.values(), return_when=asyncio.FIRST_COMPLETED)

    def _ended(self, recording: str, task: asyncio.Task[None]) -> None:
        del self._busy[recording]
        if not task.cancelled() and (error := task.exception()):
            logger.opt(exception=error).error("[REC] {}: {!r}", recording, error)

    async def _due(self, now: datetime) -> tuple[Job, ...]:
        try:
            due = await asyncio.to_thread(self._spool.due, now, frozenset(self._busy))
        except OSError as error:
            raise StorageError(f"cannot use the spool: {error}") from error
        for path, reason in due.broken:
            try:
                await asyncio.to_thread(self._spool.reject, path, reason)
                logger.error("[REC] {} is moved to rejected: {}", path, reason)
            except OSError as error:
                logger.debug("[REC] {} cannot be moved to rejected: {}", path, error)
        return due.jobs

    async def _tend(self, job: Job, now: datetime) -> None:
        """One job, as far as it can be brought now."""
        problems: list[tuple[Track, RecordingState, str]] = []
        try:
            for track in Track:
                try:
                    await self._keep_or_reject(job, track, now)
                except NotYet as error:
                    problems.append((track, RecordingState.WAITING, str(error)))
                except Exception as error:  # noqa: BLE001  # one bad upload must not stop the others
                    problems.append((track, RecordingState.FAILING, str(error)))
                    metrics.recordings.labels(track.value, "failed").inc()
                    if isinstance(error, (StoreError, StorageError)):
                        # The others would wait for the same store, or database.
                        break
            if problems:
                await self._postpone(job, problems, now)
            else:
                await asyncio.to_thread(self._spool.done, job)
        except OSError as error:
            logger.error("[REC] call {}: cannot note it: {}", job.call, error)

    async def _postpone(
        self,
        job: Job,
        problems: Sequence[tuple[Track, RecordingState, str]],
        now: datetime,
    ) -> None:
        said = "; ".join(f"{track.value}: {error}" for track, _, error in problems)
        job = await asyncio.to_thread(self._spool.postpone, job, said, now)
        logger.warning("[REC] call {}: {}; again at {}", job.call, said, job.not_before)
        for track, state, error in problems:
            try:
                await self._ledger.note(self._told(job, track, state, error, now))
            except StorageError as unknown:
                # The job says it as well, and nothing is stored before that is mended.
                logger.debug("[REC] call {}: nobody can be told: {}", job.call, unknown)

    async def _keep_or_reject(self, job: Job, track: Track, now: datetime) -> None:
        source = self._source(job, track)
        try:
            await self._keep(job, track, now)
            return
        except BadFile as error:
            reason = str(error)
            worth_keeping = not isinstance(error, NothingRecorded)
        told = self._told(job, track, RecordingState.REJECTED, reason, now)
        await self._ledger.note(told)
        if worth_keeping:
            await asyncio.to_thread(self._spool.reject, source, reason)
        else:
            await asyncio.to_thread(source.unlink, missing_ok=True)
        metrics.recordings.labels(track.value, "rejected").inc()
        logger.error("[REC] call {}: {} is rejected: {}", job.call, track.value, reason)

    def _told(
        self, job: Job, track: Track, state: RecordingState, error: str, now: datetime
    ) -> Recording:
        """What there is to say of a track that the store does not have."""
        return Recording(
            call_id=job.call,
            track=track,
            store=self._store.name,
            key="",
            bytes=0,
            seconds=0,
            sha256="",
            created_at=now,
            state=state,
            format=self._format.value,
            closed_at=job.closed_at,
            attempts=job.attempts,
            last_error=error,
            next_try=None if state is RecordingState.REJECTED else job.not_before,
        )

    def _source(self, job: Job, track: Track) -> Path:
        return self._monitor / (job.recording + SUFFIXES[track])

    async def _keep(self, job: Job, track: Track, now: datetime) -> None:
        source = self._source(job, track)
        known = await self._ledger.look_up(job.call, track)
        state = None if known is None else known.state
        try:
            if state in GONE:
                stored = None
            elif known is not None and state is RecordingState.STORED:
                await self._in_thread(_compare, source, known, now)
                stored = known
            else:
                stored = await self._put(job, track, source, now)
        except FileNotFoundError as error:
            if state not in (None, RecordingState.WAITING, RecordingState.FAILING):
                return
            if now - job.closed_at > _NEVER_COMES:
                raise BadFile(f"{source} never came") from error
            raise NotYet(f"{source} is not there") from error
        if stored is not None and self._on_stored is not None:
            await self._on_stored(stored)
        await asyncio.to_thread(source.unlink, missing_ok=True)

    async def _put(
        self, job: Job, track: Track, source: Path, now: datetime
    ) -> Recording | None:
        """None: meanwhile somebody has asked that it be erased."""
        key = f"{job.closed_at:%Y-%m-%d}/{job.call}/{track.value}"
        taken = await self._in_thread(self._take, source, key, now)
        recording = Recording(
            call_id=job.call,
            track=track,
            store=self._store.name,
            key=taken.kept.key,
            bytes=taken.kept.bytes,
            seconds=taken.measured.seconds,
            sha256=taken.kept.sha256,
            created_at=now,
            state=RecordingState.STORED,
            format=taken.format.value,
            rate=taken.measured.rate,
            samples=taken.measured.samples,
            source_sha256=taken.measured.sha256,
            closed_at=job.closed_at,
            stored_at=now,
            attempts=job.attempts,
        )
        if not await self._ledger.note(recording):
            await self._in_thread(self._store.delete, recording.key)
            return None
        metrics.recordings.labels(track.value, "stored").inc()
        logger.info(
            "[REC] call {}: {} is kept as {}/{}, {:.1f} s",
            *(job.call, track.value, self._store.name, recording.key),
            recording.seconds,
        )
        return recording

    def _take(self, source: Path, key: str, now: datetime) -> _Taken:
        with _finished(source, now) as (file, measured):
            if measured.samples == 0:
                raise NothingRecorded(
                    "nothing was recorded: there is a header, no sound"
                )
            if self._format is not Format.WAV:
                try:
                    encoded = encode(file, measured, self._format)
                except EncodingError as error:
                    logger.error("[REC] {}: {}; it is kept as WAV", source, error)
                else:
                    with encoded:
                        sound = _described(encoded, measured, self._format)
                        kept = self._store.put(
                            encoded, f"{key}.{self._format.value}", sound
                        )
                    return _Taken(measured, kept, self._format)
            file.seek(0)
            sound = Sound(measured.bytes, measured.sha256, measured.sha256)
            kept = self._store.put(file, f"{key}.wav", sound)
            return _Taken(measured, kept, Format.WAV)

    async def _in_thread(self, blocking: Callable[..., T], *arguments: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, blocking, *arguments)


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
                logger.warning("[REC] {}: {}; repaired its header", source, error)
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
