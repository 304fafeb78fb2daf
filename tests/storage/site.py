"""A site's folders, and the recordings that lie in them."""

import json
import os
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from agent.calls.record import Track
from agent.storage.config import RecordingsConfig
from agent.storage.ledger import DatabaseLedger, recording
from agent.storage.recordings import Recordings
from agent.storage.tables import RecordingRow

from .sound import wav

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=13)
LONG_AFTER = NOON + timedelta(days=1, minutes=1)
NAMES = {
    Track.MIX: "17.5.wav",
    Track.USER: "17.5-user.wav",
    Track.ASSISTANT: "17.5-assistant.wav",
}
SOUND = {track: wav(2, sample) for sample, track in enumerate(Track)}


class Site:
    """The folders that Asterisk, its script and the agent share, with one recording."""

    def __init__(self, root, database):
        self.database = database
        self.config = RecordingsConfig(
            root / "monitor", root / "spool", root / "recordings"
        )
        for folder in (self.config.monitor, self.config.spool):
            folder.mkdir()
        self.told: list[Track] = []

    def record(self, sound=SOUND, at=NOON, name="17.5"):
        for track, content in sound.items():
            path = self.config.monitor / NAMES[track].replace("17.5", name)
            path.write_bytes(content)
            os.utime(path, (at.timestamp(), at.timestamp()))

    def leave_job(self, name="17.5", **changes):
        job = {"recording": name, "call": "abc", "closed_at": NOON.isoformat()}
        path = self.config.spool / f"{name}.job"
        path.write_text(json.dumps(job | changes))

    def recordings(self):
        async def on_stored(recording):
            self.told.append(recording.track)

        ledger = DatabaseLedger(self.database)
        return Recordings(self.config, ledger, on_stored=on_stored)

    async def tend(self, now=NOON, attempt=0):
        return await self.recordings().tend("17.5", attempt, now)

    async def collect(self, now=NOON):
        await self.recordings().collect(now)

    async def sweep(self, now=NOON):
        await self.recordings().sweep(now)

    async def rows(self, call="abc"):
        async with self.database.session("read", read_only=True) as session:
            found = await session.scalars(select(RecordingRow).filter_by(call_id=call))
            return {Track(row.track): recording(row) for row in found}

    async def errors(self):
        """Of the tracks that are not stored."""
        rows = await self.rows()
        return "; ".join(
            f"{track.value}: {row.last_error}"
            for track, row in rows.items()
            if row.last_error
        )

    async def states(self, call="abc"):
        return {track: row.state for track, row in (await self.rows(call)).items()}

    def job(self):
        path = self.config.spool / "17.5.job"
        return json.loads(path.read_text()) if path.exists() else None

    def rejected(self):
        folder = self.config.spool / "rejected"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def reason(self, name="17.5.job"):
        return (self.config.spool / f"rejected/{name}.reason").read_text()

    def monitored(self):
        return sorted(path.name for path in self.config.monitor.iterdir())

    def kept(self):
        files = (path for path in self.config.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.config.folder)): path for path in files}
