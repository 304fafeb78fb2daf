"""`offhook eval`: scripted callers, and whether the AI did what was expected of it."""

import argparse
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `offhook --help` need not wait for it
    from agent.settings import Settings

    from .run import MakeCall, Result
    from .scenario import Scenario


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="a scenario, or a folder of them",
    )
    parser.add_argument(
        "--audio",
        action="store_true",
        help="call by sound: the caller has a voice, and is really heard",
    )
    parser.add_argument(
        "--runs",
        type=int,
        metavar="N",
        help="make each call so often; all must pass (default: as the scenario says)",
    )
    parser.add_argument("--verbose", action="store_true", help="all transcripts")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--log", action="store_true", help="the agent's log, too")


async def run(arguments: argparse.Namespace) -> int:
    """0: all as expected, 1: something was not, 2: a file or a setting is wrong."""
    from agent.environment import SettingsError
    from agent.local.process import LocalServerError
    from agent.models.errors import ModelError
    from agent.observe import logs
    from agent.settings import read_settings

    from .scenario import ScenarioError, find, read_file

    try:
        settings = read_settings()
        level = settings.log_level if arguments.log else "CRITICAL"
        logs.set_up(level, as_json=settings.log_json)
        scenarios = [read_file(path, settings.ais) for path in find(arguments.files)]
        return await _run(arguments, settings, scenarios)
    except (SettingsError, ScenarioError) as error:
        print(f"offhook eval: {error}", file=sys.stderr)
        return 2
    except (ModelError, LocalServerError) as error:
        print(f"offhook eval: {error}", file=sys.stderr)
        return 1


async def _run(
    arguments: argparse.Namespace, settings: "Settings", scenarios: "list[Scenario]"
) -> int:
    from . import report
    from .house import model_of
    from .run import Outcome, evaluate

    results: list[Result] = []
    async with AsyncExitStack() as house:
        make_call = await _open(house, arguments, settings, scenarios)
        for scenario in scenarios:
            model = model_of(settings, scenario.ai)
            result = await evaluate(scenario, make_call, model, times=arguments.runs)
            results.append(result)
            if not arguments.json:
                report.show(result, verbose=arguments.verbose)
    if arguments.json:
        print(report.as_json(results, settings.llm_model))
    else:
        report.sum_up(results)
    return 1 if any(result.outcome is Outcome.FAIL for result in results) else 0


async def _open(
    house: AsyncExitStack,
    arguments: argparse.Namespace,
    settings: "Settings",
    scenarios: "list[Scenario]",
) -> "MakeCall":
    if arguments.audio:
        from .audio import spoken

        return (await house.enter_async_context(spoken(settings, scenarios))).make
    from .house import written

    return (await house.enter_async_context(written(settings, scenarios))).make
