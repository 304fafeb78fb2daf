"""What is left of a call in Asterisk's folder and in the spool, when it is erased.

Only where these folders are on this machine; beside a far Asterisk the uploader sees in
the row that the call is erased, and deletes what it has.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from .spool import SUFFIXES

_NAME = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,64}")
"""What may name a file, and leads nowhere else."""


class Leftovers:
    def __init__(self, monitor: Path, spool: Path) -> None:
        self._monitor = monitor
        self._rejected = spool / "rejected"

    def discard(self, call_id: str) -> None:
        """Blocks. The job stays: the uploader ends it when it finds nothing to do."""
        for path in (*self.recorded(call_id), *self.rejected(call_id)):
            path.unlink(missing_ok=True)

    def recorded(self, call_id: str) -> Iterator[Path]:
        """In Asterisk's folder."""
        if _NAME.fullmatch(call_id):
            for suffix in SUFFIXES.values():
                path = self._monitor / f"{call_id}{suffix}"
                if path.is_file() or path.is_symlink():
                    yield path

    def rejected(self, call_id: str) -> Iterator[Path]:
        """With the reasons; of files of one name the later ones are numbered."""
        if _NAME.fullmatch(call_id):
            for suffix in SUFFIXES.values():
                name = f"{call_id}{suffix}"
                yield from sorted(self._rejected.glob(name))
                yield from sorted(self._rejected.glob(f"{name}.*"))
