"""What a look into logs comes to: one verdict a line, and one sentence over all."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .lines import printable


class State(StrEnum):
    OK = "ok"
    MISSING = "missing"
    BROKEN = "broken"
    NOT_ASKED = "not asked"
    """It was not its turn: the call ended before, or needs none."""
    UNKNOWN = "cannot tell"
    NOTICED = "noticed"
    """Not as it should be, and no reason for a call to fail."""


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    state: State
    said: str = ""
    when: str = ""
    evidence: tuple[str, ...] = ()

    @property
    def bad(self) -> bool:
        return self.state in (State.MISSING, State.BROKEN)


@dataclass(frozen=True, slots=True)
class Report:
    call: str
    cause: str
    """One word, the same for every call that it is said of."""
    sentence: str
    status: int
    """For a shell: 0 well, 1 something is missing or broken, 2 nothing was found."""
    findings: tuple[Finding, ...] = ()
    body: tuple[str, ...] = ()
    """Lines to show before: a timeline, a ladder."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """For programs."""

    def lines(self, *, brief: bool = False) -> Iterator[str]:
        if not brief:
            for text in self.body:
                yield printable(text).rstrip()
            if self.body:
                yield ""
        for each in self.findings:
            head = f"{each.state:11}  {each.what}"
            tail = ", ".join(part for part in (each.when, each.said) if part)
            yield printable(f"{head}: {tail}" if tail else head)
            if each.state is not State.OK:
                for text in each.evidence:
                    yield f"             {printable(text)}"
        yield printable(f"{self.call}: {self.sentence}")

    def json(self) -> str:
        return json.dumps(
            {
                "call": self.call,
                "well": self.status == 0,
                "cause": self.cause,
                "sentence": self.sentence,
                "findings": [
                    {
                        "what": each.what,
                        "state": each.state.value,
                        "said": each.said,
                        "when": each.when,
                        "evidence": [printable(text) for text in each.evidence],
                    }
                    for each in self.findings
                ],
                **self.more,
            }
        )


def nothing_of(call: str) -> Report:
    said = "no line of this call is in these logs"
    return Report(call, "unknown_call", said, 2)
