"""Why it ended, where somebody or something ended it before its time."""

from collections.abc import Mapping
from datetime import timedelta

from agent.calls.call import EndReason
from agent.calls.transcript import Speaker

from .case import Case
from .verdict import Reason, Weight
from .words import ENDS, NORMAL, failure_lines, failures, q850

_FAULTS: Mapping[EndReason, tuple[str, ...]] = {
    EndReason.NO_MEDIA_START: (
        "the call never began: {end} ({detail}); what connected is not chan_websocket,"
        " or Asterisk is stuck",
    ),
    EndReason.UNSUPPORTED_FORMAT: (
        "the call was ended at once: {detail}; set c(ulaw) in the dial string",
    ),
    EndReason.SOCKET_LOST: (
        "the connection between Asterisk and the agent broke after {seconds:.0f} s:"
        " {detail}; the agent lived on, so look at Asterisk and at what is between"
        " them: network, proxy, firewall",
    ),
    EndReason.AGENT_DIED: (
        "the call lost its AI after {seconds:.0f} s: the agent's process was killed or"
        " crashed during it",
        "an out-of-memory kill is in dmesg, a crash in the agent's log",
    ),
    EndReason.AGENT_FAILED: (
        "the call ended by a fault of ours: {detail}; the agent's log has the lines"
        " around it",
    ),
    EndReason.SHUTDOWN: (
        "the agent was stopped or restarted while the call was up, and"
        " OFFHOOK_DRAIN_SECONDS were over before the caller had finished",
    ),
}
_CUTS: Mapping[EndReason, tuple[str, ...]] = {
    EndReason.TOO_LONG: ("the call was cut at the AI's max_minutes: {detail}",),
    EndReason.OPERATOR_HUNG_UP: (
        "an operator ended the call by DELETE /calls/ID; the audit says who",
    ),
}
"""A sentence, and lines of evidence."""
_LONG_UP = timedelta(hours=4)


def fault(case: Case) -> Reason | None:
    log = case.log
    lost = case.reason is EndReason.SOCKET_LOST
    if lost and log is not None and log.cause == "asterisk_died":
        return None  # which says more
    return _ended(case, _FAULTS)


def cut_short(case: Case) -> Reason | None:
    """Somebody wanted it so."""
    return _ended(case, _CUTS)


def _ended(case: Case, known: Mapping[EndReason, tuple[str, ...]]) -> Reason | None:
    reason = case.reason
    if reason is None or reason not in known:
        return None
    sentence, *evidence = known[reason]
    said = sentence.format(
        end=ENDS[reason], detail=case.detail or "no more is known", seconds=case.seconds
    )
    return Reason(reason.value, said, tuple(evidence), Weight.FATAL)


def provider_failed(case: Case) -> Reason | None:
    if case.reason is not EndReason.PROVIDER_FAILED:
        return None
    troubles = case.record.troubles
    who = failures(troubles)
    said = who or "nobody was left to go on with, and the record does not say why"
    return Reason(
        "provider_failed",
        f"the AI gave the call up: {said}",
        failure_lines(troubles),
        Weight.FATAL,
    )


def left_early(case: Case) -> Reason | None:
    """He did not wait for what the AI has to say first."""
    spoke = case.turns(Speaker.AGENT)
    if case.reason is not EndReason.CALLER_HUNG_UP or case.turns(Speaker.CALLER):
        return None
    if spoke and not (len(spoke) == 1 and spoke[0].interrupted):
        return None
    when = "during the greeting" if spoke else "before a word was said"
    return Reason(
        "left_early",
        f"the caller hung up {when}, after {case.seconds:.1f} s: a wrong number, or he"
        " did not want to talk to an AI; if many do, listen to the recording",
        weight=Weight.NOTICED,
    )


def line_failed(case: Case) -> Reason | None:
    cause = case.record.cause
    if cause is None or cause.q850 in NORMAL:
        return None
    sip = f", SIP {cause.sip}" if cause.sip else ""
    return Reason(
        "line_failed",
        f"the caller's line was cleared by the network, not by anybody's hand:"
        f" {q850(cause.q850)} (Q.850 cause {cause.q850}{sip})",
    )


def never_ended(case: Case) -> Reason | None:
    """Up for so long that somebody must have forgotten it."""
    up = case.now - case.record.call.started_at
    if case.record.end is not None or up < _LONG_UP:
        return None
    return Reason(
        "never_ended",
        "the call has no end in the record: its agent died and none has started since,"
        " or the facts wait in its journal",
    )
