"""Makes a scenario's call as often as it wants, and says what came of it."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from .judge import Happened, faults
from .scenario import Scenario

MakeCall = Callable[[Scenario], Awaitable[Happened]]


class Outcome(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    TOO_HARD = "too hard"
    """Failed, with a model of which the scenario says that it will."""


@dataclass(frozen=True, slots=True)
class Run:
    happened: Happened
    faults: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Result:
    scenario: Scenario
    outcome: Outcome
    runs: tuple[Run, ...]

    @property
    def passed(self) -> int:
        return sum(not run.faults for run in self.runs)

    @property
    def slowest(self) -> float | None:
        """Seconds that the caller waited for a first word, at worst."""
        waits = [
            reply.seconds
            for run in self.runs
            for reply in run.happened.replies
            if reply.turn is not None and reply.seconds is not None
        ]
        return max(waits, default=None)


async def evaluate(
    scenario: Scenario, make_call: MakeCall, model: str, *, times: int | None = None
) -> Result:
    """`times`: instead of the scenario's own `runs`; each must pass then."""
    script = scenario.script
    runs = tuple([await _run(scenario, make_call) for _ in range(times or script.runs)])
    needed = len(runs) if times else script.must_pass or script.runs
    if sum(not run.faults for run in runs) >= needed:
        outcome = Outcome.PASS
    elif model in script.beyond:
        outcome = Outcome.TOO_HARD
    else:
        outcome = Outcome.FAIL
    return Result(scenario, outcome, runs)


async def _run(scenario: Scenario, make_call: MakeCall) -> Run:
    began = time.monotonic()
    happened = await make_call(scenario)
    seconds = time.monotonic() - began
    return Run(happened, tuple(faults(scenario.script, happened)), seconds)
