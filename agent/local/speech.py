"""Piper as a process of its own, behind OpenAI's speech API on loopback.

    python -m agent.local.speech --voice en_US-joe-medium.onnx --port 18082

piper-tts is GPL-3.0-or-later. This is the only file that imports it, and the agent does
not import this file: it is a separate program, which the agent speaks to over HTTP.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import uvicorn
from loguru import logger
from piper import PiperConfig, PiperVoice, SynthesisConfig

from .speech_api import Pcm, create_app

PEAK = 0.708 * 32767
"""Each sentence is scaled to -3 dB: at full scale, resampling clips the peaks."""
LONGEST = 120
"""Phonemes, some 7 s. Memory grows with the longest sentence ever spoken and is kept:
0.2 GB for 70 characters, 0.9 GB for 400, and a model may write 4000 without a stop."""


class Piper:
    """A Piper voice. One thread: a second one gave nothing when it was measured."""

    def __init__(self, file: Path) -> None:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1
        settings.inter_op_num_threads = 1
        # It keeps a plan for each length of sentence, and no two are alike: 590 MB
        # instead of 400 after some minutes of speech.
        settings.enable_mem_pattern = False
        described = json.loads(Path(f"{file}.json").read_text(encoding="utf-8"))
        self._voice = PiperVoice(
            session=onnxruntime.InferenceSession(
                str(file), settings, providers=["CPUExecutionProvider"]
            ),
            config=PiperConfig.from_dict(described),
        )
        self.name = file.stem
        self.language = str(described.get("language", {}).get("code", ""))
        self.rate = int(self._voice.config.sample_rate)

    def sentences(self, text: str, speed: float) -> Iterator[Pcm]:
        config = SynthesisConfig(length_scale=self._voice.config.length_scale / speed)
        longest = int(LONGEST * min(speed, 1))
        for sentence in self._voice.phonemize(_plain(text)):
            for phonemes in cut(sentence, longest):
                ids = self._voice.phonemes_to_ids(phonemes)
                yield _scaled(self._voice.phoneme_ids_to_audio(ids, config))


def cut(phonemes: list[str], longest: int) -> Iterator[list[str]]:
    """Pieces of a sentence, cut after its commas, else between its words."""
    while len(phonemes) > longest:
        end = (
            _last(phonemes[:longest], ",;:")
            or _last(phonemes[:longest], " ")
            or longest
        )
        yield phonemes[:end]
        phonemes = phonemes[end:]
    if phonemes:
        yield phonemes


def _last(phonemes: list[str], ends: str) -> int:
    """How many phonemes there are up to the last of these; 0 without one."""
    return next((n for n in range(len(phonemes), 0, -1) if phonemes[n - 1] in ends), 0)


def _plain(text: str) -> str:
    # Piper takes what stands in [[ ]] for phonemes, and runs the words around "..."
    # together.
    text = text.replace("[[", " ").replace("]]", " ")
    return re.sub(r"\.{2,}|…", ", ", text)


def _scaled(audio: Any) -> Pcm:
    peak = max(float(np.max(np.abs(audio), initial=0)), 1e-8)
    pcm: Pcm = (audio * (PEAK / peak)).astype(np.int16)
    return pcm


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m agent.local.speech")
    parser.add_argument(
        "--voice",
        type=Path,
        action="append",
        required=True,
        help="an .onnx file with its .onnx.json beside it; may be repeated, the first"
        " is the default",
    )
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--workers",
        type=int,
        default=len(os.sched_getaffinity(0)),
        help="sentences made at once; default: one for each core",
    )
    options = parser.parse_args()
    for file in options.voice:
        for needed in (file, Path(f"{file}.json")):
            if not needed.is_file():
                parser.error(f"--voice: there is no file {needed}")
    return options


def main() -> None:
    options = _options()
    logger.remove()
    logger.add(sys.stderr, format="{level}: {message}")
    voices = [Piper(file) for file in options.voice]
    for voice in voices:
        # The first synthesis allocates and is slow; not while a caller waits.
        for _ in voice.sentences("Ready.", 1.0):
            pass
    logger.info("voices: {}", ", ".join(voice.name for voice in voices))
    uvicorn.run(
        create_app(voices, options.workers),
        host="127.0.0.1",
        port=options.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main()
