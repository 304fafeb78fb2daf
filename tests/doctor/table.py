"""Faults as rows of a table: how a set-up is broken, and what the doctor says of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from agent.doctor.finding import Severity

from .setup import SetUp, as_text


@dataclass(frozen=True, slots=True)
class Fault:
    name: str
    break_it: Callable[[SetUp], None]
    where: str
    what: str
    severity: Severity = Severity.ERROR


def edit(file: str, old: str, new: str) -> Callable[[SetUp], None]:
    return lambda setup: setup.edit(file, old, new)


def site(**values: str) -> Callable[[SetUp], None]:
    return lambda setup: setup.site.update(values)


def env(**values: str) -> Callable[[SetUp], None]:
    return lambda setup: setup.environment.update(values)


def beside(**answers: object) -> Callable[[SetUp], None]:
    def change(setup: SetUp) -> None:
        for name, answer in answers.items():
            setattr(setup.beside, name, answer)

    return change


def fault(name, where, what, break_it, severity=Severity.ERROR):
    return Fault(name, break_it, where, what, severity)


def ais(text: str) -> Callable[[SetUp], None]:
    def change(setup: SetUp) -> None:
        path = setup.folder / "ais.toml"
        path.write_text(text)
        setup.environment["OFFHOOK_AIS"] = str(path)

    return change


def both(*changes: Callable[[SetUp], None]) -> Callable[[SetUp], None]:
    def change(setup: SetUp) -> None:
        for each in changes:
            each(setup)

    return change


class Tally:
    def __init__(self) -> None:
        self.named: dict[str, bool] = {}
        self.slowest = 0.0


async def examine(setup: SetUp, fault: Fault, tally: Tally) -> None:
    setup.render()
    began = time.monotonic()
    wrong = await setup.wrong()
    tally.slowest = max(tally.slowest, time.monotonic() - began)
    named = any(
        fault.where in each.where
        and fault.what in each.what
        and each.severity is fault.severity
        and each.fix.endswith(".")
        for each in wrong
    )
    tally.named[fault.name] = named
    assert named, as_text(wrong)
