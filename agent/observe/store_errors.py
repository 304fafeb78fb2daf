"""What the stores of recordings, and what is before them, say, and what it means."""

import re

_REFUSALS = (
    (
        r"RequestTimeTooSkewed|RequestExpired",
        "the clocks of this machine and of the store are too far apart: set this"
        " machine's time (NTP)",
    ),
    (
        r"InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|TokenRefreshReq"
        r"|InvalidToken|AuthorizationHeaderMalformed|\(401\)|[Cc]redentials",
        "the store does not know the key, or its secret is wrong or over:"
        " AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
    ),
    (
        r"Access ?Denied|AllAccessDisabled|Forbidden|Unauthorized|\(403\)",
        "the key of AWS_ACCESS_KEY_ID has no right to do that in this bucket",
    ),
)
_FAILURES = (
    (r"NoSuchBucket", "the bucket does not exist: make it, or mend S3_BUCKET"),
    (
        r"507|EntityTooLarge|QuotaExceeded|Insufficient|No space left",
        "the store is full",
    ),
    (
        r"SlowDown|Throttl|TooManyRequests|RequestLimit|\((?:429|503)\)"
        r"|ServiceUnavailable",
        "the store is overloaded, or asks us to slow down (503)",
    ),
    (
        r"Could not connect to the endpoint|[Cc]onnect timeout|resolve",
        "the store is not reachable: is its server up, and S3_ENDPOINT_URL right?",
    ),
    (
        r"Connection was closed|Connection (?:aborted|reset|broken)|Broken pipe"
        r"|IncompleteRead|not read all",
        "the connection to the store broke in the middle: its server, the network"
        " or a proxy between them",
    ),
    (r"[Rr]ead timeout", "the store takes requests and does not answer"),
    (
        r"reads back as something else|has \d+ bytes, not \d+|BadDigest"
        r"|XAmzContentSHA256Mismatch",
        "the store kept something else than it was sent: its disk, or what is"
        " between damages files",
    ),
    (r"\(5\d\d\)|InternalError", "the store fails at it, see its own log"),
    (
        r"is still open in Asterisk",
        "somebody still writes to it: Asterisk, if the call is not over for it",
    ),
    (
        r"it is empty: 0 bytes",
        "Asterisk wrote nothing into it, or somebody emptied it",
    ),
    (
        r"its header tells of",
        "Asterisk never finished it: was it killed during the call?",
    ),
    (
        r"is not there(?:;|$)",
        "Asterisk writes to another folder (its RECORDINGS is not"
        " OFFHOOK_MONITOR), could not write, or somebody deleted it",
    ),
    (r"Read-only file system", "a folder here is read-only"),
)
_MEANINGS = tuple(
    (re.compile(pattern), meaning) for pattern, meaning in (*_REFUSALS, *_FAILURES)
)
"""The first that fits."""
_REFUSED = re.compile("|".join(pattern for pattern, _ in _REFUSALS))


def refused(error: str) -> bool:
    """Is it the bucket's word about who asks, rather than about the recording?"""
    return _REFUSED.search(error) is not None


def meaning(error: str) -> str:
    """What it means, with two dots behind it; empty if nobody knows."""
    for pattern, said in _MEANINGS:
        if pattern.search(error):
            return f"{said}: "
    return ""
