import asyncio
import io
import itertools
import wave

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agent.calls.record import Track
from agent.storage import peaks as peaks_module
from agent.storage.listening import Listening
from agent.storage.peaks import STEPS, NotSound, Peaks, measured
from agent.storage.shelves import NotThere, Shelves
from agent.storage.tables import RecordingRow

from .kept import keep_recording, key


def wav_of(samples):
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(np.asarray(samples, "<i2").tobytes())
    return file.getvalue()


def pairs(octets):
    return np.frombuffer(octets, np.int8).reshape(-1, 2).tolist()


@pytest.mark.parametrize(
    ("samples", "steps", "expected"),
    [
        ([0, 256, -512, 1024], 2, [[0, 1], [-2, 4]]),
        ([32767, -32768], 1, [[-128, 127]]),
        ([256, 512, 768], 2, [[1, 1], [2, 3]]),
        # Never more steps than samples.
        ([256, 512], 800, [[1, 1], [2, 2]]),
        ([], 800, []),
    ],
)
def test_lowest_and_highest_of_each_step(samples, steps, expected):
    assert pairs(measured(io.BytesIO(wav_of(samples)), steps)) == expected


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("FLAC", "PCM_16"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")],
)
def test_of_every_format_in_which_recordings_are_kept(container, subtype):
    """A second of silence, then a second of a tone."""
    tone = np.concatenate([np.zeros(8000), np.sin(np.arange(8000) / 3) * 16000])
    file = io.BytesIO()
    soundfile.write(file, tone.astype("int16"), 8000, subtype, format=container)
    file.seek(0)
    found = pairs(measured(file))
    assert len(found) == STEPS
    assert all(abs(low) < 8 and high < 8 for low, high in found[: STEPS // 3])
    loud = found[STEPS * 2 // 3 : -20]
    assert all(low < -40 and high > 40 for low, high in loud)


@given(arrays(np.int16, st.integers(0, 300)), st.integers(1, 50), st.integers(1, 60))
def test_in_whatever_blocks_it_is_read(samples, steps, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peaks_module, "_BLOCK", block)
        found = pairs(measured(io.BytesIO(wav_of(samples)), steps))
    steps = min(steps, len(samples))
    edges = np.linspace(0, len(samples), steps + 1).astype(int)
    assert found == [
        [samples[a:b].min() >> 8, samples[a:b].max() >> 8]
        for a, b in itertools.pairwise(edges)
    ]


@pytest.mark.parametrize("octets", [b"", b"RIFF", b"not sound" * 100])
def test_what_is_no_sound(octets):
    with pytest.raises(NotSound):
        measured(io.BytesIO(octets))


@pytest.fixture
def listening(database, tmp_path):
    return Listening(database, Shelves(tmp_path, None))


async def test_they_are_computed_once_and_kept(
    database, tmp_path, listening, monkeypatch
):
    await keep_recording(database, tmp_path, content=wav_of([256] * 16000))
    times = []

    def counted(file):
        times.append(1)
        return measured(file)

    monkeypatch.setattr(peaks_module, "measured", counted)
    recording = await listening.find("17.5", Track.MIX)
    peaks = Peaks(database, listening)
    found = await asyncio.gather(*(peaks.of(recording) for _ in range(3)))
    assert found[0].steps == ((1, 1),) * STEPS and found[0].seconds == 2.0
    assert found[0] == found[1] == found[2]
    # By another agent too, even if the file is gone meanwhile.
    (tmp_path / key("17.5", "mix")).unlink()
    assert await Peaks(database, listening).of(recording) == found[0]
    assert len(times) == 1


async def test_they_are_not_kept_of_what_was_erased_meanwhile(
    database, tmp_path, listening
):
    await keep_recording(database, tmp_path, content=wav_of([256] * 16000))
    recording = await listening.find("17.5", Track.MIX)
    async with database.session("erase") as session:
        row = await session.get_one(RecordingRow, ("17.5", "mix"))
        row.state = "erased"
    await Peaks(database, listening).of(recording)
    async with database.session("look") as session:
        assert (await session.get_one(RecordingRow, ("17.5", "mix"))).peaks is None


async def test_of_a_file_that_is_gone(database, tmp_path, listening):
    await keep_recording(database, tmp_path)
    recording = await listening.find("17.5", Track.MIX)
    (tmp_path / recording.key).unlink()
    with pytest.raises(NotThere):
        await Peaks(database, listening).of(recording)
