"""What is said of every call, and of one that went well."""

from collections.abc import Iterator

from agent.calls.ai import CONSENT

from . import waits
from .case import Case
from .words import ENDS, clock, q850


def about(case: Case) -> Iterator[str]:
    record, end = case.record, case.record.end
    call = record.call
    yield (
        f"{clock(call.started_at)} from {call.caller or 'unknown'} to"
        f" {call.called or 'unknown'}, AI {call.ai}, {call.codec or 'no codec'}"
    )
    if end is not None:
        detail = f" ({end.detail})" if end.detail else ""
        yield f"{clock(end.ended_at)} ended: {ENDS[end.reason]}{detail}"
    if record.cause is not None:
        sip = f", SIP {record.cause.sip}" if record.cause.sip else ""
        yield f"line cleared with {record.cause.q850}{sip}: {q850(record.cause.q850)}"
    found = [one.seconds for one in waits.of(record)]
    if found:
        longest = max(found)
        yield f"{len(found)} answers, heard after at most {longest:.2f} s"
    if CONSENT in record.variables:
        yield f"the caller had heard the consent line at {record.variables[CONSENT]}"
    for one in record.recordings:
        yield f"recording {one.track}: {one.state}"


def well(case: Case) -> str:
    end = case.record.end
    if end is None:
        return (
            f"the call is up, since {case.seconds:.0f} s, and nothing is wrong with it"
        )
    answers = len(list(waits.of(case.record)))
    detail = f": {end.detail}" if end.detail else ""
    return (
        f"nothing was wrong: {ENDS[end.reason]}{detail} after {case.seconds:.0f} s and"
        f" {answers} answers"
    )
