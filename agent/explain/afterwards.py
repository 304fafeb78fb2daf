"""What is done with a call behind its end: its recording is stored, webhooks are told,
and its record and its cost come into the database.
"""

import re
from datetime import timedelta

from agent.calls.call import EndReason
from agent.calls.record import Recording, RecordingState
from agent.observe import store_errors
from agent.observe.findings import Report

from .case import Case, meanings
from .verdict import Reason, Weight
from .words import clock

_DONE = timedelta(minutes=1)
"""In which all of it is done, if nothing is wrong."""
_NOT_STORED = (
    (RecordingState.REJECTED, "the recording can never be stored"),
    (RecordingState.FAILING, "the recording cannot be stored so far"),
)
_GONE = (
    (RecordingState.ERASED, "the recording was erased on request"),
    (RecordingState.EXPIRED, "the recording is older than they are kept"),
)
_RECEIVERS = tuple(
    (re.compile(pattern), meaning)
    for pattern, meaning in (
        (
            r"is not a public address",
            "its address leads into a network and is refused, unless"
            " OFFHOOK_WEBHOOK_ALLOW has it",
        ),
        (r"^3\d\d ", "its receiver redirects, which is not followed"),
        (r"^4(?:01|03) ", "its receiver answers, and refuses"),
        (r"^4(?:04|10) ", "its receiver has nothing at that address"),
        (r"^429 ", "its receiver wants fewer requests"),
        (r"^\d\d\d ", "its receiver answers, and fails"),
        (r"no answer within", "its receiver takes it and does not answer"),
        (
            r"disconnected|RemoteProtocolError|illegal|ReadError|reset",
            "its receiver closed the connection without an answer in HTTP",
        ),
        (
            r"CERTIFICATE|certificate|SSL|TLS",
            "the certificate of its receiver is not to be trusted, or TLS fails",
        ),
        (
            r"connection attempts failed|refused|did not answer|unreachable",
            "its receiver could not be reached",
        ),
        (r"Name or service|resolve|getaddrinfo", "its name is not known to DNS"),
    )
)
"""What the error of a webhook means; the first that fits."""


def recording(case: Case) -> Reason | None:
    return _not_stored(case) or _gone(case) or _not_come(case)


def _not_stored(case: Case) -> Reason | None:
    for state, what in _NOT_STORED:
        if bad := [one for one in case.record.recordings if one.state is state]:
            error = bad[0].last_error
            return Reason(
                f"recording_{state.value}",
                f"{what}: {store_errors.meaning(error)}{error}" if error else what,
                tuple(map(_recording_line, bad)),
                Weight.NOTICED,
            )
    return None


def _gone(case: Case) -> Reason | None:
    for state, what in _GONE:
        if any(one.state is state for one in case.record.recordings):
            return Reason(f"recording_{state.value}", what, weight=Weight.NOTICED)
    return None


def _not_come(case: Case) -> Reason | None:
    """It waits, or the agent never heard of it."""
    if case.record.end is None or case.now - case.over_at < _DONE:
        return None
    tracks = case.record.recordings
    if waiting := [one for one in tracks if one.state is RecordingState.WAITING]:
        error = waiting[0].last_error
        return Reason(
            "recording_waiting",
            "the recording has not come to its store since the call is over:"
            f" {_where(case.log) or store_errors.meaning(error) + error}",
            tuple(map(_recording_line, waiting)),
            Weight.NOTICED,
        )
    if tracks or case.record.call.answered_at is None or case.seconds < 1:
        return None
    if case.worker_down:
        return None  # which is why, and said
    why = f"`offhook recording why {case.record.call.id}` says where it is"
    return Reason(
        "recording_missing",
        f"no recording of the call has come to the agent: {_where(case.log) or why}",
        weight=Weight.NOTICED,
    )


def _where(log: Report | None) -> str:
    """The recording is, as far as the logs know."""
    for finding in log.findings if log else ():
        if finding.what == "recording" and finding.evidence:
            return finding.said
    return ""


def _recording_line(one: Recording) -> str:
    again = f", again at {clock(one.next_try)}" if one.next_try else ""
    return f"{one.track}: {one.state}, {one.attempts} attempts{again} {one.last_error}"


def recording_short(case: Case) -> Reason | None:
    """Asterisk writes as long as the AI is on the line; less than that was lost."""
    if case.reason in (None, EndReason.CONNECTED, EndReason.AGENT_LEFT):
        return None
    lost = [
        sum(gap.seconds for gap in one.gaps)
        for one in case.record.recordings
        if one.state is RecordingState.STORED
    ]
    if max(lost, default=0.0) < 1:
        return None
    return Reason(
        "recording_short",
        f"the recording lacks {max(lost):.1f} s of the call: Asterisk's disk was full,"
        " and it says nothing of that, or it was too busy to write",
        weight=Weight.NOTICED,
    )


def worker_down(case: Case) -> Reason | None:
    if not case.worker_down:
        return None
    why = _last_meaning(case.log, "worker")
    otherwise = "the agent's log says why, after [work] and [WORK]"
    return Reason(
        "worker_down",
        "the worker, `offhook work`, is not up: no recording is stored and no webhook"
        " is told until it is, and nothing is lost:"
        f" {why or otherwise}",
        weight=Weight.NOTICED,
    )


def webhook_not_told(case: Case) -> Reason | None:
    """Of events, though there was time."""
    late = [
        each
        for each in case.record.untold
        if each.error or case.now - each.since > _DONE
    ]
    if not late:
        return None
    first = next((each for each in late if each.error), late[0])
    theirs = [each for each in late if each.webhook == first.webhook]
    then = f"; next try at {clock(first.next_try)}" if first.next_try else ""
    if first.given_up:
        then = "; it is not tried again"
    why = first.error or "it is not tried: is the worker, `offhook work`, up?"
    return Reason(
        "webhook_not_told",
        f"webhook {first.webhook} has not been told of {len(theirs)} events of the"
        f" call: {_receiver(why)}{why}{then}",
        tuple(f"{clock(each.since)} {each.event}: {each.error}" for each in late[:6]),
        Weight.NOTICED,
    )


def _receiver(error: str) -> str:
    """What is wrong with it, with two dots behind; empty if nobody knows."""
    for pattern, meaning in _RECEIVERS:
        if pattern.search(error):
            return f"{meaning}: "
    return ""


def facts_behind(case: Case) -> Reason | None:
    if not case.facts_behind:
        return None
    return Reason(
        "database_away",
        f"the record is not whole yet: {case.facts_behind:.0f} facts wait in the"
        " agent's journal, as the database is away or slow; nothing is lost"
        f"{why_facts_wait(case.log)}",
        weight=Weight.NOTICED,
    )


def why_facts_wait(log: Report | None) -> str:
    """If the logs say it; it goes on from a sentence."""
    why = _last_meaning(log, "facts_database") or _last_meaning(log, "facts_disk")
    return f": {why}" if why else ""


def _last_meaning(log: Report | None, cause: str) -> str:
    return next(reversed(meanings(log, cause)), "")


def unpriced(case: Case) -> Reason | None:
    if case.record.cost is not None:
        return None
    models = sorted({use.model for use in case.record.uses if use.cost is None})
    return Reason(
        "unpriced",
        f"the cost is not known: no price of {', '.join(models) or 'a model'}",
        weight=Weight.NOTICED,
    )
