"""What of the wait for an answer is our own doing: 50 calls, models of fixed slowness.

    python -m bench.own_share [--calls 50] [--seconds 60]

Ears that need 100 ms (servers/fixed_ears.py, in the agent's process), a language model
whose first token takes 150 ms and a voice whose first byte takes 80 ms (a process of
its own). Voice to voice is from the caller's last loud packet to our first loud one, on
the wire. Our own share is what is left of it when we take away the time in which the
ears, the model or the voice had our question and no answer yet, and the silence that
proved the caller's end, as the call's record states it.

`after` says where the own share lies: from the caller's last packet to our question to
the ears (the silence is in it), from their answer to the question to the model, from
its first token to the voice, and from the voice's first byte to the wire.
"""

import argparse
import asyncio
import base64
import gc
import json
import os
import random
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from agent.phone import ulaw
from agent.phone.ear import LOUD
from agent.phone.line import TICK
from agent.phone.load import percentile
from agent.phone.ulaw import FRAME
from agent.wire.events import MediaStart
from agent.wire.mirror import mirror
from agent.wire.playqueue import PlayQueue
from bench.capacity import LOAD_CORE, keep
from bench.house import House
from bench.server import PASSWORD
from bench.servers.models import ALPHABET
from bench.speech_corpus import Kind, corpus, fingerprint, last_loud

ANSWER_WITHIN = 5.0
PAUSE = (0.8, 1.6)
"""Seconds between an answer's end and the caller's next words."""
SETTLE = 4.0
"""Seconds within which the calls begin; their first turns are not counted."""
LATE_LOAD = 0.02
"""A caller that was later than this with a packet has not measured anything."""
PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0}

Span = tuple[float, float]
"""Begin and end, on the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Answer:
    """As the caller noticed it, on the monotonic clock."""

    ended: float
    """He sent his last loud packet."""
    arrived: float
    """Our first loud message."""
    heard: float
    """It was played: Asterisk does so every 20 ms."""
    late: float = 0.0
    """Seconds by which a packet of this turn was late, at worst."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What he waited for. All in milliseconds."""

    call: str
    turn: int
    voice_to_voice: float
    silence: float
    own: float
    after: Mapping[str, float]


def uncovered(whole: Span, spans: Iterable[Span]) -> float:
    """How much of `whole` is in none of the spans."""
    begin, end = whole
    left, at = 0.0, begin
    for first, last in sorted(spans):
        left += max(0.0, min(first, end) - at)
        at = max(at, min(last, end))
    return left + max(0.0, end - at)


def wait(
    call: str, turn: int, answer: Answer, silence: float, ears: Span, *asked: Span
) -> Wait:
    """`asked`: the model and the voice, from our question to what came first of it."""
    mind, voice = asked
    ended, arrived = answer.ended, answer.arrived
    proof = (ended, ended + silence)
    own = uncovered((ended, arrived), [proof, ears, mind, voice])
    after = {
        "last packet": ears[0] - ended,
        "ears": mind[0] - ears[1],
        "mind": voice[0] - mind[1],
        "voice": arrived - voice[1],
    }
    return Wait(
        call,
        turn,
        _ms(arrived - ended),
        _ms(silence),
        _ms(own),
        {name: _ms(seconds) for name, seconds in after.items()},
    )


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)


class Caller:
    """A call that notes when it sent what and when what came, not only what it plays.

    Asterisk would play the sound in its own ticks; for what is ours the time on the
    wire counts.
    """

    def __init__(self, name: str, socket: ClientConnection, question: bytes) -> None:
        self.name = name
        self.answers: list[Answer | None] = []
        """None: there was none."""
        self.latest = 0.0
        """Seconds by which a packet was late, at worst, from the second turn on."""
        self._socket = socket
        self._mirror = mirror("json", channel_id=f"{name}.1")
        self._outbox: list[str] = []
        self._queue = PlayQueue(FRAME, self._mirror, self._tell)
        self.fingerprint = fingerprint(ulaw.to_pcm(question))
        end = (last_loud(question) + 1) * FRAME
        frames = (question[at : at + FRAME] for at in range(0, end, FRAME))
        self._question = [frame.ljust(FRAME, ulaw.SILENCE) for frame in frames]
        self._late = 0.0
        self._due = self._sent = 0.0
        """When the latest packet was due, and when it went out."""
        self._arrived = self._heard = self._last_loud = 0.0

    async def talk(self, until: float) -> None:
        self._tell(
            MediaStart(
                f"{self.name}.1",
                "ulaw",
                FRAME,
                20,
                "WebSocket/ai_media/0x0",
                "ai_media",
            )
        )
        listening = asyncio.create_task(self._listen())
        self._due = time.monotonic()
        try:
            await self._silence(random.uniform(*PAUSE))
            while time.monotonic() < until:
                await self._turn()
        except ConnectionClosed:
            pass  # an agent that died
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await self._socket.close()

    async def _turn(self) -> None:
        self._late = 0.0
        for frame in self._question:
            await self._tick(frame)
        ended = self._sent
        self._arrived = self._heard = 0.0
        while not self._heard and self._due < ended + ANSWER_WITHIN:
            await self._tick()
        if self._heard:
            self.answers.append(Answer(ended, self._arrived, self._heard, self._late))
        else:
            self.answers.append(None)
        while self._due < self._last_loud + 0.5:
            await self._tick()
        await self._silence(random.uniform(*PAUSE))

    async def _silence(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK)):
            await self._tick()

    async def _tick(self, frame: bytes = ulaw.SILENCE * FRAME) -> None:
        self._due += TICK
        await asyncio.sleep(max(0.0, self._due - time.monotonic()))
        self._sent = time.monotonic()
        self._late = max(self._late, self._sent - self._due)
        if self.answers:
            self.latest = max(self.latest, self._sent - self._due)
        await self._socket.send(frame)
        played = self._queue.tick()
        if played is not None and ulaw.loudness(played) > LOUD:
            self._last_loud = self._sent
            self._heard = self._heard or self._sent
        while self._outbox:
            await self._socket.send(self._outbox.pop(0))

    async def _listen(self) -> None:
        async for message in self._socket:
            now = time.monotonic()
            if isinstance(message, str):
                self._queue.command(message)
                continue
            if not self._arrived and _loud(message):
                self._arrived = now
            self._queue.audio(message)

    def _tell(self, event: Any) -> None:
        if (text := self._mirror.event(event)) is not None:
            self._outbox.append(text)


def _loud(sound: bytes) -> bool:
    return any(
        ulaw.loudness(sound[at : at + FRAME]) > LOUD
        for at in range(0, len(sound), FRAME)
    )


def name_of(number: int) -> str:
    """Two words of the alphabet, as servers/models.py wants an AI to be called."""
    return f"{ALPHABET[number // len(ALPHABET)]} {ALPHABET[number % len(ALPHABET)]}"


def ais(calls: int) -> str:
    return "\n".join(
        f"""
[ai.{name_of(number).replace(" ", "-")}]
prompt = 'You are called "{name_of(number)}".'
tool_names = []
filler_seconds = 0
silence = {{ seconds = 0 }}
"""
        for number in range(calls)
    )


async def callers(url: str, calls: int, seconds: float) -> list[Caller]:
    # Each caller has words of his own: by them the ears know whose turn it was.
    kinds = (Kind.COMPLETE, Kind.QUESTION, Kind.INTERRUPTION)
    sounds = [s for s in corpus() if s.kind in kinds]
    questions = [s.ulaw() for s in sounds if s.seconds > 0.7]
    login = base64.b64encode(f"asterisk:{PASSWORD}".encode()).decode()
    made: list[Caller] = []
    until = time.monotonic() + SETTLE + seconds
    async with asyncio.TaskGroup() as talking:
        for number in range(calls):
            name = name_of(number).replace(" ", "-")
            socket = await connect(
                f"{url}?call_id={name}&from=15550100&to=1000&ai={name}",
                subprotocols=[Subprotocol("media")],
                compression=None,
                ping_interval=None,
                proxy=None,
                additional_headers={"Authorization": f"Basic {login}"},
            )
            caller = Caller(name, socket, questions[number % len(questions)])
            made.append(caller)
            talking.create_task(caller.talk(until))
            await asyncio.sleep(SETTLE / calls)
    return made


def waits(
    caller: Caller,
    record: Mapping[str, Any],
    ears: Sequence[Mapping[str, Any]],
    models: Sequence[Mapping[str, Any]],
) -> list[Wait]:
    """The turns of one call of which everything is known; the first is left out."""
    found = []
    name = caller.name.replace("-", " ")
    mine = [one for one in models if one["text"].lower().startswith(name)]
    for turn, answer in enumerate(caller.answers):
        if answer is None or turn == 0:
            continue
        spoken = [
            one
            for one in mine
            if one["what"] == "voice" and answer.ended < one["began"] <= answer.arrived
        ]
        if not spoken:
            continue
        voice = spoken[-1]
        # Its name and the number of the turn: no other answer begins so.
        opening = " ".join(voice["text"].lower().split()[:3])
        mind = _last(
            one
            for one in mine
            if one["what"] == "mind"
            and one["text"].lower().startswith(opening)
            and one["asked"] <= voice["asked"]
        )
        if mind is None:
            continue
        ear = _last(
            one
            for one in ears
            if one["of"] == caller.fingerprint and one["began"] <= mind[0]
        )
        silent = silence(record, opening)
        if ear is None or silent is None:
            continue
        asked = (mind, (voice["asked"], voice["began"]))
        found.append(wait(caller.name, turn, answer, silent, ear, *asked))
    return found


def silence(record: Mapping[str, Any], opening: str) -> float | None:
    """Seconds before the answer that begins so, as the record of the call has it."""
    for turn in record["turns"]:
        if turn["speaker"] == "agent" and turn["text"].lower().startswith(opening):
            seconds: float | None = turn["latency"].get("silence")
            return seconds
    return None


def _last(spans: Iterable[Mapping[str, Any]]) -> Span | None:
    all_spans = [(span["asked"], span["began"]) for span in spans]
    return max(all_spans, default=None)


def spread(milliseconds: Iterable[float]) -> dict[str, float | None]:
    ascending = sorted(milliseconds)
    return {
        name: round(percentile(ascending, percent), 1) if ascending else None
        for name, percent in PERCENTILES.items()
    }


def summary(calls: Sequence[Caller], found: Sequence[Wait]) -> dict[str, Any]:
    answers = [answer for caller in calls for answer in caller.answers[1:]]
    given = [answer for answer in answers if answer is not None]
    names = list(found[0].after) if found else []
    return {
        "calls": len(calls),
        "turns": len(answers),
        "unanswered": len(answers) - len(given),
        "of_which_all_is_known": len(found),
        "voice_to_voice_ms": spread(_ms(a.arrived - a.ended) for a in given),
        "played_to_the_caller_ms": spread(_ms(a.heard - a.ended) for a in given),
        "silence_ms": spread(one.silence for one in found),
        "own_share_ms": spread(one.own for one in found),
        "after_ms": {name: spread(one.after[name] for one in found) for name in names},
        "load_late_ms": _ms(max(caller.latest for caller in calls)),
    }


def measure(calls: int, seconds: float, folder: Path) -> dict[str, Any]:
    machine_load = os.getloadavg()[0]
    with ExitStack() as held:
        house = House(held, folder, calls, ais(calls), pinned=True)
        house.start()
        made = uvloop.run(callers(house.sockets, calls, seconds))
        time.sleep(1)  # the last turns are being written down
        log, heard = house.asked(), house.heard()
        found = [
            one
            for caller in made
            for one in waits(caller, house.get(f"/calls/{caller.name}"), heard, log)
        ]
    result = summary(made, found) | {"machine_load": round(machine_load, 2)}
    result["held_up"] = result["load_late_ms"] > 1000 * LATE_LOAD
    return result | {"waits": [asdict(one) for one in found]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    corpus()
    os.sched_setaffinity(0, {LOAD_CORE})
    gc.disable()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(arguments.calls, arguments.seconds, Path(folder))
    shown = {name: value for name, value in result.items() if name != "waits"}
    print(json.dumps(shown, indent=1))
    print(keep("own-share", result))


if __name__ == "__main__":
    main()
