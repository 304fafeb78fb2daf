"""What is kept of a call: what was said and done in it, and its recordings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from .call import Call, CallEnd, HangupCause
from .transcript import ToolUse, Trouble, Turn
from .usage import Use


class Track(StrEnum):
    """Whose voice a recording holds."""

    MIX = "mix"
    USER = "user"
    """The caller alone."""
    ASSISTANT = "assistant"
    """The AI alone."""


class RecordingState(StrEnum):
    """Where a track of a recording is on its way."""

    WAITING = "waiting"
    """It is known of, and not stored yet: nothing has failed."""
    FAILING = "failing"
    """Storing it has failed `attempts` times; `last_error` says how, `next_try` when
    it is tried again. The original is still where Asterisk wrote it."""
    STORED = "stored"
    """It is under `key` in `store`, verified; the original is deleted."""
    REJECTED = "rejected"
    """It can never be stored; `last_error` says why. What there was of it is kept in
    the spool, in `rejected`."""
    EXPIRED = "expired"
    """Deleted because it was older than recordings are kept."""
    ERASED = "erased"
    """Deleted because somebody asked for it."""


@dataclass(frozen=True, slots=True)
class Gap:
    """MixMonitor writes nothing while neither side sends: the recording is shorter
    than the call, and what follows comes earlier in it."""

    at: float
    """Seconds from the beginning of the recording."""
    seconds: float
    """Which are missing there."""


@dataclass(frozen=True, slots=True)
class Recording:
    call_id: str
    track: Track
    store: str
    """Where `key` means something: `folder`, or `s3://<bucket>`."""
    key: str
    """Relative to the folder, or the object's whole key in the bucket."""
    bytes: int
    seconds: float
    sha256: str
    """Hexadecimal, of the whole file as it is stored."""
    created_at: datetime
    """When it was first heard of."""
    state: RecordingState = RecordingState.STORED
    format: str = "wav"
    """As in `OFFHOOK_RECORDING_FORMAT`; the key ends in it."""
    rate: int = 8000
    """Samples a second of the original."""
    samples: int = 0
    """Of the original."""
    source_sha256: str = ""
    """Of the WAV file that Asterisk wrote."""
    closed_at: datetime | None = None
    """When Asterisk closed it."""
    stored_at: datetime | None = None
    attempts: int = 0
    """To store it, in vain."""
    last_error: str = ""
    next_try: datetime | None = None
    gaps: tuple[Gap, ...] = ()
    removed_at: datetime | None = None
    """When it was deleted from the store: `EXPIRED` or `ERASED`."""


@dataclass(frozen=True, slots=True)
class Untold:
    """An event of the call that a webhook has not been told."""

    webhook: str
    event: str
    """Its type."""
    since: datetime
    error: str
    """Of the last try; if it waits behind another event, of that one's."""
    next_try: datetime | None
    """None: as soon as it is its turn, or never."""
    given_up: bool
    """It is never tried again by itself."""


@dataclass(frozen=True, slots=True)
class ListedCall:
    call: Call
    end: CallEnd | None
    """None: the call is up."""
    cause: HangupCause | None = None
    cost: float | None = 0.0
    """None: something was used that has no price."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    call: Call
    end: CallEnd | None
    """None: the call is up."""
    turns: tuple[Turn, ...] = ()
    tool_uses: tuple[ToolUse, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    recordings: tuple[Recording, ...] = ()
    uses: tuple[Use, ...] = ()
    cause: HangupCause | None = None
    cost: float | None = 0.0
    variables: Mapping[str, str] = field(default_factory=dict)
    """What was known at its end, or is known now; `call.variables` is left empty."""
    untold: tuple[Untold, ...] = ()
