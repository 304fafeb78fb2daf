"""Waveforms to draw: how far the sound goes down and up, in so many steps.

Computed from the whole file when somebody first asks, and kept with its row.
"""

import asyncio
from dataclasses import dataclass
from typing import IO

import numpy as np
from sqlalchemy import update

from agent.calls.record import Recording, Track

from .database import Database
from .listening import Listening
from .tables import RecordingRow

STEPS = 800
_BYTES = 2
"""For a step: lowest and highest sample, as signed bytes."""


_BLOCK = 1 << 20
"""Samples. Before each block libsndfile is made to seek, which MP3 does not like."""


class NotSound(Exception):
    """What the store has under this name cannot be read as sound."""


@dataclass(frozen=True, slots=True)
class Waveform:
    seconds: float
    steps: tuple[tuple[int, int], ...]
    """Lowest and highest, -128 to 127; as many as there are samples, or STEPS."""


class Peaks:
    def __init__(self, database: Database, listening: Listening) -> None:
        self._database = database
        self._listening = listening
        # One at a time: whoever looks at waveforms is not to be heard in calls.
        self._turn = asyncio.Lock()

    async def of(self, recording: Recording) -> Waveform:
        """Raises StoreError if the store fails, NotSound if what it has is no sound."""
        async with self._turn:
            peaks = await self._known(recording.call_id, recording.track)
            if peaks is None:
                peaks = await asyncio.to_thread(self._measured, recording)
                await self._keep(recording, peaks)
        pairs = np.frombuffer(peaks, np.int8).reshape(-1, _BYTES).tolist()
        return Waveform(recording.seconds, tuple((low, high) for low, high in pairs))

    def _measured(self, recording: Recording) -> bytes:
        with self._listening.fetch(recording) as file:
            return measured(file)

    async def _known(self, call_id: str, track: Track) -> bytes | None:
        async with self._database.session(
            f"look for the waveform of {call_id!r}", read_only=True
        ) as session:
            row = await session.get(RecordingRow, (call_id, track.value))
            return None if row is None else row.peaks

    async def _keep(self, recording: Recording, peaks: bytes) -> None:
        async with self._database.session(
            f"keep the waveform of {recording.call_id!r}"
        ) as session:
            await session.execute(
                update(RecordingRow)
                .where(
                    RecordingRow.call_id == recording.call_id,
                    RecordingRow.track == recording.track.value,
                    # Not if it was erased meanwhile.
                    RecordingRow.state == recording.state.value,
                    RecordingRow.sha256 == recording.sha256,
                )
                .values(peaks=peaks)
            )


def measured(file: IO[bytes], steps: int = STEPS) -> bytes:
    """Blocks, some milliseconds for a minute of sound."""
    # 0.1 s to import, and only those who look at waveforms need it.
    import soundfile

    try:
        with soundfile.SoundFile(file) as sound:
            steps = min(steps, sound.frames)
            edges = np.linspace(0, sound.frames, steps + 1).astype(int)
            low, high = np.full(steps, 127, np.int8), np.full(steps, -128, np.int8)
            position = end = 0
            for block in sound.blocks(_BLOCK, dtype="int16", always_2d=True):
                first = int(np.searchsorted(edges, position, "right")) - 1
                end = int(np.searchsorted(edges, position + len(block)))
                cuts = np.maximum(edges[first:end] - position, 0)
                samples = (block[:, 0] >> 8).astype(np.int8)
                part = slice(first, end)
                low[part] = np.minimum(low[part], np.minimum.reduceat(samples, cuts))
                high[part] = np.maximum(high[part], np.maximum.reduceat(samples, cuts))
                position += len(block)
    except soundfile.SoundFileError as error:
        raise NotSound(str(error)) from error
    return np.stack((low, high), axis=1)[:end].tobytes()
