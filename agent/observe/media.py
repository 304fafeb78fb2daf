"""The agent's account of one call's sound: a line at its end, written and read here.

[WS] media: in 1250 frames, 25.0 s, loud 6.2 s, voiced 5.1 s; out 640 frames,
12.8 s, heard 12.6 s; xoff 0; flushes 1; garbage 0
"""

import re
from dataclasses import dataclass

LINE = re.compile(
    r"^media: in (\d+) frames, ([\d.]+) s, loud ([\d.]+) s, voiced ([\d.]+) s;"
    r" out (\d+) frames, ([\d.]+) s, heard ([\d.]+) s;"
    r" xoff (\d+); flushes (\d+); garbage (\d+)"
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

    def __str__(self) -> str:
        return (
            f"media: in {self.in_frames} frames, {self.in_seconds:.1f} s,"
            f" loud {self.loud:.1f} s, voiced {self.voiced:.1f} s;"
            f" out {self.out_frames} frames, {self.out_seconds:.1f} s,"
            f" heard {self.heard:.1f} s;"
            f" xoff {self.xoff}; flushes {self.flushes}; garbage {self.garbage}"
        )


def media(said: str) -> Media | None:
    """Of a line of the log, without its tag."""
    match = LINE.match(said)
    if match is None:
        return None
    frames, seconds, loud, voiced, sent, spoken, heard, *counts = match.groups()
    xoff, flushes, garbage = map(int, counts)
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
    )
