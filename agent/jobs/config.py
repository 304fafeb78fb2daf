"""What `offhook work` can be told; apart, because DBOS takes its time to import."""

from dataclasses import dataclass

from agent.net.addresses import Network


@dataclass(frozen=True, slots=True)
class DeliveryConfig:
    """All in seconds, but for what says otherwise."""

    schedule: tuple[float, ...] = (
        *(0, 5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600),
        *(20 * 3600, 24 * 3600),
    )
    """Before each try; there are as many tries. That of Standard Webhooks."""
    jitter: float = 0.2
    """Each pause is longer or shorter by up to this part of it."""
    timeout: float = 15.0
    """For all of one try, up to the answer's headers."""
    allow: tuple[Network, ...] = ()
    """Addresses that are not public, and may be called all the same."""
    at_once: int = 32
    """Requests under way."""
    answer: int = 4096
    """Bytes of an answer that are read."""
    longest_wish: float = 3600.0
    """No receiver puts us off for longer than this or the schedule."""
    nap: float = 10.0
    """A shorter pause is no step of its own."""
    look_every: float = 0.5
    lap: int = 50
    """Deliveries in one step of a workflow."""
    laps: int = 50
    """Steps of a workflow; then another one goes on, and this one can be forgotten."""
    recovery: float = 30.0
    """For workflows of the last worker to be carried on before new ones take over."""
    remembered: float = 86400.0
    """How long DBOS keeps what a workflow did once it is over."""


@dataclass(frozen=True, slots=True)
class WorkConfig:
    database_url: str
    port: int = 7861
    """On loopback: /healthz and /metrics."""
    deliveries: DeliveryConfig = DeliveryConfig()
