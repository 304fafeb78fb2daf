"""Takes finished recordings from Asterisk's folder into the store.

For each track: copy, then row, then delete the original; the job goes last. Each
step can be repeated, so a process killed anywhere loses nothing and doubles nothing.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from loguru import logger

from agent.calls.record import Recording, Track
from agent.observe import metrics

from .database import Database
from .errors import StorageError
from .files import BadFile, open_plainly
from .spool import Job, JobError, Spool
from .stores import FolderStore, Store
from .stores import S3Config as S3Config
from .tables import RecordingRow
from .wav import Measured, measure

_PATIENCE = timedelta(minutes=1)
"""How long after the end of a call a file may still be missing or unfinished."""

_SUFFIXES = {
    Track.MIX: ".wav",
    Track.USER: "-user.wav",
    Track.ASSISTANT: "-assistant.wav",
}


@dataclass(frozen=True, slots=True)
class RecordingsConfig:
    monitor: Path
    """Where Asterisk's MixMonitor writes."""
    spool: Path
    """Where scripts/upload-recording.sh leaves its jobs."""
    folder: Path
    """Where recordings are kept if there is no bucket."""
    s3: S3Config | None = None


class Recordings:
    def __init__(self, config: RecordingsConfig, database: Database) -> None:
        self._monitor = config.monitor
        self._spool = Spool(config.spool)
        self._database = database
        self._store = _store(config)

    async def collect(self, now: datetime) -> None:
        """One pass over the spool; what fails is noted in its job and tried later.

        Raises StorageError if the spool itself cannot be used.
        """
        try:
            lock = await asyncio.to_thread(self._spool.lock)
        except OSError as error:
            raise StorageError(f"cannot use the spool: {error}") from error
        if lock is None:
            return
        try:
            for path in await asyncio.to_thread(self._spool.waiting):
                try:
                    await self._collect(path, now)
                except OSError as error:
                    logger.error("[REC] cannot change the spool: {}", error)
        finally:
            os.close(lock)

    async def _collect(self, path: Path, now: datetime) -> None:
        try:
            job = await asyncio.to_thread(self._spool.read, path)
        except FileNotFoundError:
            return
        except JobError as error:
            await self._reject(path, str(error))
            return
        if job.not_before is not None and now < job.not_before:
            return
        hopeless: list[tuple[Track, Exception]] = []
        failed: list[tuple[Track, Exception]] = []
        for track in Track:
            try:
                await self._keep(job, track, now)
            except (JobError, BadFile) as error:
                final = isinstance(error, JobError) or now - job.closed_at > _PATIENCE
                (hopeless if final else failed).append((track, error))
            except Exception as error:  # noqa: BLE001  # one bad upload must not stop the others
                failed.append((track, error))
        for problems, result in ((hopeless, "rejected"), (failed, "failed")):
            for track, _ in problems:
                metrics.recordings.labels(track.value, result).inc()
        if failed:
            said = _sentence(hopeless + failed)
            due = await asyncio.to_thread(self._spool.postpone, job, said, now)
            logger.warning("[REC] call {}: {}; again at {}", job.call, said, due)
        elif hopeless:
            await self._reject(path, _sentence(hopeless))
        else:
            await asyncio.to_thread(self._spool.done, path)

    async def _reject(self, path: Path, reason: str) -> None:
        await asyncio.to_thread(self._spool.reject, path, reason)
        logger.error("[REC] {} is moved to rejected: {}", path, reason)

    async def _keep(self, job: Job, track: Track, now: datetime) -> None:
        source = self._monitor / (job.recording + _SUFFIXES[track])
        key = f"{job.closed_at:%Y-%m-%d}/{job.call}/{track.value}.wav"
        kept = await self._kept(job.call, track)
        try:
            measured, key = await asyncio.to_thread(self._copy, source, key, kept)
        except FileNotFoundError as error:
            if kept is not None:
                return
            raise BadFile(f"{source} is not there") from error
        if kept is None:
            recording = Recording(
                call_id=job.call,
                track=track,
                store=self._store.name,
                key=key,
                bytes=measured.bytes,
                seconds=measured.seconds,
                sha256=measured.sha256,
                created_at=now,
            )
            await self._add(recording)
            metrics.recordings.labels(track.value, "stored").inc()
            logger.info(
                "[REC] call {}: {} is kept as {}/{}, {:.1f} s",
                *(job.call, track.value, self._store.name, key, measured.seconds),
            )
        await asyncio.to_thread(source.unlink, missing_ok=True)

    def _copy(self, source: Path, key: str, kept: str | None) -> tuple[Measured, str]:
        """Puts the track into the store unless the one kept there is the same."""
        with open_plainly(source) as file:
            try:
                measured = measure(file)
            except BadFile as error:
                raise BadFile(f"{source}: {error}") from error
            if kept is None:
                key = self._store.put(file, key, measured)
            elif kept != measured.sha256:
                raise JobError(
                    f"{source} is not the recording that is kept of this call"
                )
        return measured, key

    async def _kept(self, call_id: str, track: Track) -> str | None:
        """The SHA-256 of what is in the store already."""
        async with self._database.session(
            f"look up recordings of {call_id!r}", read_only=True
        ) as session:
            row = await session.get(RecordingRow, (call_id, track.value))
            return None if row is None else row.sha256

    async def _add(self, recording: Recording) -> None:
        async with self._database.session(
            f"add a recording to {recording.call_id!r}"
        ) as session:
            session.add(
                RecordingRow(
                    call_id=recording.call_id,
                    track=recording.track.value,
                    store=recording.store,
                    key=recording.key,
                    bytes=recording.bytes,
                    seconds=recording.seconds,
                    sha256=recording.sha256,
                    created_at=recording.created_at,
                )
            )


def _store(config: RecordingsConfig) -> Store:
    if config.s3 is None:
        return FolderStore(config.folder)
    # boto3 takes 0.7 s to import, and only those who have a bucket need it.
    from .bucket import BucketStore

    return BucketStore(config.s3)


def _sentence(problems: Sequence[tuple[Track, Exception]]) -> str:
    return "; ".join(f"{track.value}: {error}" for track, error in problems)
