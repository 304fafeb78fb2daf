"""What the operator decides about the API and the ways in.

Apart, because FastAPI and what stands behind it take their time to import.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AudioSocketConfig:
    host: str = "127.0.0.1"
    port: int = 0
    """0: nobody listens."""


@dataclass(frozen=True, slots=True)
class TelephonyConfig:
    username: str
    password: str
    """Empty: nobody is asked for one. Only for tests; settings always makes one up."""


@dataclass(frozen=True, slots=True)
class ApiLimits:
    per_second: float = 20.0
    """Requests that a key, or an address without one, may make in the long run."""
    burst: float = 100.0
    """At once, after a while of silence."""
    wrong_per_minute: float = 10.0
    """Wrong keys that an address may send."""


@dataclass(frozen=True, slots=True)
class SigningConfig:
    key: str = field(repr=False)
    """Kept in the data folder; who has it can listen to everything."""
    seconds: float
    """How long a link is good."""
