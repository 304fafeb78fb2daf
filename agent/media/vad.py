"""One voice activity detector for all calls of the process.

Silero's ONNX model takes a batch, and its answers are equal to those one by one:
a window costs 38-45 us in a batch and 135 us alone, so the calls that have a window
ready wait for each other for a few milliseconds. Inference runs on the loop: a hop
to a thread costs 46 us of CPU and the GIL twice (docs/performance.md).
"""

import asyncio
import gc
import math
import time
from collections.abc import Callable
from contextvars import copy_context
from itertools import islice
from pathlib import Path

import numpy as np
import onnxruntime
from loguru import logger

from agent.observe import metrics

from .audio import rms

_TIMED = 16
"""One batch of so many is timed. To tell Prometheus of each took a tenth of a core with
200 calls (bench/capacity.py)."""
RATE = 8000
WINDOW = 256
"""Samples: 32 ms."""
CONTEXT = 32
"""Samples of the window before, which the model wants to see again."""

# Recurrent state drifts in long silence until onsets are missed; it is started
# afresh after this many clearly silent windows (2 s).
_STALE = 63
_CLEARLY_SILENT = 0.1

LARGEST_BATCH = 12
"""Windows: the loop stands still for 0.5 ms. 24 are cheaper by a tenth, and at 200
calls a frame's p99 is five times as late (docs/performance.md)."""
_INAUDIBLE = 18
"""RMS of a window, -65 dBFS: a line's own noise. The model need not hear it."""


class Listener:
    """One call's place in the batch."""

    def __init__(
        self, vad: "Vad", place: int, on_window: Callable[[float, float], None]
    ):
        self.place = place
        self.on_window = on_window
        """Called on the loop: probability of speech, loudness in dBFS."""
        self.context = copy_context()
        """The call's: what a window sets in motion is the call's, in the log as well,
        and the batch may run in that of another."""
        self.pending = bytearray()
        self.silent_windows = 0
        self._vad = vad

    def hear(self, pcm: bytes) -> None:
        """Takes 16-bit samples at 8 kHz."""
        self.pending += pcm
        if len(self.pending) >= 2 * WINDOW:
            self._vad.heard(self)

    def close(self) -> None:
        self._vad.leave(self)


class Vad:
    def __init__(self, model: Path, *, gather: float = 0.008) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # Spinning threads would take the core from the calls between batches.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
        self._gather = gather
        """Seconds between two batches."""
        self._rate = np.array(RATE, dtype=np.int64)
        self._state = np.zeros((2, 8, 128), dtype=np.float32)
        self._context = np.zeros((8, CONTEXT), dtype=np.float32)
        self._free = list(range(8))
        self._ready: dict[int, Listener] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticked_at = 0.0
        self._tick_is_due = False
        self._batches = 0

    def listen(self, on_window: Callable[[float, float], None]) -> Listener:
        if not self._free:
            self._grow()
        place = self._free.pop()
        self._forget(place)
        return Listener(self, place, on_window)

    def leave(self, listener: Listener) -> None:
        self._ready.pop(listener.place, None)
        if listener.place not in self._free:
            self._free.append(listener.place)

    def heard(self, listener: Listener) -> None:
        """It has a window: to be judged with others', or silence on the face of it."""
        if listener.place in self._ready:
            return
        while len(listener.pending) >= 2 * WINDOW:
            level = rms(bytes(listener.pending[: 2 * WINDOW]))
            if level >= _INAUDIBLE:
                self._ready[listener.place] = listener
                self._tick_soon()
                return
            del listener.pending[: 2 * WINDOW]
            self._context[listener.place] = 0.0
            self._tell(listener, 0.0, 20.0 * math.log10(level / 32768 + 1e-5))

    def _tick_soon(self) -> None:
        if not self._tick_is_due:
            self._tick_is_due = True
            loop = self._loop = self._loop or asyncio.get_running_loop()
            loop.call_at(self._ticked_at + self._gather, self._tick_on_loop, loop)

    def _tick_on_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        self._ticked_at = loop.time()
        self.tick()
        self._tick_is_due = bool(self._ready)
        if self._tick_is_due:
            loop.call_soon(self._tick_on_loop, loop)

    def tick(self) -> None:
        """One batch: the next window of the calls that have waited longest."""
        places = list(islice(self._ready, LARGEST_BATCH))
        if not places:
            return
        listeners = [self._ready.pop(place) for place in places]
        samples = np.empty((len(places), CONTEXT + WINDOW), dtype=np.float32)
        samples[:, :CONTEXT] = self._context[places]
        for row, listener in enumerate(listeners):
            samples[row, CONTEXT:] = np.frombuffer(
                listener.pending, dtype="<i2", count=WINDOW
            )
            del listener.pending[: 2 * WINDOW]
        samples[:, CONTEXT:] /= 32768.0
        self._batches += 1
        timed = self._batches % _TIMED == 0
        began = time.perf_counter() if timed else 0.0
        probabilities, state = self._session.run(
            None,
            {"input": samples, "state": self._state[:, places], "sr": self._rate},
        )
        if timed:
            metrics.vad_seconds.observe(time.perf_counter() - began)
        self._state[:, places] = state
        self._context[places] = samples[:, -CONTEXT:]
        power = np.einsum("ij,ij->i", samples[:, CONTEXT:], samples[:, CONTEXT:])
        for listener, probability, energy in zip(
            listeners, probabilities[:, 0].tolist(), power.tolist(), strict=True
        ):
            loudness = 10.0 * math.log10(energy / WINDOW + 1e-10)
            self._tell(listener, probability, loudness)
            self.heard(listener)

    def warm(self) -> None:
        """The first inference allocates and is slow; not during a call."""
        listener = self.listen(lambda probability, loudness: None)
        listener.pending += bytes(2 * WINDOW)
        self._ready[listener.place] = listener
        self.tick()
        listener.close()
        gc.collect()

    def _tell(self, listener: Listener, probability: float, loudness: float) -> None:
        self._age(listener, probability)
        listener.context.run(self._tell_within, listener, probability, loudness)

    def _tell_within(
        self, listener: Listener, probability: float, loudness: float
    ) -> None:
        try:
            listener.on_window(probability, loudness)
        except Exception:  # noqa: BLE001 - one call must not deafen the others
            logger.exception("[VAD] the call cannot be listened to any more")
            listener.close()

    def _age(self, listener: Listener, probability: float) -> None:
        if probability >= _CLEARLY_SILENT:
            listener.silent_windows = 0
            return
        listener.silent_windows += 1
        if listener.silent_windows == _STALE:
            listener.silent_windows = 0
            self._forget(listener.place)

    def _forget(self, place: int) -> None:
        self._state[:, place] = 0.0
        self._context[place] = 0.0

    def _grow(self) -> None:
        places = self._context.shape[0]
        self._state = np.concatenate([self._state, np.zeros_like(self._state)], axis=1)
        self._context = np.concatenate([self._context, np.zeros_like(self._context)])
        self._free.extend(range(places, 2 * places))
