"""What explain comes to: one sentence, what it rests on, and what else was noticed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from agent.observe.lines import printable


class Weight(IntEnum):
    NOTICED = 1
    """Not as it should be; the caller hardly felt it."""
    FELT = 2
    """The caller felt it, and the call went on."""
    FATAL = 3
    """It ended the call, or kept it from being one."""


@dataclass(frozen=True, slots=True)
class Reason:
    cause: str
    """One word, the same for every call that it is said of."""
    sentence: str
    evidence: tuple[str, ...] = ()
    weight: Weight = Weight.FELT


@dataclass(frozen=True, slots=True)
class Verdict:
    call: str
    cause: str
    sentence: str
    status: int
    """For a shell: 0 nothing was wrong, 1 something was, 2 we cannot tell."""
    evidence: tuple[str, ...] = ()
    besides: tuple[Reason, ...] = ()
    """What else was noticed, the gravest first."""
    about: tuple[str, ...] = ()
    """What is known of the call in any case."""

    def lines(self) -> Iterator[str]:
        yield printable(f"{self.call}: {self.sentence}")
        for text in self.evidence:
            yield printable(f"    {text}")
        for each in self.besides:
            yield printable(f"  besides: {each.sentence}")
            for text in each.evidence:
                yield printable(f"    {text}")
        for text in self.about:
            yield printable(f"  {text}")

    def json(self) -> str:
        return json.dumps(
            {
                "call": self.call,
                "well": self.status == 0,
                "cause": self.cause,
                "sentence": self.sentence,
                "evidence": self.evidence,
                "besides": [
                    {
                        "cause": each.cause,
                        "sentence": each.sentence,
                        "evidence": each.evidence,
                        "weight": each.weight.name.lower(),
                    }
                    for each in self.besides
                ],
                "about": self.about,
            }
        )
