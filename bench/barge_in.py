"""How fast a caller silences the agent, measured at his ear: from the first loud RTP
packet that he sends to the last loud one that he gets, through a real Asterisk.

    .venv/bin/python -m bench.barge_in --onsets 40 --noises 20

The agent says one long tone, so that its last packet cannot be mistaken. Each call is
interrupted once, at a random moment; sounds that are no speech must not stop it.
"""

import argparse
import asyncio
import json
import random
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from agent.media.audio import DECODE, ENCODE
from agent.phone.sip import SipConfig, SipPhone
from tests.fakes.provider import FakeProvider, Running
from tests.interop.asterisk import ROOT, TRUNK, Asterisk, place
from tests.interop.offhook import Offhook

SPEECH = (ROOT / "tests" / "data" / "question.ulaw").read_bytes()
FRAME = 160
TONE_SECONDS = 8
AIS = f"""
[ai.tone]
greeting = "{" ".join(["beep"] * TONE_SECONDS)}"
prompt = "x"
tool_names = []
"""


@dataclass(frozen=True)
class Trial:
    what: str
    milliseconds: float | None
    """From the caller's onset to our last sound; None: we were not stopped."""
    held: float = 0.0
    """Milliseconds in which we were silent and then went on."""


def loud(ulaw: bytes) -> bool:
    pcm = np.frombuffer(DECODE["ulaw"](ulaw), np.int16).astype(float)
    return bool(np.sqrt((pcm**2).mean()) > 200)


def onset(ulaw: bytes) -> float:
    """Seconds of silence with which a sound begins."""
    frames = (ulaw[at : at + FRAME] for at in range(0, len(ulaw), FRAME))
    return 0.02 * next(n for n, frame in enumerate(frames) if loud(frame))


def noises(rng: np.random.Generator) -> dict[str, bytes]:
    """What a line carries besides speech."""

    def ulaw(samples: np.ndarray) -> bytes:
        return ENCODE["ulaw"](samples.astype(np.int16).tobytes())

    click = np.zeros(800)
    click[200:230] = 12000
    voiced = np.frombuffer(DECODE["ulaw"](SPEECH), np.int16)
    start = int(onset(SPEECH) * 8000) + 800
    return {
        "click": ulaw(click),
        "white noise 0.4 s": ulaw(rng.normal(0, 1500, 3200)),
        "rustle": ulaw(rng.normal(0, 4000, 1600) * np.hanning(1600)),
        "cough of 80 ms": ulaw(voiced[start : start + 640]),
    }


async def trial(phone: SipPhone, uri: str, what: str, sound: bytes) -> Trial:
    async with await phone.dial(uri) as line:
        await line.hear_sound(within=30)
        await asyncio.sleep(random.uniform(0.5, 2.0))
        began = line.now + onset(sound)
        await line.play(sound)
        await asyncio.sleep(1.2)
        at = [packet.at for packet in line.heard if packet.loud]
    after = [t for t in at if t >= began - 0.02]
    gaps = [(a, b - a) for a, b in zip(after, after[1:], strict=False)]
    hole = max((gap for _, gap in gaps), default=0.0)
    end = after[-1] if after else began
    stopped = end < line.now - 1.0
    return Trial(
        what,
        (end - began) * 1000 if stopped else None,
        hole * 1000 if hole > 0.06 else 0,
    )


async def measure(arguments: argparse.Namespace, sipp: Path) -> dict[str, object]:
    rng = np.random.default_rng(arguments.seed)
    random.seed(arguments.seed)
    # It thinks for longer than a trial lasts: no answer comes between.
    provider = FakeProvider(seconds_per_word=1.0, delay=lambda: 60.0)
    with tempfile.TemporaryDirectory() as folder, place() as number:
        asterisk = Asterisk.at(number, Path(folder) / "asterisk")
        asterisk.up()
        (Path(folder) / "ais.toml").write_text(AIS)
        async with Running(provider.app()) as url:
            offhook = Offhook(
                Path(folder),
                asterisk.agent_port,
                asterisk.agent_password,
                OFFHOOK_AIS=f"{folder}/ais.toml",
                OPENAI_BASE_URL=f"{url}/v1",
                OPENAI_MODEL="none",
                OFFHOOK_TTS_BASE_URL=f"{url}/v1",
                OFFHOOK_STT_MODEL="whisper-tiny.en",
            )
            await asyncio.to_thread(offhook.up)
            try:
                phone = SipPhone(SipConfig(sipp=sipp, local_address=TRUNK))
                jobs = [("speech", SPEECH)] * arguments.onsets
                for name, sound in noises(rng).items():
                    jobs += [(name, sound)] * arguments.noises
                random.shuffle(jobs)
                trials = []
                for at in range(0, len(jobs), arguments.at_once):
                    trials += await asyncio.gather(
                        *(
                            trial(phone, asterisk.uri(), *job)
                            for job in jobs[at : at + arguments.at_once]
                        )
                    )
            finally:
                await asyncio.to_thread(offhook.down)
                asterisk.down()
    return summary(trials)


def summary(trials: list[Trial]) -> dict[str, object]:
    speech = [t for t in trials if t.what == "speech"]
    stopped = sorted(t.milliseconds for t in speech if t.milliseconds is not None)
    result: dict[str, object] = {
        "onsets": len(speech),
        "missed": len(speech) - len(stopped),
    }
    if stopped:
        for name, q in (("p50", 50), ("p95", 95), ("p99", 99), ("max", 100)):
            result[name] = round(float(np.percentile(stopped, q)), 1)
    others: dict[str, object] = {}
    for what in sorted({t.what for t in trials} - {"speech"}):
        these = [t for t in trials if t.what == what]
        others[what] = {
            "played": len(these),
            "stopped": sum(t.milliseconds is not None for t in these),
            "held": sum(t.held > 0 for t in these),
            "held_ms_max": round(max(t.held for t in these)),
        }
    return result | {"not speech": others}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--onsets", type=int, default=40)
    parser.add_argument("--noises", type=int, default=10, help="of each kind")
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    sipp = subprocess.run(
        [ROOT / "scripts" / "tool-sipp"], capture_output=True, text=True, check=True
    ).stdout.strip()
    measured = json.dumps(
        asyncio.run(measure(parser.parse_args(), Path(sipp))), indent=2
    )
    print(measured)
    results = ROOT / "bench" / "results"
    results.mkdir(exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    (results / f"barge-in-{stamp}.json").write_text(measured)


if __name__ == "__main__":
    main()
