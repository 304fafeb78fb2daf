"""What the operator decides about traces, as OpenTelemetry writes it.

Apart, because what sends them takes its time to import.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class TracesConfig:
    url: str
    """Of the collector's traces, as a rule http://127.0.0.1:4318/v1/traces."""
    headers: Mapping[str, str] = field(default_factory=dict)
    service: str = "offhook"
    resource: Mapping[str, str] = field(default_factory=dict)
    """What else is told of this process, e.g. deployment.environment.name."""
    timeout: float = 10.0
    """Seconds for one request."""


def pairs(text: str) -> dict[str, str]:
    """`key=value,key2=value2`, as OpenTelemetry's variables have it. Raises ValueError,
    without the value: it may be a key."""
    found = {}
    for number, each in enumerate(filter(None, map(str.strip, text.split(","))), 1):
        key, equals, value = each.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"no. {number} is not of the form key=value")
        found[unquote(key.strip())] = unquote(value.strip())
    return found
