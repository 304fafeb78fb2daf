"""One run that brings models: source after source, until the hash is right."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from .config import ModelsConfig
from .download import download
from .errors import FetchError, SourceError, Unreachable, WrongFile
from .lock import File, Hub, Installed, Model, Source, Wheel
from .part import CHUNK, Part
from .progress import Progress
from .wheels import Wheels


@dataclass(frozen=True, slots=True)
class Mirror:
    """The operator's own copy: MODEL/FILE under a folder or an address."""

    address: str

    def __str__(self) -> str:
        parts = urlsplit(self.address)
        if not parts.username:
            return f"mirror {self.address}"
        host = parts.netloc.rpartition("@")[2]
        return f"mirror {parts.scheme}://{host}{parts.path}"


class Fetch:
    """Remembers, for one run, who did not answer and which wheels are here."""

    def __init__(self, config: ModelsConfig, progress: Progress) -> None:
        self._config = config
        self._progress = progress
        self._unreachable: set[type] = set()
        self._wheels = Wheels(
            config.folder / ".wheels",
            config.pip_arguments,
            silence_seconds=config.pip_seconds,
        )

    def file(self, model: Model, file: File) -> None:
        """Brings one file, or raises FetchError with what every source said."""
        name = f"{model.name}/{file.name}"
        failures = []
        with Part(self._config.folder / model.name / file.name, file) as part:
            for source in self._sources(file):
                if type(source) in self._unreachable:
                    failures.append(f"  {source}: did not answer before")
                    continue
                try:
                    self._from(source, model, file, part)
                except SourceError as error:
                    if isinstance(error, Unreachable):
                        self._unreachable.add(type(source))
                    failures.append(f"  {source}: {error}")
                    self._progress.said(f"{name}: {source}: {error}")
                else:
                    self._progress.said(f"{name}: from {source}")
                    return
        raise FetchError("\n".join([f"{name}: no source gave it", *failures]))

    def forget_wheels(self, still_wanted: Sequence[Model]) -> None:
        self._wheels.forget(
            except_for=[
                part
                for model in still_wanted
                for file in model.files
                for source in file.sources
                if isinstance(source, Wheel)
                for part in source.parts
            ]
        )

    def _sources(self, file: File) -> Iterator[Mirror | Source]:
        if self._config.mirror:
            yield Mirror(self._config.mirror)
        for source in file.sources:
            if self._config.hub or not isinstance(source, Hub):
                yield source

    def _from(
        self, source: Mirror | Source, model: Model, file: File, part: Part
    ) -> None:
        began_with = part.have
        try:
            self._bring(source, model, file, part)
            part.publish()
        except WrongFile:
            if isinstance(source, Wheel):
                self._wheels.drop(source)
            if isinstance(source, Wheel) or not began_with:
                raise
            # The wrong bytes may be those of an earlier run, not of this source.
            self._bring(source, model, file, part)
            part.publish()

    def _bring(
        self, source: Mirror | Source, model: Model, file: File, part: Part
    ) -> None:
        label = f"{model.name}/{file.name}"
        match source:
            case Mirror(address) if address.startswith(("http://", "https://")):
                url = f"{address.rstrip('/')}/{quote(model.name)}/{quote(file.name)}"
                self._download(url, part, label)
            case Mirror(address):
                self._copy(_folder(address) / model.name / file.name, part, label)
            case Hub(repository, revision, path):
                url = f"{self._config.hub.rstrip('/')}/{repository}/resolve/{revision}"
                self._download(f"{url}/{quote(path)}", part, label)
            case Installed(package, path):
                self._copy(_installed(package) / path, part, label)
            case Wheel():
                self._wheels.bring(source, part, label=label, progress=self._progress)

    def _download(self, url: str, part: Part, label: str) -> None:
        download(
            url,
            part,
            label=label,
            connect_seconds=self._config.connect_seconds,
            read_seconds=self._config.read_seconds,
            progress=self._progress,
        )

    def _copy(self, path: Path, part: Part, label: str) -> None:
        try:
            stream = path.open("rb")
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error.strerror}") from error
        with stream:
            part.restart()
            while chunk := stream.read(CHUNK):
                part.write(chunk)
                self._progress.at(label, part.have, part.size)


def _installed(package: str) -> Path:
    try:
        return Path(str(metadata.distribution(package).locate_file("")))
    except metadata.PackageNotFoundError as error:
        raise SourceError("that package is not installed") from error


def _folder(address: str) -> Path:
    if address.startswith("file://"):
        return Path(url2pathname(urlsplit(address).path))
    return Path(address)
