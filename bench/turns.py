"""Who speaks when: ours beside stock pipecat, on annotated audio, as callers hear it.

    python -m bench.turns [--servers ours,stock] [--every 1] [--at-once 1]

Each sound of speech_corpus.py is played in a call of its own, in real time over the
media websocket. Complete utterances, and such with a pause for thought, want an answer:
not before they end (a cut-off), and at all. Backchannels and noises are played while
the agent recites the alphabet and must not stop it; interruptions must. Each word of
the alphabet has a pitch, so it is known what was heard, what was lost, what came twice.
Both servers have the same language model and voice (servers/models.py), and Whisper
base. One call at a time: a call that begins makes stock pipecat stand still for 0.2 s.
"""

import argparse
import asyncio
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agent import environment
from agent.local.process import free_port
from agent.models.store import Store
from agent.phone import ulaw
from agent.phone.ear import LOUD
from agent.phone.line import TICK, CallOver, Line
from agent.phone.load import percentile
from agent.phone.websocket import WebSocketConfig, WebSocketPhone
from bench.capacity import keep
from bench.process import running
from bench.server import PASSWORD
from bench.servers.models import ALPHABET, LOWEST, STEP, WORD_SECONDS
from bench.speech_corpus import Kind, Sound, corpus, last_loud

ANSWER_WITHIN = 5.0
RESUME_WITHIN = 2.0
SILENT_WITHIN = 1.0
WATCHED = 3.5
"""Seconds after a sound in which the agent may go on, or answer."""
HELD = 0.06
"""Seconds without a sound from which on it counts as a hole."""
SPOILT = 0.1
"""Seconds lost or heard twice from which on somebody would notice."""
FIRST_TOKEN_MS, FIRST_BYTE_MS = 20, 20
_FRAMES_A_WORD = round(WORD_SECONDS / TICK)
_NO_WORD = -1

AIS = f"""
[ai.listener]
prompt = "You answer the phone."
tool_names = []
filler_seconds = 0
silence = {{ seconds = 0 }}

[ai.reciter]
greeting = "{" ".join(ALPHABET)}"
prompt = "You answer the phone."
tool_names = []
filler_seconds = 0
silence = {{ seconds = 0 }}
"""


@dataclass(frozen=True, slots=True)
class Voiced:
    """20 ms of the agent's voice."""

    at: float
    """Seconds since the answer at which the caller heard it."""
    word: int
    """Its place in the alphabet; -1: some other word."""


@dataclass(frozen=True, slots=True)
class Reply:
    """To an utterance."""

    sound: str
    kind: Kind
    text: str
    cut_off: bool
    """It began before the caller had ended."""
    seconds: float | None
    """From his last packet to the first loud one back; None: cut off, or none came."""

    @property
    def missed(self) -> bool:
        return self.seconds is None and not self.cut_off


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What a sound did to the agent's speech."""

    sound: str
    kind: Kind
    text: str
    stopped_after: float | None
    """Seconds from its first packet to the agent's last one; None: it went on."""
    held: float
    """Seconds of silence in a speech that went on."""
    lost: float
    """Seconds of it that the caller never heard."""
    repeated: float
    """Seconds of it that he heard twice."""
    answered: bool
    """The agent said something else."""

    @property
    def missed(self) -> bool:
        return self.stopped_after is None or self.stopped_after > SILENT_WITHIN


def word_of(frame: bytes) -> int | None:
    """Which word of the alphabet these 20 ms are of; None: it is silent."""
    if ulaw.loudness(frame) <= LOUD:
        return None
    samples = np.frombuffer(ulaw.to_pcm(frame), "<i2").astype(float)
    size = 2048
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), size))
    hertz = spectrum.argmax() * ulaw.RATE / size
    word = round((hertz - LOWEST) / STEP)
    return word if 0 <= word < len(ALPHABET) else _NO_WORD


def reply(sound: Sound, voiced: Sequence[Voiced], began: float, ended: float) -> Reply:
    """`began`, `ended`: when the utterance's first and last packet were sent."""
    first = next((v.at for v in voiced if v.at >= began), None)
    cut_off = first is not None and first < ended
    seconds = None
    if first is not None and not cut_off and first - ended <= ANSWER_WITHIN:
        seconds = first - ended
    return Reply(sound.name, sound.kind, sound.text, cut_off, seconds)


def disturbance(
    sound: Sound, voiced: Sequence[Voiced], began: float, until: float
) -> Disturbance:
    """`until`: when the caller stopped listening; the speech was longer than that."""
    spoken = [v for v in voiced if v.word != _NO_WORD]
    times = [v.at for v in spoken if v.at >= began - TICK] or [began]
    gaps = [
        (at, after - at - TICK)
        for at, after in zip(times, [*times[1:], until], strict=True)
    ]
    end = next((at for at, gap in gaps if gap > RESUME_WITHIN), None)
    lost, repeated = _missing(spoken)
    return Disturbance(
        sound.name,
        sound.kind,
        sound.text,
        None if end is None else max(0.0, end - began),
        0.0 if end is not None else sum(gap for _, gap in gaps if gap > HELD + 0.005),
        lost,
        repeated,
        any(v.word == _NO_WORD and v.at >= began for v in voiced),
    )


def _missing(spoken: Sequence[Voiced]) -> tuple[float, float]:
    """Seconds that were left out of what was recited, and that came twice."""
    if not spoken:
        return 0.0, 0.0
    # The first and the last word may be heard in part.
    inner = range(spoken[0].word + 1, max(v.word for v in spoken))
    heard = [sum(v.word == word for v in spoken) for word in inner]
    # A frame on the seam of two words may be taken for either.
    off = [count - _FRAMES_A_WORD for count in heard if abs(count - _FRAMES_A_WORD) > 1]
    lost = -sum(min(0, n) for n in off) * TICK
    return round(lost, 2), round(sum(max(0, n) for n in off) * TICK, 2)


async def play(line: Line, sound: Sound) -> tuple[float, float]:
    """When its first and its last loud packet were sent."""
    spoken = sound.ulaw()
    # Packets leave on whole ticks since the answer.
    began = -(-line.now // TICK) * TICK
    await line.play(spoken)
    return began, began + last_loud(spoken) * TICK


def voiced(line: Line) -> list[Voiced]:
    words = ((frame.at, word_of(frame.ulaw)) for frame in line.heard)
    return [Voiced(at, word) for at, word in words if word is not None]


async def answered(url: str, sound: Sound) -> Reply:
    async with await _phone("listener").dial(url) as line:
        await asyncio.sleep(random.uniform(0.5, 1.0))
        began, ended = await play(line, sound)
        while line.now < ended + ANSWER_WITHIN + TICK:
            await asyncio.sleep(0.1)
            if any(frame.loud for frame in line.heard):
                break
        return reply(sound, voiced(line), began, ended)


async def disturbed(url: str, sound: Sound) -> Disturbance:
    async with await _phone("reciter").dial(url) as line:
        await line.hear_sound(within=15)
        await asyncio.sleep(random.uniform(1.0, 2.5))
        began, ended = await play(line, sound)
        until = ended + WATCHED
        await asyncio.sleep(until - line.now)
        return disturbance(sound, voiced(line), began, until)


def _phone(ai: str) -> WebSocketPhone:
    return WebSocketPhone(WebSocketConfig(password=PASSWORD, ai=ai))


@contextmanager
def ours(folder: Path, models_url: str) -> Iterator[str]:
    port = free_port()
    (folder / "ais.toml").write_text(AIS)
    with running(
        *("agent", "serve"),
        ready=f"http://127.0.0.1:{port}/readyz",
        log=folder / "ours.log",
        OFFHOOK_PORT=str(port),
        OFFHOOK_DATA=str(folder),
        OFFHOOK_MEDIA_PASSWORD=PASSWORD,
        OFFHOOK_AIS=str(folder / "ais.toml"),
        OFFHOOK_STT_MODEL="whisper-base",
        OFFHOOK_TTS_BASE_URL=models_url,
        OPENAI_BASE_URL=models_url,
        OPENAI_API_KEY="none",
        OPENAI_MODEL="mock",
        # What is measured here is not whom it refuses.
        OFFHOOK_MAX_LAG_SECONDS="10",
        OFFHOOK_MAX_STT_WAITING="1000",
    ):
        yield f"ws://127.0.0.1:{port}/telephony/ws"


@contextmanager
def stock(folder: Path, models_url: str) -> Iterator[str]:
    port = free_port()
    whisper = Store(environment.models()).path("whisper-base")
    with running(
        *("bench.servers.stock_talking", str(port), models_url, str(whisper)),
        ready=f"http://127.0.0.1:{port}/bench/lag",
        log=folder / "stock.log",
    ):
        yield f"ws://127.0.0.1:{port}/telephony/ws"


SERVERS: dict[str, Callable[[Path, str], Any]] = {"ours": ours, "stock": stock}


async def measure(
    url: str, sounds: Sequence[Sound], at_once: int, seed: int
) -> list[Reply | Disturbance]:
    random.seed(seed)
    room = asyncio.Semaphore(at_once)
    done: list[Reply | Disturbance] = []

    async def one(sound: Sound) -> None:
        wants_answer = sound.kind in (Kind.COMPLETE, Kind.PAUSED)
        async with room:
            try:
                done.append(await (answered if wants_answer else disturbed)(url, sound))
            except (CallOver, TimeoutError) as error:
                print(f"{sound.name}: {error}", flush=True)

    # The first call pays for what is made once; it is not counted.
    await one(sounds[0])
    done.clear()
    await asyncio.gather(*(one(sound) for sound in sounds))
    return done


def spread(seconds: Sequence[float]) -> dict[str, int | None]:
    """Milliseconds."""
    ascending = sorted(seconds)
    return {
        name: round(1000 * percentile(ascending, percent)) if ascending else None
        for name, percent in (("p50", 50.0), ("p95", 95.0), ("max", 100.0))
    }


def summary(done: Sequence[Reply | Disturbance]) -> dict[str, dict[str, Any]]:
    result: dict[str, dict[str, Any]] = {}
    for kind in (Kind.COMPLETE, Kind.PAUSED):
        replies = [r for r in done if isinstance(r, Reply) and r.kind is kind]
        result[kind] = {
            "n": len(replies),
            "cut_offs": sum(r.cut_off for r in replies),
            "missed_ends": sum(r.missed for r in replies),
            "latency_ms": spread([r.seconds for r in replies if r.seconds is not None]),
        }
    for kind in (Kind.BACKCHANNEL, Kind.NOISE):
        these = [d for d in done if isinstance(d, Disturbance) and d.kind is kind]
        went_on = [d for d in these if d.stopped_after is None]
        result[kind] = {
            "n": len(these),
            "false_interruptions": len(these) - len(went_on),
            "held": sum(d.held > 0 for d in went_on),
            "held_ms": spread([d.held for d in went_on if d.held]),
            "words_lost_or_twice": sum(d.lost + d.repeated > SPOILT for d in went_on),
        }
    these = [
        d for d in done if isinstance(d, Disturbance) and d.kind is Kind.INTERRUPTION
    ]
    stopped = [d.stopped_after for d in these if d.stopped_after is not None]
    result[Kind.INTERRUPTION] = {
        "n": len(these),
        "missed": sum(d.missed for d in these),
        "unanswered": sum(not d.answered for d in these),
        "latency_ms": spread(stopped),
    }
    return result


def table(by_server: dict[str, dict[str, dict[str, Any]]]) -> str:
    """Markdown, for docs/performance.md."""
    lines = [
        "| | " + " | ".join(by_server) + " |",
        "|---|" + "---|" * len(by_server),
    ]

    def row(what: str, tell: Callable[[dict[str, dict[str, Any]]], str]) -> None:
        cells = [tell(result) for result in by_server.values()]
        lines.append(f"| {what} | " + " | ".join(cells) + " |")

    def of(kind: Kind, count: str) -> Callable[[dict[str, dict[str, Any]]], str]:
        return lambda result: f"{result[kind][count]} of {result[kind]['n']}"

    def times(kind: Kind, name: str) -> Callable[[dict[str, dict[str, Any]]], str]:
        return lambda result: " / ".join(
            "–" if ms is None else str(ms) for ms in result[kind][name].values()
        )

    row("cut off at a pause for thought", of(Kind.PAUSED, "cut_offs"))
    row("cut off in a complete utterance", of(Kind.COMPLETE, "cut_offs"))
    row("end missed, complete", of(Kind.COMPLETE, "missed_ends"))
    row("end missed, with a pause", of(Kind.PAUSED, "missed_ends"))
    row("answer after, ms p50 / p95 / max", times(Kind.COMPLETE, "latency_ms"))
    row("the same, with a pause", times(Kind.PAUSED, "latency_ms"))
    row("stopped by a backchannel", of(Kind.BACKCHANNEL, "false_interruptions"))
    row("stopped by a noise", of(Kind.NOISE, "false_interruptions"))
    row("held by a backchannel", of(Kind.BACKCHANNEL, "held"))
    row("held by a noise", of(Kind.NOISE, "held"))
    row("hole, backchannel, ms p50 / p95 / max", times(Kind.BACKCHANNEL, "held_ms"))
    row("hole, noise, ms p50 / p95 / max", times(Kind.NOISE, "held_ms"))
    row("words lost or twice after it", of(Kind.BACKCHANNEL, "words_lost_or_twice"))
    row("interruption missed", of(Kind.INTERRUPTION, "missed"))
    row("interruption not answered", of(Kind.INTERRUPTION, "unanswered"))
    row("silent after, ms p50 / p95 / max", times(Kind.INTERRUPTION, "latency_ms"))
    return "\n".join(lines)


def chosen(sounds: Sequence[Sound], every: int) -> list[Sound]:
    """Each so many of each kind."""
    return [
        sound
        for kind in Kind
        if kind is not Kind.QUESTION
        for sound in [s for s in sounds if s.kind is kind][::every]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", default="ours,stock")
    parser.add_argument("--at-once", type=int, default=1, help="calls side by side")
    parser.add_argument("--every", type=int, default=1, help="3: a third of the sounds")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    sounds = chosen(corpus(), arguments.every)
    machine_load = os.getloadavg()[0]
    results: dict[str, list[Reply | Disturbance]] = {}
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        held.enter_context(
            running(
                "bench.servers.models",
                *map(str, (port, FIRST_TOKEN_MS, FIRST_BYTE_MS)),
                ready=f"http://127.0.0.1:{port}/health",
                log=folder / "models.log",
            )
        )
        for name in arguments.servers.split(","):
            with SERVERS[name](folder, f"http://127.0.0.1:{port}/v1") as url:
                results[name] = asyncio.run(
                    measure(url, sounds, arguments.at_once, arguments.seed)
                )
    summaries = {name: summary(done) for name, done in results.items()}
    print(table(summaries))
    trials = {name: [asdict(one) for one in done] for name, done in results.items()}
    print(
        keep(
            "turns",
            {
                "at_once": arguments.at_once,
                "machine_load": round(machine_load, 2),
                "summary": summaries,
                "trials": trials,
            },
        )
    )


if __name__ == "__main__":
    main()
