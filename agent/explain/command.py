"""The verb `offhook explain`."""

import argparse
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from agent.observe.findings import Report
from agent.storage.errors import StorageError

from . import rules, sources
from .afterwards import why_facts_wait
from .sources import AgentConfig, DatabaseAway, Found, NoAnswer
from .verdict import Verdict


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Exits 0: nothing was wrong, 1: something was, 2: cannot tell."
    parser.add_argument("call", metavar="CALL", help="its id: Asterisk's UNIQUEID")
    parser.add_argument("--url", help="of the agent; the settings' port here")
    parser.add_argument(
        "--database",
        nargs="?",
        const="",
        metavar="URL",
        help="read the record from the database, and ask no agent;"
        " without URL: DATABASE_URL",
    )
    parser.add_argument(
        "--log",
        "--asterisk",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="the agent's log or Asterisk's full log; may be given several times",
    )
    parser.add_argument("--json", action="store_true", help="for programs")


async def run(
    arguments: argparse.Namespace,
    agent: AgentConfig,
    database: str,
    now: datetime,
    say: Callable[[str], object] = print,
) -> int:
    """`database`: the settings' URL."""
    call = arguments.call
    try:
        log = await sources.from_logs(call, arguments.log, now)
        verdict = await _verdict(arguments, agent, database, now, log)
    except (NoAnswer, StorageError) as error:
        sys.stderr.write(f"offhook: {error}\n")
        return 2
    except OSError as error:
        why = f"cannot read {error.filename}: {error.strerror}"
        sys.stderr.write(f"offhook: {why}\n")
        return 2
    say(verdict.json() if arguments.json else "\n".join(verdict.lines()))
    return verdict.status


async def _verdict(
    arguments: argparse.Namespace,
    agent: AgentConfig,
    database: str,
    now: datetime,
    log: Report | None,
) -> Verdict:
    call = arguments.call
    try:
        if arguments.database is not None:
            found = await sources.from_database(call, arguments.database or database)
        else:
            given = AgentConfig(arguments.url, agent.token) if arguments.url else agent
            found = await sources.from_agent(call, given)
    except DatabaseAway as error:
        return Verdict(
            call,
            "database_away",
            "the agent is up and its database is not: calls go on, and what happens in"
            " them is kept in its journal until the database is back"
            f"{why_facts_wait(log)}",
            1,
            (str(error),),
        )
    except NoAnswer:
        if log is None or log.status == 2:
            raise
        return rules.without_record(call, log)
    return _of(call, found, now, log)


def _of(call: str, found: Found, now: datetime, log: Report | None) -> Verdict:
    if found.record is not None:
        return rules.explain(
            found.record, now, log, found.facts_behind, found.worker_down
        )
    if found.facts_behind and (log is None or log.status != 1):
        return Verdict(
            call,
            "not_yet",
            f"there is no record of {call} yet: {found.facts_behind:.0f} facts wait in"
            f" the agent's journal for the database{why_facts_wait(log)}",
            1,
        )
    if log is not None and log.status != 2:
        return rules.without_record(call, log)
    return Verdict(
        call,
        "unknown_call",
        f"there is no record of {call}: it never reached the agent, or was refused"
        " (--log FILE says which), or it was erased",
        2,
    )
