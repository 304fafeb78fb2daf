"""To whom things belong, and what a key of the API opens."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

DEFAULT = "default"
"""The customer that is always there."""


class Scope(StrEnum):
    ADMIN = "admin"
    """Everything, of every customer."""
    OPERATOR = "operator"
    """All that belongs to its customer, to read and to change."""
    READ = "read"
    """The same, to read."""
    TELEPHONY = "telephony"
    """What Asterisk and `offhook upload` need, and nothing else."""


@dataclass(frozen=True, slots=True)
class Customer:
    id: str
    """Letters, digits, - and _: it stands in addresses and logs."""
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """Without the key itself: only its hash is kept."""

    id: str
    customer: str
    scope: Scope
    name: str
    hint: str
    """How it begins, to tell it from others."""
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
