"""Whether our clock and somebody else's agree."""

from collections.abc import Iterator
from datetime import UTC, datetime

from .finding import Finding, error, warning

_LATE, _TOO_LATE = 5.0, 600.0
"""Seconds that clocks may differ; servers of S3 refuse from 900 on."""


def offset(theirs: datetime, place: str) -> Iterator[Finding]:
    if theirs.tzinfo is None:
        theirs = theirs.replace(tzinfo=UTC)
    apart = (theirs - datetime.now(UTC)).total_seconds()
    if abs(apart) < _LATE:
        return
    what = f"our clock and that of {place} differ by {abs(apart):.0f} s"
    fix = "Set the clock: timedatectl set-ntp true."
    make = error if abs(apart) > _TOO_LATE else warning
    yield make(what, "the clock", fix)
