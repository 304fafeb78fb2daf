"""The agent's account of one call's sound: a line at its end, written and read here.

[WS] media: in 1250 frames, 25.0 s, loud 6.2 s, voiced 5.1 s; out 640 frames,
12.8 s, heard 12.6 s; xoff 0; flushes 1; garbage 0

Behind it stands what is odd, if it is: early 3; odd 20; late 1.0 s
"""

import re
from dataclasses import dataclass

LINE = re.compile(
    r"^media: in (\d+) frames, ([\d.]+) s, loud ([\d.]+) s, voiced ([\d.]+) s;"
    r" out (\d+) frames, ([\d.]+) s, heard ([\d.]+) s;"
    r" xoff (\d+); flushes (\d+); garbage (\d+)"
    r"(?:; early (\d+))?(?:; odd (\d+))?(?:; late ([\d.]+) s)?"
)


@dataclass(frozen=True, slots=True)
class Media:
    """Seconds, where nothing else is said."""

    in_frames: int
    in_seconds: float
    loud: float
    """Louder than OFFHOOK_VAD_FLOOR_DBFS."""
    voiced: float
    """Of that, what the voice detector took for a voice."""
    out_frames: int
    out_seconds: float
    """Given to Asterisk, silence apart."""
    heard: float
    """Of that, what Asterisk has played."""
    xoff: int
    flushes: int
    garbage: int
    """Messages that made no sense."""
    early: int = 0
    """Messages of audio before MEDIA_START, dropped."""
    odd: int = 0
    """Messages of audio that were no whole tens of milliseconds."""
    late: float = 0.0
    """By which sound was held up on its way, at worst."""

    def __str__(self) -> str:
        oddities = (
            ("early", self.early, ""),
            ("odd", self.odd, ""),
            ("late", round(self.late, 1), " s"),
        )
        tail = "".join(f"; {what} {n}{unit}" for what, n, unit in oddities if n)
        return (
            f"media: in {self.in_frames} frames, {self.in_seconds:.1f} s,"
            f" loud {self.loud:.1f} s, voiced {self.voiced:.1f} s;"
            f" out {self.out_frames} frames, {self.out_seconds:.1f} s,"
            f" heard {self.heard:.1f} s;"
            f" xoff {self.xoff}; flushes {self.flushes}; garbage {self.garbage}{tail}"
        )


def media(said: str) -> Media | None:
    """Of a line of the log, without its tag."""
    match = LINE.match(said)
    if match is None:
        return None
    frames, seconds, loud, voiced, sent, spoken, heard, *rest = match.groups()
    *counts, late = rest
    xoff, flushes, garbage, early, odd = (int(count or 0) for count in counts)
    return Media(
        int(frames),
        float(seconds),
        float(loud),
        float(voiced),
        int(sent),
        float(spoken),
        float(heard),
        xoff,
        flushes,
        garbage,
        early,
        odd,
        float(late or 0),
    )
