"""Logs beside a record, or without one."""

from dataclasses import replace

import pytest

from agent.calls.call import EndReason
from agent.explain.rules import explain, without_record
from agent.observe.findings import Finding, Report, State

from .cases import HELLO
from .records import CALL, LATER, at, record

LOG = Report(
    CALL,
    "refused",
    "the agent refused the call: OFFHOOK_MAX_CALLS calls are up",
    1,
    (
        Finding("handshake", State.BROKEN, "503", evidence=("WARNING ... 503",)),
        Finding("trouble", State.NOTICED, "the queue ran full", evidence=("XOFF",)),
    ),
    more={
        "troubles": [
            {"cause": "xoff", "said": "the queue ran full", "grave": False},
            {"cause": "provider", "said": "in the record, too", "grave": True},
        ]
    },
)


def test_without_a_record_the_logs_speak():
    verdict = without_record(CALL, LOG)
    assert (verdict.cause, verdict.status) == ("refused", 1)
    assert verdict.evidence == ("WARNING ... 503",)


def test_logs_tell_what_a_record_cannot():
    lost = replace(LOG, cause="socket_lost")
    verdict = explain(record(HELLO, ended=25), LATER, lost)
    assert verdict.cause == "socket_lost"
    assert [each.cause for each in verdict.besides] == ["caller_not_heard", "xoff"]
    assert verdict.besides[1].evidence == ("XOFF",)


def test_a_call_that_was_refused_at_first_and_then_taken_was_not_refused():
    verdict = explain(record(HELLO, ended=25), LATER, LOG)
    assert [verdict.cause, *(each.cause for each in verdict.besides)] == [
        "caller_not_heard",
        "xoff",
    ]


def test_a_record_knows_its_end_better_than_the_logs():
    verdict = explain(record(HELLO, reason=EndReason.AGENT_DIED), LATER, LOG)
    assert verdict.cause == "agent_died"


@pytest.mark.parametrize(
    ("way_in", "says"),
    [
        (
            "900 packets came from the phone",
            "900 packets came from the phone, and mute",
        ),
        ("nothing tells", "no sound of his came, he said nothing, or"),
    ],
)
def test_logs_know_whether_a_silent_caller_was_heard(way_in, says):
    log = Report(CALL, "well", "", 0, more={"hops": {"RTP in": way_in, "STT": "mute"}})
    silent = record(HELLO, ended=25, reason=EndReason.CALLER_SILENT)
    verdict = explain(silent, LATER, log)
    assert verdict.cause == "caller_not_heard"
    assert says in verdict.sentence
    assert verdict.sentence.endswith(
        ". It asked whether he is still there, and hung up"
    )
    brief = explain(record(HELLO, ended=6, reason=EndReason.CALLER_SILENT), LATER, log)
    assert brief.cause == "caller_silent"
    assert brief.sentence.endswith(": 900 packets came from the phone, and mute") is (
        "900" in way_in
    )


@pytest.mark.parametrize(
    ("first", "cause"),
    [
        (str(at(0.1)), "left_early"),
        (str(at(-9)), "socket_lost"),
        (None, "socket_lost"),
    ],
)
def test_a_socket_that_breaks_in_a_hang_up_is_no_fault(first, cause):
    log = Report(CALL, "well", "", 0, more={"caller_left_first": first})
    broke = record(ended=0.1, reason=EndReason.SOCKET_LOST, detail="it broke off")
    assert explain(broke, LATER, log).cause == cause
