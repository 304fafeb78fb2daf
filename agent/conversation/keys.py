"""Keys that the caller presses, one by one, and what they come to: entries.

An entry ends with `#`, or when no further key follows for a while. Time is passed in.
Nothing is logged here: it may be the number of a card.
"""

from collections import deque

PAUSE = 2.0
"""Seconds without a key after which an entry is complete."""
DICTATION_PAUSE = 4.0
"""The same while the caller reads it off something."""
LONGEST = 64
"""Keys of one entry."""
KEYS = frozenset("0123456789*#ABCD")


class Keys:
    def __init__(self) -> None:
        self.dictation = False
        """The AI has asked for a number: the caller gets more time, and `*` takes the
        last key back."""
        self._entry = ""
        self._pressed = 0.0
        self._complete: deque[str] = deque()

    def digit(self, key: str, now: float) -> None:
        """Whatever is not a key of a telephone is ignored."""
        if key not in KEYS:
            return
        self._pressed = now
        if key == "#":
            # Alone, it is the entry: "press the hash key to go on".
            self._completed(self._entry or key)
        elif key == "*" and self.dictation:
            self._entry = self._entry[:-1]
        else:
            self._entry += key
            if len(self._entry) == LONGEST:
                self._completed(self._entry)

    def due(self) -> float | None:
        """When to look next, if ever."""
        if self._complete:
            return self._pressed
        return self._pressed + self._pause if self._entry else None

    def look(self, now: float) -> str | None:
        """The next entry that is complete; look again until there is none."""
        if self._entry and now >= self._pressed + self._pause:
            self._completed(self._entry)
        return self._complete.popleft() if self._complete else None

    @property
    def _pause(self) -> float:
        return DICTATION_PAUSE if self.dictation else PAUSE

    def _completed(self, entry: str) -> None:
        self._complete.append(entry)
        self._entry = ""


def as_message(entry: str, *, dictation: bool) -> str:
    """For the model, in the place of something that the caller said."""
    if len(entry) == 1 and not dictation:
        return f"The caller pressed {entry}."
    return f"The caller typed {_grouped(entry)} on the keypad."


def _grouped(entry: str) -> str:
    """As people write numbers, so that they are read back that way: 040 1234."""
    if len(entry) < 5 or not entry.isdecimal():
        return entry
    # Groups of three; a last one of a single digit joins the one before.
    cuts = list(range(0, len(entry), 3))
    if len(entry) % 3 == 1:
        cuts.pop()
    ends = [*cuts[1:], len(entry)]
    return " ".join(entry[start:end] for start, end in zip(cuts, ends, strict=True))
