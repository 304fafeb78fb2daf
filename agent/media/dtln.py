"""Noise taken out of speech by DTLN (Westhausen and Meyer, 2020), block by block.

Two small networks, one on the spectrum and one on the signal. They see 32 ms of
16 kHz, move on by 8 ms, and want their state back: 0.17 ms of one core for each step.
What comes out is `DELAY` late.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

Samples = npt.NDArray[np.float32]

RATE = 16000
BLOCK = 512
STEP = 128
DELAY = (BLOCK + 30) / RATE
"""Seconds: of a block, and of both resamplers when the call has 8 kHz."""
_BINS = BLOCK // 2 + 1
_STATE = (1, 2, 128, 2)

# Half-band, 31 taps: between 8 kHz and 16 kHz within a millisecond. soxr's stream
# filters hold back a tenth of a second.
_AT = np.arange(-15, 16)
_HALF_BAND: Samples = (0.5 * np.sinc(_AT / 2) * np.kaiser(31, 6.0)).astype(np.float32)


class Dtln:
    """The networks; one for the whole process."""

    def __init__(self, folder: Path) -> None:
        self._spectrum = _session(folder / "model_1.onnx")
        self._signal = _session(folder / "model_2.onnx")
        self._names = [
            [one.name for one in session.get_inputs()]
            for session in (self._spectrum, self._signal)
        ]

    def stream(self, rate: int) -> "Stream":
        """For one call's frames of 16-bit samples, at 8000 or 16000 a second."""
        if rate not in (RATE, RATE // 2):
            raise ValueError(f"the rate is {rate}, and DTLN takes 8000 or 16000")
        return Stream(self, rate)

    def block(self, samples: Samples, states: list[Samples]) -> Samples:
        """One block without its noise; `states` are moved on."""
        spectrum = np.fft.rfft(samples)
        magnitude = np.abs(spectrum).astype(np.float32).reshape(1, 1, _BINS)
        (block, state), (second_block, second_state) = self._names
        mask, states[0] = self._spectrum.run(None, {block: magnitude, state: states[0]})
        masked = np.fft.irfft(mask.reshape(_BINS) * spectrum, n=BLOCK)
        cleaned, states[1] = self._signal.run(
            None,
            {
                second_block: masked.astype(np.float32).reshape(1, 1, BLOCK),
                second_state: states[1],
            },
        )
        clean: Samples = cleaned.reshape(BLOCK)
        return clean


class Stream:
    """One call. As many bytes come out as go in."""

    def __init__(self, model: Dtln, rate: int) -> None:
        self._model = model
        self._narrow = rate != RATE
        self._states: list[Samples] = [np.zeros(_STATE, np.float32) for _ in range(2)]
        self._window = np.zeros(BLOCK, np.float32)
        self._overlap = np.zeros(BLOCK, np.float32)
        self._waiting = np.zeros(0, np.float32)
        # One step ahead: a frame of 20 ms is two and a half of them.
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
        self._overlap += self._model.block(self._window, self._states)
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


def _session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(
        str(path), options, providers=["CPUExecutionProvider"]
    )
