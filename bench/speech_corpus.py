"""Callers' voices with annotations: where an utterance ends, what is none at all.

    python -m bench.speech_corpus

Piper speaks (a process of its own), numpy makes the noises. WAV files of 8 kHz and
`corpus.json` are kept in bench/results/corpus, and made again when this file changes.
Piper draws its own random numbers: a corpus that is made again has the same words and
other samples, so its ends are measured and never assumed.
"""

import asyncio
import hashlib
import json
import shutil
import wave
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import soxr

from agent import environment
from agent.local.process import Supervised, free_port
from agent.local.servers import SpeechServerConfig, speech_server
from agent.models.store import Store
from agent.phone import ulaw
from agent.phone.ear import LOUD

FOLDER = Path(__file__).parent / "results" / "corpus"
RATE = ulaw.RATE
VOICE = "piper-en_US-joe-medium"
_MADE_AT = 16000
_HOP = 40
"""Samples: an edge is exact to 5 ms."""

Samples = npt.NDArray[np.float64]
"""At 8 kHz, of the size of 16-bit ones."""


class Kind(StrEnum):
    COMPLETE = "complete"
    PAUSED = "paused"
    """With a silence in its middle, where people think."""
    QUESTION = "question"
    """Of somebody who has a conversation; for voice_to_voice.py."""
    BACKCHANNEL = "backchannel"
    NOISE = "noise"
    INTERRUPTION = "interruption"


@dataclass(frozen=True, slots=True)
class Sound:
    """It begins with its first loud sample and ends with its last one."""

    name: str
    kind: Kind
    text: str
    """Of a noise: what it is."""
    seconds: float
    """Until its true end."""
    pause: tuple[float, float] | None = None
    """Seconds at which the caller fell silent in its middle, and went on."""

    @property
    def file(self) -> Path:
        return FOLDER / f"{self.name}.wav"

    def ulaw(self) -> bytes:
        with wave.open(str(self.file)) as file:
            return ulaw.from_pcm(file.readframes(file.getnframes()))


@dataclass(frozen=True, slots=True)
class Speaker:
    """Another person made of the one voice that there is."""

    speed: float
    pitch: float
    peak: float
    """dB of full scale."""
    hum: float
    """Hertz."""


SPEAKERS = (
    Speaker(1.0, 1.0, -9, 115),
    Speaker(1.1, 1.18, -12, 150),
    Speaker(0.95, 0.9, -7, 95),
    Speaker(1.05, 1.3, -14, 190),
)

COMPLETE = (
    "Yes.",
    "No, thank you.",
    "Tomorrow at five.",
    "I'd like to book a table for four.",
    "What time do you close on Sundays?",
    "Can you tell me where my order is?",
    "My name is Robert Miller.",
    "It was order number seven two nine.",
    "Could you repeat that, please?",
    "I need to change my appointment to Friday.",
    "Do you deliver to the old town?",
    "The blue one, not the red one.",
    "Please connect me with the sales department.",
    "How much does the large one cost?",
    "I have been waiting for two weeks now.",
    "That would be great.",
    "We are six adults and two children.",
    "Is there parking near your office?",
    "I think the second invoice is wrong.",
    "Let us say half past nine in the morning.",
    "Do you have anything cheaper than that?",
    "Oh good, then I will take it.",
    "My internet connection is down since this morning.",
    "Sure, go ahead.",
)
PAUSED = (
    ("I'd like to,", 0.7, "book a table for four."),
    ("My number is oh four oh,", 0.6, "one two three four."),
    ("My number is five five five,", 1.2, "oh one double nine."),
    ("Well,", 0.4, "I am not quite sure."),
    ("I wanted to ask,", 0.8, "whether you are open on Monday."),
    ("It is for,", 1.0, "let me see, five people."),
    ("The address is,", 1.5, "twelve Mill Lane."),
    ("Could you,", 0.5, "could you say that again?"),
    ("My name is Anna,", 0.6, "Anna Becker."),
    ("I bought it in May,", 0.9, "and now it is broken."),
    ("Tomorrow,", 0.35, "or maybe on Friday."),
    ("The order number is,", 1.3, "eight eight four one."),
    ("If it is not too late,", 0.5, "I would like to cancel."),
    ("I was told that,", 1.1, "somebody would call me back."),
    ("My e-mail is anna,", 0.8, "at example dot com."),
    ("We would need it by,", 1.4, "by the end of June."),
    ("And the other one,", 0.6, "when does it arrive?"),
    ("Because,", 0.9, "because my car broke down."),
    ("I live in,", 0.7, "in a small village near the lake."),
    ("So if I understand you,", 0.5, "there is no table left."),
    ("He said,", 0.3, "that it would be free."),
    ("Can you send it to,", 1.2, "to my work address?"),
    ("First I would like to know,", 0.6, "what it costs."),
    ("You mean,", 0.45, "next Tuesday?"),
)
"""What is said, seconds of silence, what is said then."""
QUESTIONS = (
    "What are your opening hours?",
    "Are you open on Sundays?",
    "Where are you located?",
    "Can I pay by card?",
    "Do you have a parking lot?",
    "How can I reach you by bus?",
    "I would like to make an appointment.",
    "What is your name?",
    "Can you help me with an invoice?",
    "How much is the delivery?",
    "Do you speak German?",
    "How long will it take?",
    "Can I bring my dog?",
    "Is there a discount for students?",
    "What do you recommend?",
    "Can somebody call me back?",
    "Do I need to register first?",
    "What happens if it rains?",
    "Can I change my booking later?",
    "Thank you, what else should I know?",
)
BACKCHANNELS = ("Yeah.", "Okay.", "Right.", "Aha.")
"""Each by each of the speakers; Piper cannot say "mm-hm", so that is hummed."""
BACKCHANNEL_SECONDS = (0.2, 0.5)
INTERRUPTIONS = (
    "Stop.",
    "Wait.",
    "Excuse me.",
    "No wait, I meant Tuesday.",
    "Hold on a second.",
    "No, that is not what I want.",
    "Sorry, can I ask something?",
    "Hang on, hang on.",
    "Can I speak to a human?",
    "That's enough, thanks.",
    "No no no.",
    "I already know that.",
    "Just a moment, please.",
    "Actually, I would like the other one.",
    "Hello? Can you hear me?",
    "What was that?",
    "Please stop talking.",
    "Listen, I am in a hurry.",
    "Could you say that again?",
    "One question about that.",
)


def edges(samples: Samples) -> tuple[int, int]:
    """From where to where it is louder than what counts as silence on the line."""
    loud = [
        at
        for at in range(0, len(samples), _HOP)
        if np.sqrt(np.mean(samples[at : at + _HOP] ** 2)) > LOUD
    ]
    return (loud[0], min(len(samples), loud[-1] + _HOP)) if loud else (0, 0)


def trimmed(samples: Samples) -> Samples:
    begin, end = edges(samples)
    return samples[begin:end]


def at_peak(samples: Samples, decibels: float) -> Samples:
    peak = max(1.0, float(np.max(np.abs(samples), initial=0)))
    return samples * (32767 * 10 ** (decibels / 20) / peak)


def hummed(hertz: float) -> Samples:
    """Mm-hm: twice with the mouth closed, the second time higher. Whisper writes "Hmm",
    and Silero is as sure of it as of speech."""

    def syllable(seconds: float, begin: float, end: float) -> Samples:
        at = np.linspace(0, 1, int(seconds * RATE))
        phase = 2 * np.pi * np.cumsum(begin + (end - begin) * at) / RATE
        middle = (begin + end) / 2
        sound = np.zeros(len(at))
        for n in range(1, int(3400 / middle)):
            loudness = sum(
                part * np.exp(-(((n * middle - formant) / width) ** 2))
                for part, formant, width in _NOSE
            )
            sound += loudness * np.sin(n * phase)
        return sound * np.sin(np.pi * at) ** 0.35

    low = syllable(0.15, hertz, 0.95 * hertz)
    return joined(low, 0.04, syllable(0.2, 1.25 * hertz, 1.16 * hertz))


_NOSE = ((1.0, 250, 220), (0.16, 1050, 250), (0.08, 2100, 350))
"""Loudness, place and width of its resonances, Hertz."""


def joined(first: Samples, silence: float, second: Samples) -> Samples:
    return np.concatenate([first, np.zeros(int(silence * RATE)), second])


def last_loud(spoken: bytes) -> int:
    """The number of an utterance's last loud packet, as the listener judges it."""
    starts = range(0, len(spoken), ulaw.FRAME)
    packets = [spoken[at : at + ulaw.FRAME].ljust(ulaw.FRAME, b"\xff") for at in starts]
    return max(n for n, one in enumerate(packets) if ulaw.loudness(one) > LOUD)


def fingerprint(pcm: bytes) -> str:
    """Of an utterance, whatever silence stands around it: 4 ms from its peak on."""
    samples = np.frombuffer(pcm, "<i2").astype(np.int32)
    if not len(samples):
        return ""
    peak = int(np.abs(samples).argmax())
    return pcm[2 * peak : 2 * peak + 64].hex()


class Voice:
    """Piper, as somebody."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url

    async def says(self, text: str, speaker: Speaker) -> Samples:
        return at_peak(trimmed(await self._made(text, speaker)), speaker.peak)

    async def says_within(
        self, seconds: tuple[float, float], text: str, speaker: Speaker
    ) -> Samples:
        """Faster or slower, if it would be longer or shorter."""
        shortest, longest = seconds
        while True:
            said = await self.says(text, speaker)
            if len(said) > longest * RATE:
                speaker = replace(speaker, speed=speaker.speed * 1.15)
            elif len(said) < shortest * RATE:
                speaker = replace(speaker, speed=speaker.speed / 1.1)
            else:
                return said

    async def _made(self, text: str, speaker: Speaker) -> Samples:
        # Played faster it is higher, too; so it is spoken slower before.
        answer = await self._http.post(
            f"{self._url}/v1/audio/speech",
            json={
                "input": text,
                "speed": min(4.0, speaker.speed / speaker.pitch),
                "sample_rate": _MADE_AT,
            },
        )
        answer.raise_for_status()
        pcm = np.frombuffer(answer.content, "<i2").astype(np.float64)
        return np.asarray(soxr.resample(pcm, _MADE_AT * speaker.pitch, RATE))


Made = Iterator[tuple[Sound, Samples]]


def _sound(
    kind: Kind,
    number: int,
    text: str,
    samples: Samples,
    pause: tuple[float, float] | None = None,
) -> tuple[Sound, Samples]:
    name = f"{kind}-{number:02}"
    return Sound(name, kind, text, round(len(samples) / RATE, 4), pause), samples


async def spoken(voice: Voice) -> list[tuple[Sound, Samples]]:
    made = []
    for kind, texts in (
        (Kind.COMPLETE, COMPLETE),
        (Kind.QUESTION, QUESTIONS),
        (Kind.INTERRUPTION, INTERRUPTIONS),
    ):
        for n, text in enumerate(texts):
            speaker = SPEAKERS[n % len(SPEAKERS)]
            made.append(_sound(kind, n, text, await voice.says(text, speaker)))
    for n, (before, silence, after) in enumerate(PAUSED):
        speaker = SPEAKERS[n % len(SPEAKERS)]
        first = await voice.says(before, speaker)
        samples = joined(first, silence, await voice.says(after, speaker))
        began = round(len(first) / RATE, 4)
        pause = (began, round(began + silence, 4))
        made.append(_sound(Kind.PAUSED, n, f"{before} {after}", samples, pause))
    for n, speaker in enumerate(SPEAKERS):
        samples = trimmed(at_peak(hummed(speaker.hum), speaker.peak))
        made.append(_sound(Kind.BACKCHANNEL, n, "Mm-hm.", samples))
    pairs = [(text, speaker) for text in BACKCHANNELS for speaker in SPEAKERS]
    for n, (text, speaker) in enumerate(pairs, len(SPEAKERS)):
        samples = await voice.says_within(BACKCHANNEL_SECONDS, text, speaker)
        made.append(_sound(Kind.BACKCHANNEL, n, text, samples))
    return made


def noises(chance: np.random.Generator, talk: list[Samples]) -> Made:
    """What a line carries besides speech; `talk` is what a babble is made of."""

    def white(seconds: float) -> Samples:
        return chance.standard_normal(int(seconds * RATE))

    def coloured(seconds: float, slope: Callable[[Samples], Samples]) -> Samples:
        spectrum = np.fft.rfft(white(seconds))
        hertz: Any = np.fft.rfftfreq(int(seconds * RATE), 1 / RATE)
        return np.asarray(np.fft.irfft(spectrum * slope(hertz), int(seconds * RATE)))

    def pink(seconds: float) -> Samples:
        return coloured(seconds, lambda hertz: 1 / np.sqrt(np.maximum(hertz, 50)))

    def falling(seconds: float, half_life: float) -> Samples:
        return np.asarray(0.5 ** (np.arange(int(seconds * RATE)) / RATE / half_life))

    def cough() -> Samples:
        def throat(hertz: Samples) -> Samples:
            chest = np.exp(-(((hertz - 700) / 600) ** 2))
            return np.asarray(chest + 0.3 * (hertz > 1500))

        burst = coloured(0.35, throat) * falling(0.35, 0.07)
        again = coloured(0.3, throat) * falling(0.3, 0.05) * 0.7
        return joined(burst, 0.1, again)

    def bang() -> Samples:
        at = np.arange(int(0.4 * RATE)) / RATE
        low = np.sin(2 * np.pi * (90 + 60 * np.exp(-at * 20)) * at)
        return (low + 0.4 * white(0.4)) * falling(0.4, 0.05)

    def clicks(times: int, apart: float) -> Samples:
        line = np.zeros(int(times * apart * RATE) + 200)
        for n in range(times):
            at = int((n + 0.4 * chance.random()) * apart * RATE)
            line[at : at + 60] += white(60 / RATE) * falling(60 / RATE, 0.002)
        return line

    def keyboard() -> Samples:
        return clicks(9, 0.14)

    def babble() -> Samples:
        size = int(1.4 * RATE)
        mixed = np.zeros(size)
        for _ in range(8):
            one = np.tile(talk[chance.integers(len(talk))], 4)
            begin = chance.integers(RATE // 2)
            mixed += np.resize(one[begin:], size) / one.std()
        return mixed

    def music() -> Samples:
        at = np.arange(int(0.35 * RATE)) / RATE
        notes = []
        for hertz in chance.choice([262, 330, 392, 440, 523], 4):
            chord = sum(np.sin(2 * np.pi * hertz * n * at) / n for n in (1, 2, 3, 4))
            notes.append(chord * falling(0.35, 0.2))
        return np.concatenate(notes)

    def beep() -> Samples:
        return np.asarray(np.sin(2 * np.pi * 950 * np.arange(RATE // 2) / RATE))

    kinds: list[tuple[str, Callable[[], Samples], tuple[float, ...]]] = [
        ("cough", cough, (-6, -12, -18)),
        ("bang", bang, (-4, -10, -16)),
        ("click", lambda: clicks(1, 0.1), (-4, -12)),
        ("keyboard", keyboard, (-14, -20)),
        ("white noise", lambda: white(0.6), (-14, -24)),
        ("pink noise", lambda: pink(0.8), (-8, -14)),
        ("babble", babble, (-18, -26)),
        ("music", music, (-12, -20)),
        ("beep", beep, (-14, -24)),
    ]
    number = 0
    for what, make, peaks in kinds:
        for peak in peaks:
            samples = trimmed(at_peak(make(), peak))
            yield _sound(Kind.NOISE, number, f"{what}, {peak:g} dB", samples)
            number += 1


def write(made: list[tuple[Sound, Samples]], folder: Path, version: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for sound, samples in made:
        with wave.open(str(folder / f"{sound.name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(samples.astype("<i2").tobytes())
    index = {"version": version, "sounds": [asdict(sound) for sound, _ in made]}
    (folder / "corpus.json").write_text(json.dumps(index, indent=1) + "\n")


def read(folder: Path, version: str) -> list[Sound] | None:
    """None: not made yet, or by another version of this file."""
    try:
        index = json.loads((folder / "corpus.json").read_text())
    except OSError:
        return None
    if index["version"] != version:
        return None
    return [
        Sound(
            **entry
            | {
                "kind": Kind(entry["kind"]),
                "pause": tuple(entry["pause"]) if entry["pause"] else None,
            }
        )
        for entry in index["sounds"]
    ]


async def make() -> list[tuple[Sound, Samples]]:
    store = Store(environment.models())
    config = SpeechServerConfig(voice=next(store.path(VOICE).glob("*.onnx")))
    server = speech_server(config, free_port())
    piper = Supervised(server)
    await piper.start()
    try:
        async with httpx.AsyncClient(timeout=60) as http:
            made = await spoken(Voice(http, server.url.removesuffix("/v1")))
    finally:
        await piper.stop()
    talk = [samples for sound, samples in made if sound.kind is Kind.COMPLETE]
    return made + list(noises(np.random.default_rng(1), talk))


def corpus() -> list[Sound]:
    """All sounds; made when they are not there."""
    version = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    sounds = read(FOLDER, version)
    if sounds is None:
        made = asyncio.run(make())
        write(made, FOLDER, version)
        sounds = [sound for sound, _ in made]
    return sounds


def main() -> None:
    for sound in corpus():
        print(f"{sound.seconds:6.2f} s  {sound.name:16} {sound.text}")


if __name__ == "__main__":
    main()
