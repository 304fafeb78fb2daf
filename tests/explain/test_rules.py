"""The table of rules, by a row for each cause."""

import json
from datetime import timedelta

import pytest

from agent.calls.call import EndReason, HangupCause
from agent.calls.record import RecordingState
from agent.conversation.errors import Cause
from agent.explain.rules import RULES, explain
from agent.explain.words import CAUSES, ENDS, MENDS, STAGES

from .cases import CASES, HELLO
from .records import (
    CALL,
    GOOD,
    LATER,
    NOON,
    QUICK,
    agent,
    caller,
    record,
    recording,
    trouble,
)


@pytest.mark.parametrize(("of", "cause", "words"), CASES.values(), ids=CASES)
def test_the_cause_in_a_sentence(of, cause, words):
    verdict = explain(of, LATER)
    assert (verdict.cause, verdict.status) == (cause, int(cause != "well"))
    assert words in verdict.sentence
    first, *_ = verdict.lines()
    assert first.startswith(f"{CALL}: ") and "\n" not in first
    told = json.loads(verdict.json())
    assert (told["cause"], told["well"]) == (cause, cause == "well")


def test_there_are_many():
    assert len({cause for _, cause, _ in CASES.values()}) >= 30


def test_every_end_has_words_and_a_row():
    assert set(ENDS) == set(EndReason)
    ends = {of.end.reason for of, _, _ in CASES.values() if of.end}
    assert ends == set(EndReason)


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("stage", ["stt", "llm", "tts"])
def test_every_failure_of_a_provider_has_words(stage, cause):
    assert cause in CAUSES and cause in MENDS
    met = (trouble(stage, cause, 7, "some.one"),)
    verdict = explain(record(*GOOD, troubles=met), LATER)
    kind = ": why" if cause is Cause.NONSENSE else ""
    assert verdict.sentence == f"{STAGES[stage]} some.one {CAUSES[cause]}{kind}"
    assert any(MENDS[cause] in line for line in verdict.evidence)


def test_the_gravest_is_first_and_the_rest_is_besides():
    verdict = explain(
        record(
            HELLO,
            caller(4, 6),
            agent(12, 13, **QUICK | {"llm": 5.5, "reply": 6.2, "heard": 6.3}),
            reason=EndReason.SHUTDOWN,
            troubles=(trouble("llm", "timeout", 10),),
            recordings=(recording(RecordingState.FAILING, "no bucket"),),
        ),
        LATER,
    )
    assert verdict.cause == "shutdown"
    assert [each.cause for each in verdict.besides] == [
        "slow_llm",
        "troubled",
        "recording_failing",
    ]


def test_a_call_that_never_ended():
    verdict = explain(record(*GOOD, ended=None), NOON + timedelta(days=1))
    assert verdict.cause == "never_ended"


def test_what_is_known_in_any_case():
    verdict = explain(
        record(
            *GOOD,
            cause=HangupCause(16),
            variables={"consent_said_at": "2026-11-21T12:00:05+00:00"},
        ),
        LATER,
    )
    text = "\n".join(verdict.lines())
    assert "from 15550100 to 1000, AI desk, ulaw" in text
    assert "line cleared with 16: normal clearing" in text
    assert "2 answers, heard after at most 1.10 s" in text
    assert "had heard the consent line" in text
    assert "recording mix: stored" in text


def test_what_a_caller_said_cannot_move_the_cursor():
    verdict = explain(
        record(HELLO, reason=EndReason.AGENT_FAILED, detail="\x1b[2J\n"), LATER
    )
    assert all(line.isprintable() for line in verdict.lines())


def test_no_rule_stands_twice():
    assert len(set(RULES)) == len(RULES)
