"""Where recordings are kept: a folder here, a bucket that speaks S3 in bucket.py.

`put` returns once the recording is safe there. Putting the same one twice
leaves one.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from .files import replacing, sync_folder
from .wav import Measured


class StoreError(Exception):
    """The store did not take a recording, or has something else now."""


class Store(Protocol):
    name: str

    def put(self, file: BinaryIO, key: str, measured: Measured) -> str:
        """Blocks. Returns the key under which the store knows the recording."""
        ...


@dataclass(frozen=True, slots=True)
class S3Config:
    """The keys come from where boto3 looks for them: AWS_ACCESS_KEY_ID and so on."""

    bucket: str
    endpoint_url: str = ""
    """Empty: Amazon's own."""
    region: str = ""
    prefix: str = ""
    """In front of each key, with or without slashes around it."""


class FolderStore:
    name = "folder"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, file: BinaryIO, key: str, measured: Measured) -> str:
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as copy:
            shutil.copyfileobj(file, copy)
            if copy.tell() != measured.bytes:
                raise StoreError(f"{path} got {copy.tell()} of {measured.bytes} bytes")
        for folder in path.parents:
            sync_folder(folder)
            if folder == self._folder:
                break
        return key
