"""What a recording, webhooks, the worker and the database add to a verdict."""

from dataclasses import replace

import pytest

from agent.calls.call import EndReason
from agent.calls.record import Gap, RecordingState
from agent.explain.rules import explain

from .records import GOOD, LATER, at, record, recording, untold


def test_facts_that_wait_are_told():
    verdict = explain(record(*GOOD), LATER, facts_behind=12)
    assert verdict.cause == "database_away"
    assert "12 facts wait" in verdict.sentence


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("302 Found to http://b", "its receiver redirects"),
        ("401 Unauthorized", "its receiver answers, and refuses"),
        ("429 Too Many Requests", "wants fewer requests"),
        ("no answer within 15 s", "takes it and does not answer"),
        (
            "Server disconnected without sending a response.",
            "without an answer in HTTP",
        ),
        ("[SSL: CERTIFICATE_VERIFY_FAILED]", "the certificate of its receiver"),
        ("All connection attempts failed", "its receiver could not be reached"),
        ("cannot resolve a.: [Errno -2] Name or service", "is not known to DNS"),
        ("a is 127.0.0.2, which is not a public address", "OFFHOOK_WEBHOOK_ALLOW"),
        ("the webhook is disabled: by ann", "call: the webhook is disabled: by ann"),
    ],
)
def test_why_a_webhook_was_not_told(error, says):
    of = replace(record(*GOOD), untold=(untold(error),))
    assert says in explain(of, LATER).sentence


def test_an_event_that_is_still_on_its_way_is_no_fault():
    of = replace(record(*GOOD, ended=None), untold=(untold(""),))
    assert explain(of, at(30)).cause == "well"


def test_a_worker_that_is_down_is_the_cause_of_what_is_not_done():
    verdict = explain(record(*GOOD, recordings=()), LATER, worker_down=True)
    assert verdict.cause == "worker_down"
    assert verdict.besides == ()


def test_a_gap_after_the_ai_is_no_loss():
    short = replace(recording(RecordingState.STORED), gaps=(Gap(18.0, 2.0),))
    of = record(*GOOD, reason=EndReason.CONNECTED, recordings=(short,))
    assert explain(of, LATER).cause == "well"


def test_a_recording_that_may_still_come_is_not_missed():
    assert explain(record(*GOOD, recordings=()), at(30)).cause == "well"
