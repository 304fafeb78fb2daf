"""Why is the recording of a call missing? By what the agent knows and has.

The database first, then the spool and Asterisk's folder, if they are on this machine,
then the logs, if they are given (agent/observe/missing.py).
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from agent.calls.record import Recording, RecordingState, Track
from agent.observe.missing import Cause, Verdict, failing, from_logs
from agent.observe.store_errors import meaning

from .audit import deeds
from .database import Database
from .files import BadFile, open_plainly
from .leftovers import Leftovers
from .listening import Listening
from .shelves import NotThere
from .spool import Job, JobError, Spool
from .stores import StoreError
from .tables import CallRow, TombstoneRow, ToolUseRow

_SILENCING = ("record_stop", "pause_recording", "record_start")

_LOGS_KNOW_MORE = (Cause.CANNOT_TELL, Cause.UNKNOWN_CALL, Cause.HOOK_FAILED)


class Missing:
    def __init__(
        self, database: Database, listening: Listening, monitor: Path, spool: Path
    ) -> None:
        self._database = database
        self._listening = listening
        self._monitor = monitor
        self._spool = spool
        self._leftovers = Leftovers(monitor, spool)

    async def why(
        self,
        call_id: str,
        logs: Iterable[Iterable[str]] | None = None,
        *,
        track: Track = Track.MIX,
    ) -> Verdict:
        """Of that track, or of the others if nobody heard of it."""
        verdict = await self._known(call_id, track)
        if logs is None:
            return verdict
        told = await asyncio.to_thread(from_logs, call_id, logs)
        if verdict.cause in _LOGS_KNOW_MORE and told.cause is not Cause.CANNOT_TELL:
            return told
        if verdict.cause is Cause.REJECTED and told.cause is Cause.NEVER_BRIDGED:
            return told
        return verdict

    async def _known(self, call_id: str, asked: Track) -> Verdict:
        if tombstone := await self._tombstone(call_id):
            notes = await deeds(self._database, call_id)
            said = tuple(
                f"audit: {each.at.isoformat()} {each.act} by {each.who}: {each.why}"
                for each in notes
            )
            return Verdict(call_id, *_gone(tombstone), said)
        for track in (asked, *Track):
            if row := await self._listening.find(call_id, track):
                return await self._row(row)
        call = await self._call(call_id)
        on_disk = await asyncio.to_thread(self._on_disk, call_id, call)
        if on_disk is not None:
            return on_disk
        if call is None:
            return Verdict(
                call_id,
                Cause.UNKNOWN_CALL,
                "the agent never heard of this call; Asterisk's log may tell more",
            )
        if call.ended_at is None:
            return _up(call)
        return Verdict(
            call_id,
            Cause.CANNOT_TELL,
            "the call is over and there is neither a file nor a job of it here: whether"
            " it was recorded and its hook ran is in Asterisk's full log",
            (
                f"database: ended {call.ended_at.isoformat()}, {call.end_reason}",
                f"no file in {self._monitor}, no job in {self._spool}",
            ),
        )

    async def _row(self, row: Recording) -> Verdict:
        since = row.closed_at or row.created_at
        evidence = f"database: {row.track} is {row.state}"
        match row.state:
            case RecordingState.STORED:
                verdict = await asyncio.to_thread(self._stored, row, evidence)
                if verdict.cause is not Cause.KEPT:
                    return verdict
                return replace(
                    verdict,
                    evidence=(*verdict.evidence, *await self._silences(row.call_id)),
                )
            case RecordingState.WAITING:
                return Verdict(
                    row.call_id,
                    Cause.WAITING,
                    f"it is on its way to the store since {since.isoformat()}",
                    (evidence,),
                )
            case RecordingState.FAILING:
                return _failing(
                    row.call_id,
                    row.last_error,
                    since,
                    row.next_try,
                    f"{evidence} after {row.attempts} attempts",
                )
            case RecordingState.REJECTED:
                return Verdict(
                    row.call_id,
                    Cause.REJECTED,
                    f"it was rejected: {row.last_error}",
                    (evidence, f"what there was of it is in {self._spool}/rejected"),
                )
            case RecordingState.EXPIRED | RecordingState.ERASED:
                erased = row.state is RecordingState.ERASED
                when = f" at {row.removed_at.isoformat()}" if row.removed_at else ""
                return Verdict(
                    row.call_id,
                    Cause.ERASED if erased else Cause.EXPIRED,
                    f"it was erased on request{when}"
                    if erased
                    else f"it was deleted by retention{when}",
                    (evidence,),
                )

    def _stored(self, row: Recording, evidence: str) -> Verdict:
        """Blocks: asks the store whether it is true."""
        try:
            self._listening.link(row, 60)
        except NotThere as error:
            return Verdict(
                row.call_id,
                Cause.GONE_FROM_STORE,
                f"it was stored and is not there any more: {error}",
                (evidence,),
            )
        except StoreError as error:
            return Verdict(
                row.call_id,
                failing(str(error)),
                f"it is stored as {row.store}/{row.key}, and the store does not give"
                f" it: {error}",
                (evidence,),
            )
        return Verdict(
            row.call_id,
            Cause.KEPT,
            f"it is there: {row.store}/{row.key}, {row.seconds:.1f} s",
            (evidence,),
        )

    def _on_disk(self, call_id: str, call: CallRow | None) -> Verdict | None:
        """Blocks."""
        for path, job in self._jobs(call_id):
            return Verdict(
                call_id,
                Cause.WAITING,
                f"its job lies in the spool since {job.closed_at.isoformat()}",
                (str(path),),
            )
        reasons = [
            path
            for path in self._leftovers.rejected(call_id)
            if path.suffix == ".reason"
        ]
        if reasons:
            return Verdict(
                call_id,
                Cause.REJECTED,
                f"it was rejected: {'; '.join(map(_text, reasons))}",
                tuple(map(str, reasons)),
            )
        files = [str(path) for path in self._leftovers.recorded(call_id)]
        if not files:
            return None
        if call is not None and call.ended_at is None:
            return _up(call)
        return Verdict(
            call_id,
            Cause.HOOK_FAILED,
            "Asterisk recorded it and left no job in the spool: the upload hook failed,"
            " or Asterisk was killed; the next look through its folder will find it",
            tuple(files),
        )

    def _jobs(self, call_id: str) -> Iterator[tuple[Path, Job]]:
        spool = Spool(self._spool)
        for path in sorted(self._spool.glob("*.job")):
            try:
                job = spool.read(path)
            except (JobError, OSError):
                continue
            if job.call == call_id:
                yield path, job

    async def _silences(self, call_id: str) -> tuple[str, ...]:
        """Where the AI had Asterisk record silence; operators leave it in the log."""
        async with self._database.session(
            f"look for pauses of {call_id!r}", read_only=True
        ) as session:
            uses = await session.scalars(
                select(ToolUseRow)
                .where(ToolUseRow.call_id == call_id, ToolUseRow.name.in_(_SILENCING))
                .order_by(ToolUseRow.number)
            )
            return tuple(
                f"silent: {use.name} at {use.started_at.isoformat()}" for use in uses
            )

    async def _call(self, call_id: str) -> CallRow | None:
        async with self._database.session(
            f"look for call {call_id!r}", read_only=True
        ) as session:
            found: CallRow | None = await session.scalar(
                select(CallRow).where(CallRow.id == call_id)
            )
            return found

    async def _tombstone(self, call_id: str) -> TombstoneRow | None:
        async with self._database.session(
            f"look for the tombstone of {call_id!r}", read_only=True
        ) as session:
            return await session.get(TombstoneRow, call_id)


def _gone(stone: TombstoneRow) -> tuple[Cause, str]:
    when = stone.at.isoformat()
    if stone.state == RecordingState.ERASED.value:
        cause, said = Cause.ERASED, f"it was erased at {when} by {stone.who}"
        said += f": {stone.why}" if stone.why else ""
    else:
        cause, said = Cause.EXPIRED, f"retention deleted it at {when}: {stone.why}"
    if stone.finished_at is None:
        said += "; the store has not deleted all of it yet"
        said += f": {stone.last_error}" if stone.last_error else ""
    return cause, said


def _up(call: CallRow) -> Verdict:
    return Verdict(
        call.id,
        Cause.CALL_UP,
        "the call is not over, so its recording is not complete",
        (f"database: began {call.started_at.isoformat()}, no end",),
    )


def _failing(
    call_id: str, error: str, since: datetime, due: datetime | None, evidence: str
) -> Verdict:
    cause = failing(error)
    what = (
        "the bucket refuses our credentials"
        if cause is Cause.CREDENTIALS
        else "storing it fails"
    )
    again = f"; next try at {due.isoformat()}" if due else ""
    return Verdict(
        call_id,
        cause,
        f"{what}, and it waits since {since.isoformat()}:"
        f" {meaning(error)}{error}{again}",
        (evidence,),
    )


def _text(path: Path) -> str:
    try:
        with open_plainly(path) as file:
            return file.read(2000).decode(errors="replace").strip()
    except (OSError, BadFile):
        return "nobody wrote down why"
