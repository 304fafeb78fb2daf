"""The part of a file that a player asks for: the header `Range` (RFC 9110, 14).

Players ask for the end of a file, or for where somebody clicked. One part at a time:
who asks for several gets the whole, as the RFC allows.
"""

import re
from dataclasses import dataclass

_ONE = re.compile(r"\s*bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", re.IGNORECASE)


class Unsatisfiable(Exception):
    """It asks for what lies behind the end."""


@dataclass(frozen=True, slots=True)
class Part:
    first: int
    last: int
    """Counts: the part has `last - first + 1` bytes."""

    def __len__(self) -> int:
        return self.last - self.first + 1


def asked_part(header: str | None, size: int) -> Part | None:
    """None: the whole file; what cannot be understood means that too."""
    match = _ONE.fullmatch(header or "")
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    if not first:  # the last so many
        length = min(int(last), size)
        if length == 0:
            raise Unsatisfiable
        return Part(size - length, size - 1)
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise Unsatisfiable
    return Part(int(first), min(int(last), size - 1) if last else size - 1)
