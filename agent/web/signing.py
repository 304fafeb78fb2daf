"""Links that are good for one recording and for a while, without a password.

A token is expiry, track and call and an HMAC-SHA-256 over them. It can be passed to a
player or a colleague: whoever has it may listen until it expires. It names the
recording, never a file.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agent.calls.record import Track

from .config import SigningConfig

_LONGEST = 512


class BadLink(Exception):
    """Nobody here signed this link. Says nothing more, so that nobody learns how to."""


class LinkExpired(Exception):
    """It was good until then."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link leads to."""

    call_id: str
    track: Track
    expires_at: datetime
    """A whole second."""


def expiring(config: SigningConfig, call_id: str, track: Track, now: datetime) -> Link:
    until = now + timedelta(seconds=config.seconds)
    return Link(call_id, track, until.replace(microsecond=0))


def sign(key: str, link: Link) -> str:
    """Only letters, digits, `-`, `_` and `.`"""
    claim = f"{link.expires_at.timestamp():.0f} {link.track.value} {link.call_id}"
    mac = hmac.digest(key.encode(), claim.encode(), hashlib.sha256)
    return f"{_text(claim.encode())}.{_text(mac)}"


def read(key: str, token: str, now: datetime) -> Link:
    """Raises BadLink, or LinkExpired for what was a good one."""
    link = _link(token)
    # Signed again rather than taken apart: two spellings of one link are two links.
    if not hmac.compare_digest(sign(key, link).encode(), token.encode()):
        raise BadLink
    if now >= link.expires_at:
        raise LinkExpired(f"{link.expires_at.isoformat()}")
    return link


def _link(token: str) -> Link:
    """What it claims, which nobody has proved yet."""
    if len(token) > _LONGEST or not token.isascii():
        raise BadLink
    claimed, _, _ = token.partition(".")
    try:
        padded = claimed + "=" * (-len(claimed) % 4)
        claim = urlsafe_b64decode(padded).decode()
        expires, track, call_id = claim.split(" ", 2)
        return Link(call_id, Track(track), datetime.fromtimestamp(int(expires), UTC))
    except (NotBase64, ValueError, OverflowError, OSError) as error:
        raise BadLink from error


def _text(octets: bytes) -> str:
    return urlsafe_b64encode(octets).rstrip(b"=").decode()
