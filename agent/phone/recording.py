"""Both sides of a call on one clock, and where in it somebody speaks."""

import wave
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .ear import LOUD, Heard
from .ulaw import FRAME, RATE, SILENCE

_JUMP = 0.1
"""Seconds between a packet's arrival and its place by its timestamp from which on
the timestamps must have jumped: jitter is less, a new stream is more."""
_PAUSE = 0.5
"""Seconds of silence that end an utterance; shorter ones are within it."""


@dataclass(frozen=True, slots=True)
class Talk:
    """Seconds since the answer, of one utterance."""

    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Recording:
    """16-bit samples at 8 kHz, both from the answer on."""

    caller: bytes
    agent: bytes

    def save(self, path: Path) -> None:
        """A stereo WAV file: the caller left, the agent right."""
        left, right = _samples(self.caller), _samples(self.agent)
        both = np.zeros((max(len(left), len(right)), 2), dtype="<i2")
        both[: len(left), 0] = left
        both[: len(right), 1] = right
        with wave.open(str(path), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(both.tobytes())


def place(heard: Iterable[Heard]) -> bytes:
    """The packets as one µ-law track: by their timestamps, which are exact, as long
    as these agree with the arrivals, which are not. What came early is left out."""
    track = bytearray()
    origin = None
    for packet in heard:
        arrival = round(packet.at * RATE)
        if origin is None or abs(origin + packet.timestamp - arrival) > _JUMP * RATE:
            origin = arrival - packet.timestamp
        begin = origin + packet.timestamp
        if begin < 0:
            continue
        track += SILENCE * (begin - len(track))
        track[begin : begin + len(packet.ulaw)] = packet.ulaw
    return bytes(track)


def talks(pcm: bytes) -> list[Talk]:
    """The utterances in one side of a call."""
    found: list[Talk] = []
    for begin, end in _loud_frames(pcm):
        if found and begin - found[-1].end < _PAUSE:
            found[-1] = Talk(found[-1].begin, end)
        else:
            found.append(Talk(begin, end))
    return found


def between(pcm: bytes, talk: Talk) -> bytes:
    begin, end = round(talk.begin * RATE), round(talk.end * RATE)
    return pcm[2 * begin : 2 * end]


def _loud_frames(pcm: bytes) -> Iterator[tuple[float, float]]:
    samples = _samples(pcm).astype(np.float64)
    for begin in range(0, len(samples), FRAME):
        frame = samples[begin : begin + FRAME]
        if np.sqrt(np.mean(frame * frame)) > LOUD:
            yield begin / RATE, (begin + len(frame)) / RATE


def _samples(pcm: bytes) -> npt.NDArray[np.int16]:
    return np.frombuffer(pcm, dtype="<i2")
