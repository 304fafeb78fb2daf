"""How long a caller waits for an answer, measured at his ear: from the last loud RTP
packet that he sends to the first loud one that he gets, through a real Asterisk. And
whether the record of the call says the same (`heard`).

    .venv/bin/python -m bench.voice_to_voice [--questions 20]

One call, all models local: Whisper, Qwen, Piper. Packets that come are stamped by the
kernel. Afterwards both sides are transcribed, and the call is kept in bench/results as
a stereo WAV file.
"""

import argparse
import asyncio
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent import environment
from agent.conversation.config import WhisperConfig
from agent.conversation.whisper import Whisper
from agent.models.store import Store
from agent.phone import ulaw
from agent.phone.line import TICK, CallOver, Line
from agent.phone.recording import Recording, Talk, between
from agent.phone.sip import SipConfig, SipPhone
from bench.capacity import RESULTS, keep
from bench.own_share import spread
from bench.reported import ALLOWED_MS, pair
from bench.speech_corpus import Kind, Sound, corpus, last_loud
from tests.interop.asterisk import ROOT, TRUNK, Asterisk, place
from tests.interop.offhook import Offhook

ANSWER_WITHIN = 15.0
LONGEST_ANSWER = 30.0
PATIENCE = 1.5
"""Seconds of silence after which the answer is over."""
AIS = """
[ai.desk]
greeting = "Welcome to the Lakeside Hotel. How can I help you?"
prompt = \"\"\"
You are the receptionist of the Lakeside Hotel, 12 Mill Lane. It is open from 7 to 23 \
every day. Parking is free. Bus line 4 stops at the door. Dogs cost 10 euros a night. \
Cards are taken.\"\"\"
tool_names = []
filler_seconds = 0
silence = { seconds = 0 }
"""


@dataclass(frozen=True, slots=True)
class Exchange:
    question: str
    ended: float
    """Seconds since the answer at which the caller's last loud packet went out."""
    seconds: float | None
    """Until our first loud packet. None: within 15 s there was none, or it came before
    he had ended."""
    cut_off: bool
    answer: Talk | None
    reported: float | None = None
    """The same seconds, as the call's record has them."""


def exchange(
    question: str, began: float, ended: float, loud: Sequence[float]
) -> Exchange:
    """`loud`: when loud packets came."""
    after = [at for at in loud if at >= began]
    first = after[0] if after else None
    cut_off = first is not None and first < ended
    waited = None if first is None or cut_off else first - ended
    answer = None if first is None else Talk(first, after[-1] + TICK)
    return Exchange(question, round(ended, 3), waited, cut_off, answer)


async def ask(line: Line, sound: Sound) -> Exchange:
    spoken = sound.ulaw()
    # Packets leave on whole ticks since the answer.
    began = -(-line.now // TICK) * TICK
    ended = began + last_loud(spoken) * TICK
    await line.play(spoken)
    try:
        await line.hear_sound(within=ANSWER_WITHIN)
        await line.hear_silence(PATIENCE, within=LONGEST_ANSWER)
    except TimeoutError:
        pass
    loud = [packet.at for packet in line.heard if packet.loud]
    return exchange(sound.text, began, ended, loud)


async def converse(
    phone: SipPhone, uri: str, questions: Sequence[Sound]
) -> tuple[list[Exchange], Recording, float]:
    """And when the call was answered, in seconds since 1970."""
    async with await phone.dial(uri) as line:
        answered_at = time.time() - line.now
        await line.hear_sound(within=30)
        await line.hear_silence(PATIENCE, within=LONGEST_ANSWER)
        asked = []
        try:
            for question in questions:
                asked.append(await ask(line, question))
        except CallOver as over:
            print(over)
        return asked, line.recording(), answered_at


def compared(
    asked: Sequence[Exchange], record: Mapping[str, Any], answered_at: float
) -> list[Exchange]:
    """With what the record says of the turns in which they were heard."""
    told = []
    for one in asked:
        if one.seconds is None:
            told.append(one)
            continue
        at = answered_at + one.ended + one.seconds
        found = pair("", record, at, one.seconds).reported_ms
        told.append(replace(one, reported=None if found is None else found / 1000))
    return told


async def measure(
    questions: Sequence[Sound], sipp: Path
) -> tuple[list[Exchange], Recording]:
    with tempfile.TemporaryDirectory() as folder, place() as number:
        asterisk = Asterisk.at(number, Path(folder) / "asterisk")
        (Path(folder) / "ais.toml").write_text(AIS)
        offhook = Offhook(
            Path(folder),
            asterisk.agent_port,
            asterisk.agent_password,
            OFFHOOK_AIS=f"{folder}/ais.toml",
            OFFHOOK_STT_MODEL="whisper-base",
        )
        asterisk.up()
        try:
            await asyncio.to_thread(offhook.up)
            phone = SipPhone(SipConfig(sipp=sipp, local_address=TRUNK))
            asked, recording, answered_at = await converse(
                phone, asterisk.uri(), questions
            )
            await asyncio.sleep(2)  # the last turn is being written down
            newest = offhook.get("/calls?limit=1")["calls"][0]["id"]
            record = offhook.get(f"/calls/{newest}")
            return compared(asked, record, answered_at), recording
        finally:
            await asyncio.to_thread(offhook.down)
            asterisk.down()


def transcribed(asked: Sequence[Exchange], recording: Recording) -> list[str]:
    whisper = Whisper(WhisperConfig(Store(environment.models()).path("whisper-base")))
    words = [
        whisper.decode(between(recording.agent, one.answer), ulaw.RATE, "en").text
        if one.answer
        else ""
        for one in asked
    ]
    whisper.close()
    return words


def summary(asked: Sequence[Exchange]) -> dict[str, Any]:
    waited = [1000 * one.seconds for one in asked if one.seconds is not None]
    off = [
        round(1000 * (one.reported - one.seconds), 1)
        for one in asked
        if one.seconds is not None and one.reported is not None
    ]
    return {
        "questions": len(asked),
        "cut_offs": sum(one.cut_off for one in asked),
        "unanswered": sum(one.answer is None for one in asked),
        "voice_to_voice_ms": spread(waited),
        "reported": len(off),
        "reported_off_ms": sorted(off),
        "reported_within_20_ms": sum(abs(one) <= ALLOWED_MS for one in off),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=int, default=20)
    arguments = parser.parse_args()
    questions = [sound for sound in corpus() if sound.kind is Kind.QUESTION]
    sipp = subprocess.run(
        [ROOT / "scripts" / "tool-sipp"], capture_output=True, text=True, check=True
    ).stdout.strip()
    machine_load = round(os.getloadavg()[0], 2)
    asked, recording = asyncio.run(
        measure(questions[: arguments.questions], Path(sipp))
    )
    words = transcribed(asked, recording)
    for one, heard in zip(asked, words, strict=True):
        waited = "cut off" if one.cut_off else "nothing"
        if one.seconds is not None:
            waited = f"{one.seconds:.2f} s"
        print(f"{waited:8} {one.question} – {heard}")
    result = summary(asked) | {"machine_load": machine_load}
    print(json.dumps(result, indent=1))
    exchanges = [
        asdict(one) | {"heard": heard} for one, heard in zip(asked, words, strict=True)
    ]
    print(keep("voice-to-voice", result | {"exchanges": exchanges}))
    recording.save(RESULTS / f"voice-to-voice-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.wav")


if __name__ == "__main__":
    main()
