"""Models in one archive, for sites without a network.

A plain tar, the same bytes for the same models whoever packs it: sorted, no
dates, no owners. What comes out is checked against the lock of this Offhook,
not against the one that travels along, which is there for people to read.
"""

import io
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

from .errors import BundleError, WrongFile
from .lock import File, Lock, Model, lock_text
from .part import CHUNK, Part, digest
from .progress import Progress

LOCK_NAME = "models.lock"


def pack(
    archive: Path, models: Sequence[Model], folder: Path, progress: Progress
) -> None:
    part = archive.with_name(archive.name + ".part")
    try:
        with part.open("wb") as stream:
            with tarfile.open(
                fileobj=stream, mode="w", format=tarfile.PAX_FORMAT
            ) as tar:
                text = lock_text().encode()
                tar.addfile(_member(LOCK_NAME, len(text)), io.BytesIO(text))
                for model, file in _sorted(models):
                    _add(tar, model, file, folder / model.name / file.name, progress)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(archive)
    finally:
        part.unlink(missing_ok=True)


def _sorted(models: Sequence[Model]) -> list[tuple[Model, File]]:
    pairs = [(model, file) for model in models for file in model.files]
    return sorted(pairs, key=lambda pair: (pair[0].name, pair[1].name))


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o644
    return member


def _add(
    tar: tarfile.TarFile, model: Model, file: File, path: Path, progress: Progress
) -> None:
    name = f"{model.name}/{file.name}"
    found = digest(path, lambda done: progress.at(f"packing {name}", done, file.size))
    if found != file.sha256:
        raise BundleError(
            f"{name} is damaged (SHA-256 {found}); to mend it: "
            f"offhook models fetch {model.name}"
        )
    with path.open("rb") as stream:
        tar.addfile(_member(name, file.size), stream)


def unpack(
    archive: Path, known: Lock, folder: Path, progress: Progress
) -> Sequence[str]:
    try:
        with tarfile.open(archive, "r:") as tar:
            members = _accepted(tar, known)
            for member, model, file in members:
                _extract(tar, member, folder / model.name / file.name, file, progress)
    except tarfile.TarError as error:
        raise BundleError(f"{archive} is not a bundle of models: {error}") from error
    return tuple(dict.fromkeys(model.name for _, model, _ in members))


def _accepted(
    tar: tarfile.TarFile, known: Lock
) -> list[tuple[tarfile.TarInfo, Model, File]]:
    """Every member is known by its exact name, or nothing at all is unpacked."""
    wanted = {
        f"{model.name}/{file.name}": (model, file)
        for model in known.models.values()
        for file in model.files
    }
    accepted: dict[str, tuple[tarfile.TarInfo, Model, File]] = {}
    for member in tar:
        if not member.isreg():
            raise BundleError(f"{member.name!r} in the bundle is not a plain file")
        if member.name == LOCK_NAME:
            continue
        if member.name not in wanted:
            raise BundleError(
                f"{member.name!r} in the bundle is no file of a model that this "
                "Offhook knows"
            )
        if member.name in accepted:
            raise BundleError(f"{member.name!r} is in the bundle twice")
        model, file = wanted[member.name]
        if member.size != file.size:
            raise BundleError(
                f"{member.name!r} in the bundle has {member.size} bytes, models.lock "
                f"says {file.size}: was it packed by another version of Offhook?"
            )
        accepted[member.name] = (member, model, file)
    models = {model.name: model for _, model, _ in accepted.values()}
    for name, (model, _) in wanted.items():
        if model.name in models and name not in accepted:
            raise BundleError(f"{name!r} is not in the bundle, and its model is")
    if not accepted:
        raise BundleError("no model is in the bundle")
    return list(accepted.values())


def _extract(
    tar: tarfile.TarFile,
    member: tarfile.TarInfo,
    target: Path,
    file: File,
    progress: Progress,
) -> None:
    stream = tar.extractfile(member)
    assert stream is not None, "a plain file has content"
    with stream, Part(target, file) as part:
        part.restart()
        try:
            while chunk := stream.read(CHUNK):
                part.write(chunk)
                progress.at(f"unpacking {member.name}", part.have, part.size)
            part.publish()
        except WrongFile as error:
            raise BundleError(f"{member.name!r} in the bundle: {error}") from error
