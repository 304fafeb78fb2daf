"""`offhook doctor`: what is wrong with this installation, and what mends it."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--asterisk-conf",
        type=Path,
        metavar="DIR",
        help="Asterisk's configuration (default: of scripts/run, or /etc/asterisk)",
    )
    parser.add_argument(
        "--before-start",
        action="store_true",
        help="nothing runs yet: ports must be free, and nobody is asked",
    )
    parser.add_argument("--quiet", action="store_true", help="only what is wrong")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument(
        "--call", action="store_true", help="place a test call to the agent, too"
    )
    parser.add_argument(
        "--sip", metavar="URI", help="with --call: through Asterisk, sip:1000@HOST:PORT"
    )
    parser.add_argument(
        "--sipp", type=Path, default=Path("sipp"), help="with --sip: the program"
    )


async def run(
    arguments: argparse.Namespace, environment: Mapping[str, str] = os.environ
) -> int:
    """0: well, 1: warnings, 2: errors."""
    from agent.observe import logs

    logs.set_up("CRITICAL", as_json=False)  # what the parts say of themselves
    from . import report
    from .checks import findings
    from .finding import status
    from .site import look

    site = look(
        environment,
        arguments.asterisk_conf,
        before_start=arguments.before_start,
    )
    found = await findings(site)
    if arguments.call:
        from .trial_call import call

        found += await call(site, arguments.sip or "", arguments.sipp)
    if arguments.json:
        print(report.document(found))
    else:
        for line in report.lines(found, quiet=arguments.quiet):
            print(line)
    return status(found)
