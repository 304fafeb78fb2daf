"""`offhook config`: every setting as it counts, and where it comes from."""

import argparse
import json
import os
import sys
from collections.abc import Mapping

from agent.contradictions import idle
from agent.variables import Variable, VariableError, Variables, unknown

_OF_BOTO = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
"""Read by boto3 itself."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument(
        "--set", action="store_true", help="only what is not the default"
    )


async def run(
    arguments: argparse.Namespace, environment: Mapping[str, str] = os.environ
) -> int:
    """0: all is well, 1: a variable is unknown, 2: the settings are refused."""
    from agent.environment import SettingsError
    from agent.settings import read_settings, refusals

    variables, refused = Variables(environment), ""
    try:
        settings = read_settings(variables, look_only=True)
        if settings.recordings.s3 is not None:
            for name in _OF_BOTO:
                variables.text(name, "")
        for name in settings.secrets:
            variables.read[name] = Variable(name, settings.secrets[name], "environment")
        refused = "\n".join(map(str, refusals(settings, variables)))
    except (SettingsError, VariableError) as error:
        refused = str(error)
    shown = [
        each
        for name, each in sorted(variables.read.items())
        if not (arguments.set and each.source == "default")
    ]
    strangers, useless = unknown(environment), list(idle(variables))
    if arguments.json:
        print(_document(shown, strangers, useless, refused))
    else:
        _print(shown, strangers, useless, refused)
    return 2 if refused else int(bool(strangers))


def _print(
    shown: list[Variable],
    strangers: list[tuple[str, str]],
    useless: list[tuple[str, str]],
    refused: str,
) -> None:
    names = max((len(each.name) for each in shown), default=0)
    for each in shown:
        value = each.shown if each.value else "(none)"
        print(f"{each.name:<{names}}  {value}  [{each.source}]")
    for name, near in strangers:
        hint = f"; did you mean {near}?" if near else ""
        print(f"offhook config: nobody reads {name}{hint}", file=sys.stderr)
    for name, why in useless:
        print(f"offhook config: {name} has no effect: {why}", file=sys.stderr)
    for line in refused.splitlines():
        print(f"offhook config: {line}", file=sys.stderr)


def _document(
    shown: list[Variable],
    strangers: list[tuple[str, str]],
    useless: list[tuple[str, str]],
    refused: str,
) -> str:
    return json.dumps(
        {
            "settings": [
                {"name": each.name, "value": each.shown, "source": each.source}
                for each in shown
            ],
            "unknown": [
                {"name": name, "nearest": near or None} for name, near in strangers
            ],
            "without_effect": [{"name": name, "why": why} for name, why in useless],
            "refused": refused or None,
        },
        indent=2,
    )
