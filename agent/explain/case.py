"""The case that every rule looks at: a record, and what the logs say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agent.calls.call import EndReason
from agent.calls.record import CallRecord
from agent.calls.transcript import Speaker, Trouble, Turn
from agent.observe.findings import Report


@dataclass(frozen=True, slots=True)
class Case:
    record: CallRecord
    now: datetime
    log: Report | None = None
    """What the logs say, if there are any."""
    facts_behind: float = 0.0
    """Facts that are not in the database yet, by the agent's metrics."""
    worker_down: bool = False
    """By the agent's metrics."""

    @property
    def over_at(self) -> datetime:
        """Now, if it is up."""
        end = self.record.end
        return self.now if end is None else end.ended_at

    @property
    def seconds(self) -> float:
        """Of talk."""
        call = self.record.call
        began = call.answered_at or call.started_at
        return max(0.0, (self.over_at - began).total_seconds())

    @property
    def reason(self) -> EndReason | None:
        return self.record.end.reason if self.record.end else None

    @property
    def detail(self) -> str:
        return self.record.end.detail if self.record.end else ""

    @property
    def hung_up_in_vain(self) -> bool:
        """The session was working at an answer, and its detail says at what."""
        return self.reason is EndReason.CALLER_HUNG_UP and self.detail != ""

    def turns(self, speaker: Speaker) -> list[Turn]:
        return [turn for turn in self.record.turns if turn.speaker is speaker]

    def troubles(self, stage: str) -> list[Trouble]:
        return [one for one in self.record.troubles if one.stage == stage]


def meanings(log: Report | None, cause: str) -> Sequence[str]:
    """What its lines of that cause mean, in their order."""
    troubles = log.more.get("troubles", ()) if log else ()
    return [str(one["said"]) for one in troubles if one["cause"] == cause]
