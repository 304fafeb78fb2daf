"""A model that says one phrase over and over, as small ones do until stopped.

Nobody is that patient on the telephone, and each repetition is spoken.
"""

TIMES = 4
LEAST = 80
"""Characters: a number read digit by digit may well have eight noughts."""
LONGEST_PHRASE = 200


def repeats(text: str) -> bool:
    """Whether the text ends in one phrase, said at least TIMES."""
    for length in range(1, min(LONGEST_PHRASE, len(text) // TIMES) + 1):
        span = length * max(TIMES, -(-LEAST // length))
        if span <= len(text) and text[-1] == text[-1 - length]:
            if text[-span:-length] == text[length - span :]:
                return True
    return False
