"""`offhook recording`: why is it missing, and erase it."""

import argparse
import asyncio
import os
import pwd
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import StorageError

if TYPE_CHECKING:  # they take a second to import, and `offhook serve --help` needs none
    from .missing import Missing
    from .retention import Retention


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="recording_verb", metavar="VERB", required=True)

    why = verbs.add_parser(
        "why",
        help="where it is, or why it is missing",
        epilog="Exits 0: it is there, 1: missing, and why, 2: cannot tell.",
    )
    why.add_argument("call", metavar="CALL")
    why.add_argument(
        "--log",
        action="append",
        type=Path,
        metavar="FILE",
        help="Asterisk's full log, the agent's or syslog; may be given several times",
    )
    why.add_argument("--json", action="store_true", help="for programs")

    erase = verbs.add_parser("erase", help="its sound and words together, for good")
    erase.add_argument("call", metavar="CALL")
    erase.add_argument("--reason", default="", help="for the audit: who asked, and why")


async def why(arguments: argparse.Namespace, missing: "Missing") -> tuple[str, int]:
    """What is to be printed, and the exit status."""
    logs = arguments.log
    try:
        verdict = await missing.why(
            arguments.call, None if logs is None else map(_lines, logs)
        )
    except OSError as error:
        raise StorageError(f"cannot read {error.filename}: {error.strerror}") from error
    said = verdict.json() if arguments.json else "\n".join(verdict.lines())
    return said, verdict.status


async def erase(
    arguments: argparse.Namespace, retention: "Retention", now: datetime
) -> tuple[str, int]:
    from .retention import CallIsUp, UnknownCall

    call = arguments.call
    try:
        await retention.condemn(
            call,
            who=f"{await asyncio.to_thread(_user)}, by the command line",
            why=arguments.reason,
            now=now,
        )
    except (UnknownCall, CallIsUp) as error:
        raise StorageError(str(error)) from error
    erased = await retention.finish(call, now)
    if erased.finished_at is None:
        return (
            f"{call}: the words are erased; the sound is not yet, and the agent tries"
            f" again: {erased.last_error}",
            1,
        )
    return f"{call}: {erased.state} at {erased.at.isoformat()} by {erased.who}", 0


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        yield from file


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"
