"""One call, from its first message to the reason why it ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from .customer import DEFAULT


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


class EndReason(StrEnum):
    """Every way in which a call can end. The first reason given is kept."""

    CALLER_HUNG_UP = "caller_hung_up"
    """Asterisk closed the socket, as it does at the caller's BYE."""
    SOCKET_LOST = "socket_lost"
    """The socket broke, and nobody had closed it; the end's detail says how."""
    AGENT_HUNG_UP = "agent_hung_up"
    """The AI said goodbye and used its `end_call` tool."""
    AGENT_LEFT = "agent_left"
    """The AI used `stop_service`: the dialplan goes on behind it."""
    CONNECTED = "connected"
    """Handed over; the end's detail says to whom."""
    CALLER_SILENT = "caller_silent"
    """Nobody answered the AI's reprompts."""
    PROVIDER_FAILED = "provider_failed"
    """No ears, mind or voice was left to go on with; the troubles say why."""
    OPERATOR_HUNG_UP = "operator_hung_up"
    """`DELETE /calls/{id}`."""
    NO_MEDIA_START = "no_media_start"
    """A socket was opened, and nothing that begins a call came over it."""
    UNSUPPORTED_FORMAT = "unsupported_format"
    """Asterisk announced a codec that we do not speak."""
    TOO_LONG = "too_long"
    """The AI's `max_minutes` were over."""
    AGENT_FAILED = "agent_failed"
    """Our fault: see the log line with the call's id."""
    AGENT_DIED = "agent_died"
    """Its process ended during the call; told by the one that came after it, which
    knows the time only as nearly as the dead one's last sign of life."""
    SHUTDOWN = "shutdown"
    """The agent was stopped while the call was up."""


@dataclass(frozen=True, slots=True)
class Call:
    id: str
    """`${UNIQUEID}` of the caller's channel; ours if the dialplan passed none."""
    caller: str
    called: str
    direction: Direction
    ai: str
    """Name of the AI that answers."""
    started_at: datetime
    channel_id: str = ""
    """Asterisk's id of the AI leg, from MEDIA_START."""
    codec: str = ""
    dialect: str = ""
    """How the other side speaks: json, plain-text or envelope."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the dialplan told us besides, by v(name=value)."""
    customer: str = DEFAULT
    ai_version: int = 0
    """Which the call keeps, whatever becomes of the AI meanwhile. 0: not known."""
    answered_at: datetime | None = None
    """None: it rings."""


@dataclass(frozen=True, slots=True)
class CallEnd:
    reason: EndReason
    ended_at: datetime
    detail: str = ""
    """What a tired operator wants to read beside the reason; may be empty."""


@dataclass(frozen=True, slots=True)
class HangupCause:
    """Why the caller's line was cleared, as Asterisk knows it."""

    q850: int
    """16: normal clearing."""
    sip: int = 0
    """The status of the SIP response, e.g. 486. 0: none came, or another protocol."""
