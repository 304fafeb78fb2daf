"""Numbers written in sound, to tell one frame from another after its journey.

A digit is a µ-law byte of 0xdf to 0xfe: quiet (below 400 of 32767), and each comes back
as itself from µ-law to samples to µ-law.
"""

_LOWEST, BASE = 0xDF, 32


def write(number: int, digits: int) -> bytes:
    """The last so many digits of it."""
    written = bytearray(digits)
    for place in reversed(range(digits)):
        number, digit = divmod(number, BASE)
        written[place] = _LOWEST + digit
    return bytes(written)


def read(written: bytes) -> int | None:
    """None: this is no number of ours."""
    number = 0
    for byte in written:
        if not _LOWEST <= byte < _LOWEST + BASE:
            return None
        number = number * BASE + byte - _LOWEST
    return number
