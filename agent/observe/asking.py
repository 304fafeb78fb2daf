"""The command line of the scripts that look into logs: which call, which files.

Reads, and writes nothing but its answer.
"""

import argparse
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from .findings import Report
from .onecall import OneCall, gather

FULL = "/var/log/asterisk/full"
LARGE = 32_000_000
"""Bytes."""
NEAR = 20_000
"""Lines."""


def ask(
    about: str,
    look: Callable[[OneCall], Report],
    arguments: Sequence[str] | None = None,
) -> int:
    """Prints what `look` says of the call. The exit status."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # | head
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("call", metavar="ID")
    add_files(parser)
    parser.add_argument(
        "--brief", action="store_true", help="only the verdicts, not the lines"
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    asked = parser.parse_args(arguments)
    try:
        texts = (around(asked.call, name) for name in files(asked))
        call = gather(asked.call, texts, datetime.now(UTC))
    except OSError as error:
        return unreadable(parser.prog, error)
    report = look(call)
    if asked.json:
        sys.stdout.write(report.json() + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in report.lines(brief=asked.brief))
    return report.status


def add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help=f"Asterisk's full log, the agent's, syslog, - for stdin; else {FULL}",
    )
    for name in ("--log", "--asterisk", "--agent"):
        parser.add_argument(
            name, action="append", dest="more", metavar="FILE", help="the same"
        )


def files(asked: argparse.Namespace) -> list[str]:
    return [*asked.files, *(asked.more or [])] or [FULL]


def around(call: str, name: str, *, large: int = LARGE) -> Iterator[str]:
    """Of a large file only what stands near lines with the id: a busy Asterisk's log is
    gigabytes, and what follows keeps all that it is given."""
    if name == "-" or Path(name).stat().st_size < large:
        yield from lines_of(name)
        return
    named, number = [], 0
    for number, text in enumerate(lines_of(name)):
        if call in text:
            named.append(number)
    first, last = (named[0] - NEAR, named[-1] + NEAR) if named else (0, -1)
    for here, text in enumerate(lines_of(name)):
        # The ends show whose log it is and how far it goes. Where Asterisk was started
        # anew is worth knowing, however much later.
        if first <= here <= last or here in (0, number) or " built by " in text:
            yield text


def lines_of(name: str) -> Iterator[str]:
    if name == "-":
        # Logs hold what callers sent: not always UTF-8.
        # Nor does a lone carriage return end a line.
        sys.stdin.reconfigure(  # type: ignore[union-attr]
            encoding="utf-8", errors="replace", newline="\n"
        )
        yield from sys.stdin
        return
    with Path(name).open(encoding="utf-8", errors="replace", newline="\n") as file:
        yield from file


def unreadable(program: str, error: OSError) -> int:
    said = f"{program}: cannot read {error.filename}: {error.strerror}\n"
    sys.stderr.write(said)
    return 2
