"""What an ear notices of a voice. media/gate.py finds it, turns are made of it."""

from enum import Enum


class Heard(Enum):
    ONSET = "onset"
    """Perhaps speech. Followed by SPEECH or FALSE_ALARM."""
    SPEECH = "speech"
    FALSE_ALARM = "false alarm"
    LONG = "long"
    """He has been speaking for a while, without a pause."""
    PAUSE = "pause"
    """Silent for a moment. Followed by RESUME or STOP."""
    RESUME = "resume"
    STOP = "stop"
