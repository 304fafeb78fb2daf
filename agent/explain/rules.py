"""Why a call was as it was: a rule for each cause, gravest first.

A rule looks at the case and says its Reason, or nothing. Add one to the module of what
it is about, a row here, and one to tests/explain/cases.py.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from agent.calls.record import CallRecord
from agent.observe.findings import Report

from . import afterwards, deeds, endings, silence, slowness, told
from .about import about, well
from .case import Case
from .verdict import Reason, Verdict

Rule = Callable[[Case], Reason | None]

RULES: Sequence[Rule] = (
    endings.fault,
    endings.provider_failed,
    silence.mute,
    silence.deaf,
    silence.other_letters,
    slowness.hung_up_in_vain,
    slowness.unanswered,
    slowness.slow,
    told.by_logs,
    silence.caller_not_heard,
    deeds.tool_refused,
    deeds.tool_failed,
    endings.cut_short,
    silence.caller_silent,
    endings.line_failed,
    endings.never_ended,
    endings.left_early,
    deeds.troubled,
    silence.pause,
    silence.interrupted_often,
    afterwards.worker_down,
    afterwards.recording,
    afterwards.recording_short,
    afterwards.webhook_not_told,
    afterwards.facts_behind,
    told.by_lines,
    afterwards.unpriced,
)


def explain(
    record: CallRecord,
    now: datetime,
    log: Report | None = None,
    facts_behind: float = 0.0,
    worker_down: bool = False,
) -> Verdict:
    case = Case(told.put_right(record, log), now, log, facts_behind, worker_down)
    found = [reason for rule in RULES if (reason := rule(case)) is not None]
    # sorted is stable: of the same weight the table's order counts.
    found.sort(key=lambda reason: -reason.weight)
    known = tuple(about(case))
    call = record.call.id
    if not found:
        return Verdict(call, "well", well(case), 0, about=known)
    first, *others = found
    return Verdict(
        call, first.cause, first.sentence, 1, first.evidence, tuple(others), known
    )


def without_record(call: str, log: Report) -> Verdict:
    """The agent has no record: it was refused, or never came so far."""
    return Verdict(call, log.cause, log.sentence, log.status, told.evidence(log))
