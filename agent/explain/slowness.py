"""Answers that came late, or never."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from agent.calls.call import EndReason
from agent.calls.transcript import Speaker, ToolUse, Trouble, Turn

from . import waits
from .case import Case, meanings
from .deeds import meanwhile, running
from .verdict import Reason, Weight
from .waits import Wait
from .words import failure_lines, failures

_UNANSWERED = 2.5
"""Seconds that a caller waited in vain, at least, before the call was over."""
_BEFORE_TURN = timedelta(seconds=2)
"""Ears are asked, and guesses made, before the turn is written down."""
_LATELY = timedelta(seconds=10)
"""What a caller who said nothing hung up for."""
_PARTED = (
    EndReason.AGENT_HUNG_UP,
    EndReason.AGENT_LEFT,
    EndReason.CONNECTED,
    EndReason.OPERATOR_HUNG_UP,
    EndReason.TOO_LONG,
    EndReason.SHUTDOWN,
    EndReason.AGENT_DIED,
    EndReason.AGENT_FAILED,
    EndReason.PROVIDER_FAILED,
    None,
)
"""Ends after which a caller's last words need no answer, or have a better reason."""
_STAGES: Mapping[str, str] = {
    "stt": "stt",
    "llm": "llm",
    "sentence": "llm",
    "tts": "tts",
}
"""Of a wait's parts that are one provider's work; to the others any may add."""


def hung_up_in_vain(case: Case) -> Reason | None:
    """The session knows what it was working at when he did."""
    if not case.hung_up_in_vain:
        return None
    over = case.over_at
    asked = [turn.ended_at for turn in case.turns(Speaker.CALLER)]
    since = max(asked, default=over - _LATELY)
    met = [
        one for one in case.record.troubles if since - _BEFORE_TURN <= one.at <= over
    ]
    waiting, _, what = case.detail.partition(" for ")
    found = _what_hindered(met, running(case.record.tool_uses, since, over))
    why = f": {found}" if found else f" for {what}"
    return Reason(
        "unanswered",
        f"the caller hung up {waiting}{why}",
        failure_lines(met),
        Weight.FATAL,
    )


def unanswered(case: Case) -> Reason | None:
    """The caller's last words, or some in the middle, got no answer."""
    for number, turn, after in _without_answer(case.record.turns):
        until = case.over_at if after is None else after.started_at
        waited = (until - turn.ended_at).total_seconds()
        if waited < _UNANSWERED:
            continue
        if after is None and (case.hung_up_in_vain or case.reason in _PARTED):
            continue
        met = [
            one
            for one in case.record.troubles
            if one.stage in ("llm", "tts") and turn.started_at <= one.at <= until
        ]
        return Reason(
            "unanswered",
            f"the caller waited {waited:.1f} s for an answer to turn {number} and got"
            f" none: {_why_unanswered(case, met, turn.ended_at, until)}",
            failure_lines(met),
            Weight.FATAL if after is None else Weight.FELT,
        )
    return None


def _without_answer(turns: Sequence[Turn]) -> Iterator[tuple[int, Turn, Turn | None]]:
    """The caller's, each with its number, and what he said next."""
    afters = (*turns[1:], None)
    for number, (turn, after) in enumerate(zip(turns, afters, strict=False), 1):
        answered = after is not None and after.speaker is Speaker.AGENT
        if turn.speaker is Speaker.CALLER and not answered:
            yield number, turn, after


def _why_unanswered(
    case: Case, met: Sequence[Trouble], since: datetime, until: datetime
) -> str:
    return (
        _what_hindered(met, running(case.record.tool_uses, since, until))
        or next(iter(meanings(case.log, "no_xon")), "")
        or failures(case.troubles("llm"))
        or "the model had not answered when the call was over"
    )


def _what_hindered(met: Sequence[Trouble], tools: Sequence[ToolUse]) -> str:
    """An answer; empty if the record names nothing."""
    if met:
        return failures(met)
    return meanwhile(tools[-1]) if tools else ""


def slow(case: Case) -> Reason | None:
    found = list(waits.of(case.record))
    late = [one for one in found if one.seconds >= waits.SLOW]
    if not late:
        return None
    worst = max(late, key=lambda one: one.seconds)
    why = _why_slow(case, worst)
    if len(late) > 1 and len(late) * 2 > len(found):
        said = (
            f"{len(late)} of {len(found)} answers were slow, turn {worst.number} at"
            f" worst after {worst.seconds:.1f} s: {why}"
        )
    else:
        others = waits.usual(found, worst)
        compared = "" if others is None else f", the others {others:.1f} s"
        said = f"turn {worst.number} came after {worst.seconds:.1f} s{compared}: {why}"
    return Reason(
        f"slow_{worst.worst}",
        said,
        tuple(map(_parts, late)),
        Weight.FELT if worst.seconds >= waits.VERY_SLOW else Weight.NOTICED,
    )


def _why_slow(case: Case, wait: Wait) -> str:
    part = wait.worst
    seconds = wait.owed[part]
    began, over = wait.began - _BEFORE_TURN, wait.turn.ended_at
    met = [
        one
        for one in case.record.troubles
        if began <= one.at <= over and _STAGES.get(part) in (None, one.stage)
    ]
    if met:
        return f"{failures(met)}, and that took {seconds:.1f} s of it"
    match part:
        case "silence":
            return (
                f"{seconds:.1f} s of silence passed until it was sure that he had"
                " finished: his words or his voice sounded unfinished, or noise went on"
            )
        case "tool":
            used = running(case.record.tool_uses, began, over)
            failed = [use.result[:200] for use in used if use.failed]
            why = f" and failed: {failed[-1]}" if failed else ""
            return f"the tool {', '.join(wait.tools)} took {seconds:.1f} s of it{why}"
        case "playing":
            return (
                f"{seconds:.1f} s of it passed between the agent and the caller's ear:"
                " silence at the beginning of the voice's sound, or a full queue"
            )
    return f"{waits.NAMES[part]} took {seconds:.1f} s of it"


def _parts(wait: Wait) -> str:
    parts = ", ".join(
        f"{name} {seconds:.2f}" for name, seconds in wait.turn.latency.items()
    )
    return f"turn {wait.number}: {parts}"
