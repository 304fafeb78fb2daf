"""The spool: a job, which is a small file, per finished recording.

scripts/upload-recording.sh leaves them. A job stays until its recording is stored.
One that cannot be done for good is moved to `rejected/`, with the reason in a file
beside it; moved back, it is tried again.
"""

import fcntl
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from .files import BadFile, open_plainly, replacing

_LONGEST_JOB = 16_384
"""Bytes."""
_LONGEST_PAUSE = timedelta(minutes=5)
# What scripts/upload-recording.sh lets through; these become names of files.
_NAME = re.compile(r"(?!\.)(?!.*\.\.)[A-Za-z0-9._-]{1,64}")


class JobError(Exception):
    """This job can never be done as it stands."""


@dataclass(frozen=True, slots=True)
class Job:
    recording: str
    """What the names of the files begin with: `${UNIQUEID}` of the caller's channel."""
    call: str
    closed_at: datetime
    environment: str = ""
    """For whoever reads a job that was left behind."""
    attempts: int = 0
    not_before: datetime | None = None
    last_error: str = ""

    @classmethod
    def read(cls, text: str) -> "Job":
        try:
            job = cls(**json.loads(text))
            times = (job.closed_at, job.not_before)
            closed_at, not_before = (time and _instant(time) for time in times)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise JobError(f"not a job: {error}") from error
        for name in (job.recording, job.call):
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise JobError(f"not a job: {name!r} is not fit to name a file")
        if closed_at is None or not isinstance(job.attempts, int):
            raise JobError("not a job: closed_at or attempts make no sense")
        return replace(job, closed_at=closed_at, not_before=not_before)

    def text(self) -> str:
        return json.dumps(asdict(self), default=str) + "\n"


class Spool:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def lock(self) -> int | None:
        """Held until the returned descriptor is closed; None: another agent has it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

    def waiting(self) -> Sequence[Path]:
        return sorted(self._folder.glob("*.job"))

    def read(self, path: Path) -> Job:
        try:
            with open_plainly(path) as file:
                text = file.read(_LONGEST_JOB).decode("ascii", "replace")
        except BadFile as error:
            raise JobError(str(error)) from error
        job = Job.read(text)
        if path.stem != job.recording:
            raise JobError(f"it is for {job.recording!r}, and its name says otherwise")
        return job

    def postpone(self, job: Job, error: str, now: datetime) -> datetime:
        """Notes the failure in the job. Returns when it is due again."""
        pause = timedelta(seconds=2 ** min(job.attempts, 10))
        due = now + min(pause, _LONGEST_PAUSE)
        failed = replace(
            job, attempts=job.attempts + 1, not_before=due, last_error=error
        )
        with replacing(self._folder / f"{job.recording}.job") as file:
            file.write(failed.text().encode())
        return due

    def reject(self, path: Path, reason: str) -> None:
        rejected = self._folder / "rejected"
        rejected.mkdir(exist_ok=True)
        with replacing(rejected / f"{path.stem}.reason") as file:
            file.write(f"{reason}\n".encode(errors="replace"))
        os.replace(path, rejected / path.name)

    def done(self, path: Path) -> None:
        path.unlink(missing_ok=True)


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a time")
    instant = datetime.fromisoformat(value)
    if instant.tzinfo is None:
        raise ValueError(f"the time {value!r} has no zone")
    return instant.astimezone(UTC)
