"""How long the caller waited for each answer of a record, and what for.

The parts of a turn's latency overlap: a recogniser works while the silence is still
being proved. `owed` says what each of them added to the wait, and what nobody named.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from agent.calls.record import CallRecord
from agent.calls.transcript import Speaker, Turn

HEARD, REPLY = "heard", "reply"
TYPICAL: Mapping[str, float] = {
    "silence": 0.6,
    "stt": 0.4,
    "llm": 0.8,
    "tts": 0.4,
    "sentence": 0.5,
    "playing": 0.2,
    "tool": 0.0,
}
"""Seconds that are nothing to speak of, on a machine that carries its calls."""
NAMES: Mapping[str, str] = {
    "silence": "waiting to be sure that the caller had finished",
    "stt": "the recogniser",
    "llm": "the model's first word",
    "tts": "the voice's first sound",
    "sentence": "the model, until its first sentence stood",
    "playing": "the way from the agent to the caller's ear",
    "tool": "a tool",
}
SLOW = 2.0
"""Seconds from which on a caller feels a wait."""
VERY_SLOW = 3.0
"""From here on he thinks that something is broken."""


@dataclass(frozen=True, slots=True)
class Wait:
    number: int
    """Of the turn, counted from 1."""
    turn: Turn
    seconds: float
    owed: Mapping[str, float]
    """Seconds by part, see NAMES."""
    began: datetime
    """The caller had finished."""
    tools: tuple[str, ...] = ()

    @property
    def worst(self) -> str:
        """The part that took most beyond what is usual."""
        return max(self.owed, key=lambda part: self.owed[part] - TYPICAL[part])


def of(record: CallRecord) -> Iterator[Wait]:
    caller: Turn | None = None
    for number, turn in enumerate(record.turns, 1):
        if turn.speaker is Speaker.CALLER:
            caller = turn
            continue
        seconds = turn.latency.get(HEARD, turn.latency.get(REPLY))
        if seconds is None:
            continue
        began = caller.ended_at if caller else turn.started_at
        used = [
            use
            for use in record.tool_uses
            if caller and caller.started_at <= use.started_at <= turn.ended_at
        ]
        owed = _owed(turn.latency, sum(use.milliseconds for use in used) / 1000)
        # After a filler `heard` is the filler's, and the answer came later.
        seconds = max(seconds, sum(owed.values()))
        yield Wait(number, turn, seconds, owed, began, tuple(u.name for u in used))
        caller = None


def _owed(latency: Mapping[str, float], tools: float) -> dict[str, float]:
    whole = latency.get(REPLY, latency.get(HEARD, 0.0))
    silence, llm = latency.get("silence", 0.0), latency.get("llm", 0.0)
    tool = min(tools, llm)
    # It is asked in the silence, a little after its beginning.
    stt = max(0.0, latency.get("stt", 0.0) - max(0.0, silence - 0.2))
    tts = latency.get("tts", 0.0)
    rest = max(0.0, whole - silence - stt - llm - tts)
    return {
        "silence": silence,
        "stt": stt,
        "llm": llm - tool,
        "tool": tool,
        "tts": tts,
        "sentence": rest,
        "playing": max(0.0, latency.get(HEARD, whole) - whole),
    }


def usual(found: list[Wait], but: Wait) -> float | None:
    """The median of the others."""
    others = [one.seconds for one in found if one is not but]
    return median(others) if others else None
