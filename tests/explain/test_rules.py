"""A record, the one word for what was wrong, and words of the sentence. The table is
also the documentation of what explain knows."""

import json
from datetime import timedelta

import pytest

from agent.calls.call import EndReason, HangupCause
from agent.calls.record import RecordingState
from agent.calls.usage import Meter
from agent.conversation.errors import Cause
from agent.explain.rules import RULES, explain, without_record
from agent.explain.words import CAUSES, ENDS, MENDS, STAGES
from agent.observe.findings import Finding, Report, State

from .records import (
    CALL,
    GOOD,
    LATER,
    NOON,
    QUICK,
    agent,
    at,
    caller,
    record,
    recording,
    tool,
    trouble,
    used,
)

HELLO = agent(0.5, 3, "Hello.")
BYE = EndReason.CALLER_HUNG_UP

CASES = {
    "well": (record(*GOOD), "well", "nothing was wrong: the caller hung up"),
    "well, said goodbye": (
        record(*GOOD, reason=EndReason.AGENT_HUNG_UP),
        "well",
        "the AI said goodbye",
    ),
    "well, connected": (
        record(*GOOD, reason=EndReason.CONNECTED, detail="200"),
        "well",
        "handed the call over: 200",
    ),
    "well, left": (
        record(*GOOD, reason=EndReason.AGENT_LEFT),
        "well",
        "the dialplan went on",
    ),
    "well, up": (record(*GOOD, ended=None), "well", "the call is up"),
    # Ends.
    "no media start": (
        record(
            ended=2,
            reason=EndReason.NO_MEDIA_START,
            detail="no start in 2 s",
            answered=False,
        ),
        "no_media_start",
        "never began: what opened the socket said nothing that begins a call (no start"
        " in 2 s)",
    ),
    "unsupported format": (
        record(
            ended=0.1, reason=EndReason.UNSUPPORTED_FORMAT, detail="the codec is 'opus'"
        ),
        "unsupported_format",
        "the codec is 'opus'; set c(ulaw)",
    ),
    "agent died": (
        record(*GOOD, reason=EndReason.AGENT_DIED),
        "agent_died",
        "lost its AI after 20 s: the agent's process was killed or crashed",
    ),
    "agent failed": (
        record(HELLO, reason=EndReason.AGENT_FAILED, detail="KeyError('x')"),
        "agent_failed",
        "a fault of ours: KeyError('x')",
    ),
    "shutdown": (
        record(*GOOD, reason=EndReason.SHUTDOWN),
        "shutdown",
        "stopped or restarted while the call was up",
    ),
    "operator": (
        record(*GOOD, reason=EndReason.OPERATOR_HUNG_UP),
        "operator_hung_up",
        "an operator ended the call",
    ),
    "too long": (
        record(*GOOD, reason=EndReason.TOO_LONG, detail="30 minutes"),
        "too_long",
        "cut at the AI's max_minutes: 30 minutes",
    ),
    "caller silent": (
        record(*GOOD, ended=60, reason=EndReason.CALLER_SILENT),
        "caller_silent",
        "the caller said nothing more",
    ),
    "gave up, model throttled": (
        record(
            *(HELLO, caller(4, 6)),
            reason=EndReason.PROVIDER_FAILED,
            troubles=(
                trouble("llm", "throttled", 7, "openai.gpt"),
                trouble("llm", "throttled", 9, "openai.gpt"),
            ),
        ),
        "provider_failed",
        "gave the call up: the model openai.gpt refused for too many requests (429)",
    ),
    "gave up, no credit": (
        record(
            *(HELLO, caller(4, 6)),
            reason=EndReason.PROVIDER_FAILED,
            troubles=(trouble("llm", "no_credit", 7),),
        ),
        "provider_failed",
        "credit or quota is used up",
    ),
    "gave up, nobody knows": (
        record(HELLO, reason=EndReason.PROVIDER_FAILED),
        "provider_failed",
        "the record does not say why",
    ),
    # Silence.
    "mute": (
        record(
            caller(4, 6),
            ended=12,
            troubles=(trouble("tts", "unreachable", 1, "piper.joe"),),
        ),
        "mute",
        "heard nothing: the voice piper.joe could not be reached",
    ),
    "nobody said a word": (
        record(ended=15),
        "silent_call",
        "nobody said a word in 15 s",
    ),
    "deaf": (
        record(
            HELLO, ended=30, troubles=(trouble("stt", "server_error", 8, "cloud.ears"),)
        ),
        "deaf",
        "understood nothing in 30 s: the recogniser cloud.ears failed with an error of"
        " its own (5xx)",
    ),
    "noise": (
        record(agent(0.5, 1, cut=True), agent(3, 4, cut=True), ended=25),
        "no_words",
        "noise, echo, or another language",
    ),
    "caller not heard": (
        record(HELLO, ended=25),
        "caller_not_heard",
        "heard no word of the caller in 25 s",
    ),
    "caller not heard, gave up": (
        record(HELLO, ended=40, reason=EndReason.CALLER_SILENT),
        "caller_not_heard",
        "no word of the caller in 40 s",
    ),
    "unanswered, model timed out": (
        record(
            *(HELLO, caller(4, 6)),
            ended=20,
            troubles=(trouble("llm", "timeout", 14, "local.qwen"),),
        ),
        "unanswered",
        "waited 14.0 s for an answer to turn 2 and got none: the model local.qwen did"
        " not answer in time",
    ),
    "unanswered, tool": (
        record(HELLO, caller(4, 6), ended=20, tools=(tool("crm", 7, 13000),)),
        "unanswered",
        "the tool crm ran meanwhile",
    ),
    "unanswered, hung up while it thought": (
        record(HELLO, caller(4, 6), ended=10),
        "unanswered",
        "the model had not answered",
    ),
    # Slowness.
    "slow silence": (
        record(
            *(*GOOD, caller(18, 19)),
            agent(22, 23, **QUICK | {"silence": 2.3, "reply": 2.9, "heard": 3.0}),
        ),
        "slow_silence",
        "turn 7 came after 3.0 s, the others 1.1 s: 2.3 s of silence passed",
    ),
    "slow recogniser": (
        record(
            HELLO,
            caller(4, 6),
            agent(10, 11, **QUICK | {"stt": 4.0, "reply": 4.8, "heard": 4.9}),
        ),
        "slow_stt",
        "the recogniser took 3.8 s of it",
    ),
    "slow model": (
        record(
            *GOOD,
            caller(18, 19),
            agent(24, 25, **QUICK | {"llm": 4.0, "reply": 4.7, "heard": 4.8}),
        ),
        "slow_llm",
        "turn 7 came after 4.8 s, the others 1.1 s: the model's first word took 4.0 s",
    ),
    "slow model, since the first of two failed": (
        record(
            HELLO,
            caller(4, 6),
            agent(12, 13, **QUICK | {"llm": 5.5, "reply": 6.2, "heard": 6.3}),
            troubles=(trouble("llm", "timeout", 10, "cloud.big"),),
            uses=(used("local.small"),),
        ),
        "slow_llm",
        "the model cloud.big did not answer in time, and that took 5.5 s",
    ),
    "slow first sentence": (
        record(
            HELLO,
            caller(4, 6),
            agent(12, 13, **QUICK | {"reply": 4.0, "heard": 4.1}),
        ),
        "slow_sentence",
        "until its first sentence stood took 3.0 s",
    ),
    "slow voice": (
        record(
            HELLO,
            caller(4, 6),
            agent(12, 13, **QUICK | {"tts": 2.5, "reply": 3.3, "heard": 3.4}),
        ),
        "slow_tts",
        "the voice's first sound took 2.5 s",
    ),
    "slow to the ear": (
        record(HELLO, caller(4, 6), agent(8, 9, **QUICK | {"heard": 2.6})),
        "slow_playing",
        "between the agent and the caller's ear",
    ),
    "slow tool": (
        record(
            HELLO,
            caller(4, 6),
            agent(12, 13, **QUICK | {"llm": 5.0, "reply": 5.7, "heard": 5.8}),
            tools=(tool("book_table", 6.8, 4500),),
        ),
        "slow_tool",
        "the tool book_table took 4.5 s",
    ),
    "all slow": (
        record(
            HELLO,
            caller(4, 6),
            agent(9, 10, **QUICK | {"llm": 2.0, "reply": 2.7, "heard": 2.8}),
            caller(11, 12),
            agent(16, 17, **QUICK | {"llm": 2.9, "reply": 3.6, "heard": 3.7}),
        ),
        "slow_llm",
        "2 of 2 answers were slow, turn 5 at worst after 3.7 s",
    ),
    "slow, of a record without marks": (
        record(HELLO, caller(4, 6), agent(9, 10, silence=0.5, llm=2.6, reply=3.2)),
        "slow_llm",
        "after 3.2 s",
    ),
    # On the way.
    "failover": (
        record(
            *GOOD,
            troubles=(trouble("llm", "unreachable", 6, "cloud.big"),),
            uses=(used("local.small"),),
        ),
        "troubled",
        "the model cloud.big could not be reached; local.small went on",
    ),
    "recogniser failed over": (
        record(
            *GOOD,
            troubles=(trouble("stt", "refused", 6, "cloud.ears"),),
            uses=(used("local.whisper", Meter.STT_SECONDS),),
        ),
        "troubled",
        "cloud.ears did not accept the key (401 or 403); local.whisper went on",
    ),
    "tool refused": (
        record(
            *GOOD,
            tools=(
                tool(
                    "dial",
                    7,
                    0.1,
                    "+882 is not yours",
                    failed=True,
                    refused=True,
                ),
            ),
        ),
        "tool_refused",
        "the AI's policy refused the tool dial: +882 is not yours",
    ),
    "tool failed": (
        record(*GOOD, tools=(tool("crm", 7, 900, "HTTP 500", failed=True),) * 2),
        "tool_failed",
        "the tool failed: crm (2 times): HTTP 500",
    ),
    "interrupted often": (
        record(
            HELLO,
            caller(4, 6),
            *(agent(7 + n, 8 + n, cut=True) for n in range(3)),
        ),
        "interrupted_often",
        "3 of 4 turns of the AI were interrupted",
    ),
    "hold or private pause": (
        record(*GOOD, caller(95, 97), agent(98, 99, **QUICK), ended=100),
        "pause",
        "nobody spoke for 78 s after turn 5",
    ),
    "the network": (
        record(*GOOD, cause=HangupCause(41, 503)),
        "line_failed",
        "a temporary failure (Q.850 cause 41, SIP 503)",
    ),
    "no codec in common": (
        record(ended=1, cause=HangupCause(88, 488), answered=False),
        "line_failed",
        "no codec in common",
    ),
    "recording cannot be stored": (
        record(*GOOD, recordings=(recording(RecordingState.FAILING, "Access Denied"),)),
        "recording_failing",
        "cannot be stored so far: Access Denied",
    ),
    "recording rejected": (
        record(*GOOD, recordings=(recording(RecordingState.REJECTED, "no WAV"),)),
        "recording_rejected",
        "can never be stored: no WAV",
    ),
    "recording erased": (
        record(*GOOD, recordings=(recording(RecordingState.ERASED),)),
        "recording_erased",
        "erased on request",
    ),
    "recording expired": (
        record(*GOOD, recordings=(recording(RecordingState.EXPIRED),)),
        "recording_expired",
        "older than they are kept",
    ),
    "recording missing": (
        record(*GOOD, recordings=()),
        "recording_missing",
        f"offhook recording why {CALL}",
    ),
    "no price": (
        record(*GOOD, uses=(used("cloud.new", cost=None),), cost=None),
        "unpriced",
        "no price of cloud.new",
    ),
}


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
    assert verdict.sentence == f"{STAGES[stage]} some.one {CAUSES[cause]}"
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


def test_facts_that_wait_are_told():
    verdict = explain(record(*GOOD), LATER, facts_behind=12)
    assert verdict.cause == "database_away"
    assert "12 facts wait" in verdict.sentence


def test_a_recording_that_may_still_come_is_not_missed():
    assert explain(record(*GOOD, recordings=()), at(30)).cause == "well"


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
    verdict = explain(record(HELLO, ended=25), LATER, LOG)
    assert verdict.cause == "refused"
    assert [each.cause for each in verdict.besides] == ["caller_not_heard", "xoff"]
    assert verdict.besides[1].evidence == ("XOFF",)


def test_a_record_knows_its_end_better_than_the_logs():
    verdict = explain(record(HELLO, reason=EndReason.AGENT_DIED), LATER, LOG)
    assert verdict.cause == "agent_died"


def test_what_a_caller_said_cannot_move_the_cursor():
    verdict = explain(
        record(HELLO, reason=EndReason.AGENT_FAILED, detail="\x1b[2J\n"), LATER
    )
    assert all(line.isprintable() for line in verdict.lines())


def test_no_rule_stands_twice():
    assert len(set(RULES)) == len(RULES)
