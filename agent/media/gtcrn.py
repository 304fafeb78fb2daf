"""Noise taken out of speech by GTCRN (Rong and others, 2024), block by block.

A network of 48 thousand parameters on the spectrum of 16 kHz: it sees 32 ms, moves on
by 16 ms, and wants its caches back. What comes out is `DELAY` late. Chosen by
measurement among four (docs/noise.md, bench/noise.py).
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

Samples = npt.NDArray[np.float32]

RATE = 16000
BLOCK = 512
STEP = 256
DELAY = (BLOCK + 30) / RATE
"""Seconds: of a block, and of both resamplers when the call has 8 kHz."""
_CACHES = {
    "conv_cache": (2, 1, 16, 16, 33),
    "tra_cache": (2, 3, 1, 1, 16),
    "inter_cache": (2, 1, 33, 16),
}
_WINDOW: Samples = np.sqrt(np.hanning(BLOCK + 1)[:BLOCK]).astype(np.float32)

# Half-band, 31 taps: between 8 kHz and 16 kHz within a millisecond. soxr's stream
# filters hold back a tenth of a second.
_AT = np.arange(-15, 16)
_HALF_BAND: Samples = (0.5 * np.sinc(_AT / 2) * np.kaiser(31, 6.0)).astype(np.float32)


class Gtcrn:
    """The network; one for the whole process."""

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        # Spinning threads would take the core from the calls between frames.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(folder / "gtcrn_simple.onnx"),
            options,
            providers=["CPUExecutionProvider"],
        )

    def stream(self, rate: int) -> "Stream":
        """For one call's frames of 16-bit samples, at 8000 or 16000 a second."""
        if rate not in (RATE, RATE // 2):
            raise ValueError(f"the rate is {rate}, and GTCRN takes 8000 or 16000")
        return Stream(self, rate)

    def block(self, samples: Samples, caches: dict[str, Samples]) -> Samples:
        """One block without its noise, still windowed; `caches` are moved on."""
        spectrum = np.fft.rfft(samples * _WINDOW)
        mix = np.stack([spectrum.real, spectrum.imag], axis=-1).astype(np.float32)
        enhanced, *moved = self._session.run(
            None, {"mix": mix[None, :, None, :], **caches}
        )
        caches.update(zip(_CACHES, moved, strict=True))
        parts = enhanced[0, :, 0, :]
        clean = np.fft.irfft(parts[:, 0] + 1j * parts[:, 1], n=BLOCK) * _WINDOW
        return np.asarray(clean, np.float32)


class Stream:
    """One call. As many bytes come out as go in."""

    def __init__(self, model: Gtcrn, rate: int) -> None:
        self._model = model
        self._narrow = rate != RATE
        self._caches: dict[str, Samples] = {
            name: np.zeros(shape, np.float32) for name, shape in _CACHES.items()
        }
        self._window = np.zeros(BLOCK, np.float32)
        self._overlap = np.zeros(BLOCK, np.float32)
        self._waiting = np.zeros(0, np.float32)
        # One step ahead: a frame of 20 ms is one and a quarter of them.
        self._ready = np.zeros(STEP, np.float32)
        self._up = np.zeros(30, np.float32)
        self._down = np.zeros(30, np.float32)

    def clean(self, pcm: bytes) -> bytes:
        samples: Samples = np.frombuffer(pcm, "<i2").astype(np.float32)
        samples /= 32768
        if self._narrow:
            samples = self._doubled(samples)
        self._waiting = np.concatenate([self._waiting, samples])
        steps = len(self._waiting) // STEP
        done = [self._ready]
        for at in range(0, steps * STEP, STEP):
            done.append(self._step(self._waiting[at : at + STEP]))
        self._waiting = self._waiting[steps * STEP :]
        ready = np.concatenate(done)
        out, self._ready = ready[: len(samples)], ready[len(samples) :]
        if self._narrow:
            out = self._halved(out)
        return (np.clip(out, -1, 32767 / 32768) * 32768).astype("<i2").tobytes()

    def _step(self, samples: Samples) -> Samples:
        self._window = np.concatenate([self._window[STEP:], samples])
        self._overlap = np.concatenate(
            [self._overlap[STEP:], np.zeros(STEP, np.float32)]
        )
        self._overlap += self._model.block(self._window, self._caches)
        return self._overlap[:STEP].copy()

    def _doubled(self, samples: Samples) -> Samples:
        spread = np.zeros(2 * len(samples), np.float32)
        spread[::2] = samples
        padded = np.concatenate([self._up, spread])
        self._up = padded[-30:]
        return np.convolve(padded, 2 * _HALF_BAND, "valid")

    def _halved(self, samples: Samples) -> Samples:
        padded = np.concatenate([self._down, samples])
        self._down = padded[-30:]
        return np.convolve(padded, _HALF_BAND, "valid")[::2]
