"""A provider of ears, mind or voice that fails, and the one word for why.

The word is a metric's label and stands in the call's record, so that a throttled
account never looks like a frozen Asterisk.
"""

from enum import StrEnum


class Cause(StrEnum):
    UNREACHABLE = "unreachable"
    """No connection: wrong address, refused, DNS, TLS."""
    TIMEOUT = "timeout"
    """No first word within the deadline."""
    STALLED = "stalled"
    """It began and then said nothing more."""
    CUT = "cut"
    """The stream ended in the middle."""
    THROTTLED = "throttled"
    """429."""
    NO_CREDIT = "no_credit"
    """402, or a quota that is used up."""
    REFUSED = "refused"
    """401 or 403: the key."""
    BAD_REQUEST = "bad_request"
    """Any other 4xx: a model that it does not have, a context too long."""
    SERVER_ERROR = "server_error"
    """5xx."""
    NONSENSE = "nonsense"
    """It answered, and the answer is unusable: not its format, endless, repeated."""


class ProviderError(Exception):
    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause
        self.detail = detail


def cause_of_status(status: int, body: str = "") -> Cause:
    """The word for an HTTP status that is not a success."""
    match status:
        case 401 | 403:
            return Cause.REFUSED
        case 402:
            return Cause.NO_CREDIT
        case 429:
            quota = (
                "insufficient_quota" in body or "exceeded your current quota" in body
            )
            return Cause.NO_CREDIT if quota else Cause.THROTTLED
        case status if 400 <= status < 500:
            return Cause.BAD_REQUEST
        case _:
            return Cause.SERVER_ERROR
