"""Folders, disks, limits of this machine; recordings that do not get on."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from .finding import Finding, error, ok, warning
from .site import Site

_CALL_BYTES = 3 * 16_000
"""A second of a call's three recordings."""
_LEAST_BYTES = 200 * 2**20
_STUCK_SECONDS = 600
_FORGOTTEN_SECONDS = 86_400


def folders(site: Site) -> Iterator[Finding]:
    """They are there or can be made, and we may write."""
    settings = site.settings
    if settings is None:
        return
    kept = settings.recordings
    wanted = {
        "OFFHOOK_DATA": settings.data,
        "OFFHOOK_MONITOR": kept.monitor,
        "OFFHOOK_SPOOL": kept.spool,
    }
    if kept.s3 is None:
        wanted["OFFHOOK_RECORDINGS"] = kept.folder
    worst: list[Finding] = []
    room = settings.max_calls * 3600 * _CALL_BYTES
    for variable, folder in wanted.items():
        nearest = _nearest(folder)
        if not nearest.is_dir():
            worst.append(
                error(
                    f"{folder}: {nearest} is not a folder",
                    variable,
                    f"Make the folder, or name another by {variable}.",
                )
            )
        elif not os.access(nearest, os.W_OK | os.X_OK):
            worst.append(
                error(
                    f"{folder} cannot be written to by this user ({os.geteuid()})",
                    variable,
                    f"Give it to the agent's user: chown {folder}, or name another.",
                )
            )
        else:
            worst += _space(site, variable, nearest, room)
    yield from worst or [ok("folders can be written to, and have room")]


def _space(site: Site, variable: str, folder: Path, room: int) -> Iterator[Finding]:
    free = site.machine.free_bytes(folder)
    if free < _LEAST_BYTES:
        yield error(
            f"{free / 2**20:.0f} MiB are free on the disk of {folder}: calls are not"
            " recorded when it is full",
            variable,
            "Make room on this disk.",
        )
    elif free < room and variable in ("OFFHOOK_MONITOR", "OFFHOOK_RECORDINGS"):
        yield warning(
            f"{free / 2**30:.1f} GiB are free on the disk of {folder}: less than an"
            f" hour of OFFHOOK_MAX_CALLS calls ({room / 2**30:.1f} GiB)",
            variable,
            "Make room on this disk, or keep recordings in a bucket.",
        )


def _nearest(folder: Path) -> Path:
    """Itself, or what is there of its way."""
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def uploads(site: Site) -> Iterator[Finding]:
    """Recordings that lie about, and facts that the database did not take."""
    settings = site.settings
    if settings is None:
        return
    kept, now = settings.recordings, time.time()
    waiting = _older(kept.spool, "*.job", now - _STUCK_SECONDS)
    if waiting:
        yield warning(
            f"{len(waiting)} recordings wait in the spool, the oldest"
            f" ({waiting[0].name}) for {_age(waiting[0], now)}",
            kept.spool,
            "Look for [REC] in the log of offhook work: it says why.",
        )
    if rejected := _older(kept.spool / "rejected", "*.reason", now):
        yield warning(
            f"{len(rejected)} recordings were rejected",
            kept.spool / "rejected",
            "Read the .reason files, mend, and move the WAV files back.",
        )
    if forgotten := _older(kept.monitor, "*.wav", now - _FORGOTTEN_SECONDS):
        yield warning(
            f"{len(forgotten)} recordings of yesterday or before were never stored",
            kept.monitor,
            "Start offhook work, or look at why it does not store them.",
        )
    refused = settings.data / "journal" / "rejected.jsonl"
    if refused.is_file() and refused.stat().st_size:
        yield warning(
            "facts of calls were rejected by the database",
            refused,
            "Report the lines, and move the file away.",
        )


def _older(folder: Path, pattern: str, than: float) -> list[Path]:
    try:
        found = [
            (path.stat().st_mtime, path)
            for path in folder.glob(pattern)
            if path.is_file()
        ]
    except OSError:
        return []
    return [path for changed, path in sorted(found) if changed <= than]


def _age(path: Path, now: float) -> str:
    minutes = (now - path.stat().st_mtime) / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"


def limits(site: Site) -> Iterator[Finding]:
    settings = site.settings
    if settings is None:
        return
    needed, there = 128 + 8 * settings.max_calls, site.machine.open_files()
    if 0 <= there < needed:
        yield error(
            f"{there} files may be open at once, {settings.max_calls} calls need"
            f" {needed}",
            "ulimit -n",
            "Raise it: ulimit -n, LimitNOFILE= of the unit, LIMIT_NOFILE of compose.",
        )
    else:
        yield ok(f"{there} files may be open at once")
