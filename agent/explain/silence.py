"""Who did not hear or understand whom, and for how long nobody spoke."""

import unicodedata
from collections import Counter
from collections.abc import Sequence

from agent.calls.call import EndReason
from agent.calls.transcript import Speaker, Turn
from agent.calls.usage import Meter

from .case import Case
from .verdict import Reason, Weight
from .words import failure_lines, failures

_NEVER_BEGAN = (EndReason.NO_MEDIA_START, EndReason.UNSUPPORTED_FORMAT)
_GREETED = 3
"""Seconds in which a greeting has begun."""
_LONG_ENOUGH = 10.0
"""Seconds of talk in which a caller who is there says something."""
_SPEECH = 1.5
"""Seconds of sound given to a recogniser in which there should be words."""
_PAUSE = 30
"""Seconds."""


def mute(case: Case) -> Reason | None:
    """The caller heard nothing of us at all."""
    brief = case.seconds < _GREETED
    if case.turns(Speaker.AGENT) or case.reason in _NEVER_BEGAN or brief:
        return None
    if troubles := case.troubles("tts"):
        said = f"the caller heard nothing: {failures(troubles)}"
        return Reason("mute", said, failure_lines(troubles), Weight.FATAL)
    if case.turns(Speaker.CALLER):
        return None  # the rule of what is unanswered says more
    return Reason(
        "silent_call",
        f"nobody said a word in {case.seconds:.0f} s: the AI has no greeting, or its"
        " sound did not reach the caller, and nothing of the caller was understood",
        weight=Weight.FATAL,
    )


def deaf(case: Case) -> Reason | None:
    """The AI spoke, and understood nothing of what the caller said."""
    if not _says_nothing(case):
        return None
    seconds = f"in {case.seconds:.0f} s"
    if troubles := case.troubles("stt"):
        said = f"the AI understood nothing {seconds}: {failures(troubles)}"
        return Reason("deaf", said, failure_lines(troubles), Weight.FATAL)
    heard = {
        use.model: use.amount
        for use in case.record.uses
        if use.meter is Meter.STT_SECONDS and use.amount >= _SPEECH
    }
    if heard:
        model, amount = max(heard.items(), key=lambda each: each[1])
        return Reason(
            "no_words",
            f"the AI understood nothing {seconds}: the recogniser {model} was given"
            f" {amount:.0f} s of sound and made no words of it; it is the wrong model"
            " or language, or the sound was noise",
            weight=Weight.FATAL,
        )
    if any(turn.interrupted for turn in case.turns(Speaker.AGENT)):
        return Reason(
            "no_words",
            f"the AI was interrupted, and yet no words of the caller were understood"
            f" {seconds}: noise, echo, or another language than the AI's",
            weight=Weight.FATAL,
        )
    return None


def caller_not_heard(case: Case) -> Reason | None:
    if not _says_nothing(case) or deaf(case):
        return None
    why = (
        "no sound of his came, he said nothing, or it was too quiet to count as a voice"
    )
    evidence = ["scripts/follow-call and scripts/rtp-check say whether his RTP came"]
    if found := _way_in(case):
        why, evidence = found, []
    then = ""
    if case.reason is EndReason.CALLER_SILENT:
        then = ". It asked whether he is still there, and hung up"
    return Reason(
        "caller_not_heard",
        f"the AI heard no word of the caller in {case.seconds:.0f} s: {why}{then}",
        tuple(evidence),
    )


def caller_silent(case: Case) -> Reason | None:
    if case.reason is not EndReason.CALLER_SILENT or _says_nothing(case):
        return None
    found = "" if case.turns(Speaker.CALLER) else _way_in(case)
    return Reason(
        "caller_silent",
        "the AI hung up because the caller said nothing more, after it had asked"
        f" whether he is still there{found and ': '}{found}",
    )


def _says_nothing(case: Case) -> bool:
    """The AI spoke, the caller was there, and no word of his is written down."""
    spoke, heard = case.turns(Speaker.AGENT), case.turns(Speaker.CALLER)
    excused = case.reason in (EndReason.OPERATOR_HUNG_UP, EndReason.SHUTDOWN)
    return bool(spoke) and not (heard or excused) and case.seconds >= _LONG_ENOUGH


def _way_in(case: Case) -> str:
    """What became of his sound, where logs say that it came."""
    hops = {} if case.log is None else case.log.more.get("hops", {})
    if " packets came from the phone" not in hops.get("RTP in", ""):
        return ""
    return f"{hops['RTP in']}, and {hops['STT']}"


def other_letters(case: Case) -> Reason | None:
    """The caller's words came in letters that the AI does not write."""
    heard = _letters(case.turns(Speaker.CALLER))
    spoken = _letters(case.turns(Speaker.AGENT))
    if heard is None or spoken is None or heard == spoken:
        return None
    return Reason(
        "other_language",
        f"the recogniser wrote the caller's words in {heard} letters and the AI answers"
        f" in {spoken} ones: the recogniser is set to another language than the caller"
        " speaks (stt_language), or makes words up",
        tuple(f"turn: {turn.text[:80]}" for turn in case.turns(Speaker.CALLER)[:3]),
    )


def _letters(turns: Sequence[Turn]) -> str | None:
    """Most of theirs are Latin, Cyrillic, Arabic and so on; None: there are none."""
    names = Counter(
        unicodedata.name(letter, "unknown").partition(" ")[0].capitalize()
        for turn in turns
        for letter in turn.text
        if letter.isalpha()
    )
    # Japanese is written in three.
    for name in ("Hiragana", "Katakana"):
        names["Cjk"] += names.pop(name, 0)
    name, most = names.most_common(1)[0]
    return name if most else None


def pause(case: Case) -> Reason | None:
    """Nobody spoke for long, and the call went on: a hold or a private pause."""
    turns = case.record.turns
    for number, (before, after) in enumerate(zip(turns, turns[1:], strict=False), 1):
        gap = (after.started_at - before.ended_at).total_seconds()
        if gap > _PAUSE:
            return Reason(
                "pause",
                f"nobody spoke for {gap:.0f} s after turn {number}: on hold, or a"
                " private pause, in which nothing is written down; the agent's log"
                " says which",
                weight=Weight.NOTICED,
            )
    return None


def interrupted_often(case: Case) -> Reason | None:
    """One of them heard too much."""
    spoke = case.turns(Speaker.AGENT)
    cut = [turn for turn in spoke if turn.interrupted]
    if len(cut) < 3 or 2 * len(cut) < len(spoke):
        return None
    return Reason(
        "interrupted_often",
        f"{len(cut)} of {len(spoke)} turns of the AI were interrupted: background"
        " voices, echo of its own voice, or answers that are too long",
        weight=Weight.NOTICED,
    )
