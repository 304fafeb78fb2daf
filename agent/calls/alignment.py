"""From a time in a recording to the time in its call.

The three tracks are one: the mix is the sum of the other two, sample by sample. They
keep the call's time as long as anybody sends sound, and our AI always does. Between
people, when both are mute or on hold, MixMonitor writes nothing: the recording says how
much is missing in all, and not where.
"""

from collections.abc import Sequence

from .record import Gap

TOLERANCE = 0.5
"""Seconds that a recording may be shorter than its call without a gap: it begins before
the answer, and its last frames come with the hang-up."""


def gaps(recorded: float, lasted: float, ai_until: float) -> tuple[Gap, ...]:
    """Seconds of the recording, from its beginning to its end by the clock, and until
    the AI's part was over. The gap is there or later."""
    missing = lasted - recorded
    if missing <= TOLERANCE:
        return ()
    return (Gap(max(0.0, min(ai_until, recorded)), missing),)


def call_time(at: float, gaps: Sequence[Gap]) -> tuple[float, float]:
    """The earliest and the latest time in the call of what is `at` in the recording;
    the same twice where nothing is missing."""
    missing = sum(gap.seconds for gap in gaps if gap.at < at)
    return at, at + missing
