"""The spool: an inbox with a job, which is a small file, per finished recording.

scripts/upload-recording.sh leaves them, and the sweep those that it did not. A job
stays as it is until its recording is stored, and so survives whatever happens to us.
What can never be stored is moved to `rejected/`, with the reason in a file beside it.
"""

import fcntl
import json
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from agent.calls.record import Track

from .files import BadFile, move_away, open_plainly, replacing, sync_folder

_LONGEST_JOB = 16_384
"""Bytes."""
_NO_LONGER_READ = frozenset({"attempts", "not_before", "last_error"})
"""What was noted in jobs before jobs/uploads.py kept count."""
# What scripts/upload-recording.sh lets through; these become names of files.
_NAME = re.compile(r"(?!\.)(?!.*\.\.)[A-Za-z0-9._-]{1,64}")

SUFFIXES = {
    Track.MIX: ".wav",
    Track.USER: "-user.wav",
    Track.ASSISTANT: "-assistant.wav",
}
"""What the names of Asterisk's files end with."""


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

    @classmethod
    def read(cls, text: str) -> "Job":
        try:
            told = dict(json.loads(text))
            job = cls(**{name: told[name] for name in told.keys() - _NO_LONGER_READ})
            closed_at = _instant(job.closed_at)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise JobError(f"not a job: {error}") from error
        for name in (job.recording, job.call):
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise JobError(f"not a job: {name!r} is not fit to name a file")
        return replace(job, closed_at=closed_at)

    def text(self) -> str:
        return json.dumps(asdict(self), default=str) + "\n"


@dataclass(frozen=True, slots=True)
class Inbox:
    jobs: tuple[Job, ...]
    """The oldest first."""
    broken: tuple[tuple[Path, str], ...]
    """Files that are no jobs, and why not."""


class Spool:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rejected = folder / "rejected"
        self._known: dict[str, tuple[int, Job]] = {}
        """With the time of the file: thousands may wait while a store is down."""

    def lock(self) -> int | None:
        """Held until the returned descriptor is closed; None: another agent has it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

    def inbox(self, busy: Collection[str] = ()) -> Inbox:
        """Without the recordings that are `busy`."""
        jobs, broken = [], []
        known: dict[str, tuple[int, Job]] = {}
        for entry in os.scandir(self.folder):
            name, _, kind = entry.name.rpartition(".")
            if kind != "job" or not name or name in busy:
                continue
            try:
                changed = entry.stat(follow_symlinks=False).st_mtime_ns
                seen = self._known.get(name)
                if seen is None or seen[0] != changed:
                    seen = (changed, self.read(Path(entry.path)))
            except FileNotFoundError:
                continue
            except JobError as error:
                broken.append((Path(entry.path), str(error)))
                continue
            known[name] = seen
            jobs.append(seen[1])
        self._known = known
        jobs.sort(key=lambda job: (job.closed_at, job.recording))
        return Inbox(tuple(jobs), tuple(broken))

    def find(self, recording: str) -> Job | None:
        """Raises JobError."""
        try:
            return self.read(self.folder / f"{recording}.job")
        except FileNotFoundError:
            return None

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

    def add(self, job: Job) -> bool:
        """Unless there is one for this recording already."""
        path = self._path(job)
        if path.exists():
            return False
        with replacing(path) as file:
            file.write(job.text().encode())
        sync_folder(self.folder)
        return True

    def reject(self, path: Path, reason: str) -> None:
        """A job, or a track's file; perhaps there is nothing to move any more."""
        self.rejected.mkdir(exist_ok=True)
        name = path.name
        if path.exists() and not path.is_symlink():
            name = move_away(path, self.rejected).name
        with replacing(self.rejected / f"{name}.reason") as file:
            file.write(f"{reason}\n".encode(errors="replace"))

    def done(self, job: Job) -> None:
        self._path(job).unlink(missing_ok=True)

    def _path(self, job: Job) -> Path:
        return self.folder / f"{job.recording}.job"


def orphans(monitor: Path, before: datetime) -> Iterator[Job]:
    """Recordings in Asterisk's folder to which nothing was written since `before`.

    Only what is named as the dialplan names it, and is a regular file.
    """
    found: dict[str, float] = {}
    for entry in os.scandir(monitor):
        name = _recording(entry.name)
        if name is None or not entry.is_file(follow_symlinks=False):
            continue
        try:
            changed = entry.stat(follow_symlinks=False).st_mtime
        except FileNotFoundError:
            continue
        found[name] = max(changed, found.get(name, 0))
    for name, changed in sorted(found.items()):
        if changed < before.timestamp():
            closed_at = datetime.fromtimestamp(int(changed), UTC)
            yield Job(name, name, closed_at, environment="orphan")


def _recording(file_name: str) -> str | None:
    for suffix in sorted(SUFFIXES.values(), key=len, reverse=True):
        if file_name.endswith(suffix):
            name = file_name.removesuffix(suffix)
            return name if _NAME.fullmatch(name) else None
    return None


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a time")
    instant = datetime.fromisoformat(value)
    if instant.tzinfo is None:
        raise ValueError(f"the time {value!r} has no zone")
    return instant.astimezone(UTC)
