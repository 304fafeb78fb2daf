"""What the operator decides about recordings and documents.

Apart, because SQLAlchemy and the clients of stores take their time to import.
"""

from dataclasses import dataclass, field
from pathlib import Path

from .encoding import Format


@dataclass(frozen=True, slots=True)
class S3Config:
    """The keys come from where boto3 looks for them: AWS_ACCESS_KEY_ID and so on."""

    bucket: str
    endpoint_url: str = ""
    """Empty: Amazon's own."""
    region: str = ""
    prefix: str = "recordings"
    """In front of each key, with or without slashes around it."""
    create: bool = True
    """Whether the bucket may be made if it is not there."""
    retention_days: int = 0
    """After which the server itself deletes; 0: never."""


@dataclass(frozen=True, slots=True)
class RecordingsConfig:
    monitor: Path
    """Where Asterisk's MixMonitor writes."""
    spool: Path
    """Where scripts/upload-recording.sh leaves its jobs."""
    folder: Path
    """Where recordings are kept if there is no bucket."""
    s3: S3Config | None = None
    format: Format = Format.WAV
    retention_days: int = 0
    """0: they are kept for ever."""


@dataclass(frozen=True, slots=True)
class RemoteLedgerConfig:
    url: str
    """Of the agent, without a path."""
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class EmbeddingsConfig:
    url: str
    """Ends in /v1, or whatever `/embeddings` stands behind."""
    model: str
    key: str = field(default="", repr=False)
    batch_deadline: float = 60.0
    """Seconds for a batch of passages."""
    query_deadline: float = 0.5
    """Seconds for a query: somebody is waiting on the telephone."""
