"""A record, the one word for what was wrong, and words of the sentence.

The table is also the documentation of what explain knows.
"""

from dataclasses import replace

from agent.calls.call import EndReason, HangupCause
from agent.calls.record import Gap, RecordingState
from agent.calls.usage import Meter

from .records import (
    CALL,
    GOOD,
    QUICK,
    agent,
    caller,
    record,
    recording,
    tool,
    trouble,
    untold,
    used,
)

HELLO = agent(0.5, 3, "Hello.")

CASES = {
    # Well.
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
    # Endings.
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
    "socket lost": (
        record(*GOOD, reason=EndReason.SOCKET_LOST, detail="no ping is answered"),
        "socket_lost",
        "between Asterisk and the agent broke after 20 s: no ping is answered; the",
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
    "hung up at once": (
        record(ended=0.3),
        "left_early",
        "the caller hung up before a word was said, after 0.3 s",
    ),
    "hung up in the greeting": (
        record(agent(0.5, 2, "Hello, th", cut=True), ended=2.1),
        "left_early",
        "the caller hung up during the greeting, after 2.1 s",
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
    "no words of sound": (
        record(HELLO, ended=25, uses=(used("a.stt", Meter.STT_SECONDS),)),
        "no_words",
        "the recogniser a.stt was given 10 s of sound and made no words of it",
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
    "caller silent": (
        record(*GOOD, ended=60, reason=EndReason.CALLER_SILENT),
        "caller_silent",
        "the caller said nothing more",
    ),
    "other letters": (
        record(HELLO, caller(4, 6, "Продолжение следует"), agent(7, 10, **QUICK)),
        "other_language",
        "the caller's words in Cyrillic letters and the AI answers in Latin ones",
    ),
    "hold or private pause": (
        record(*GOOD, caller(95, 97), agent(98, 99, **QUICK), ended=100),
        "pause",
        "nobody spoke for 78 s after turn 5",
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
    # Slowness.
    "hung up in vain": (
        record(*(HELLO, caller(4, 6)), ended=8.6, detail="after waiting 2.6 s for X"),
        "unanswered",
        "the caller hung up after waiting 2.6 s for X",
    ),
    "hung up in vain, a tool": (
        record(
            *(HELLO, caller(4, 6)),
            ended=9,
            detail="after waiting 3.0 s for X",
            tools=(tool("book", 6.5, 2500, "broken off", failed=True),),
        ),
        "unanswered",
        "after waiting 3.0 s: the tool book ran meanwhile and was broken off",
    ),
    "hung up in vain, a failure": (
        record(
            *(HELLO, caller(4, 6)),
            ended=9,
            detail="after waiting 3.0 s for X",
            troubles=(trouble("tts", "timeout", 8),),
        ),
        "unanswered",
        "after waiting 3.0 s: the voice fake.tts did not answer in time",
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
        record(
            *(HELLO, caller(4, 6)),
            ended=20,
            tools=(tool("crm", 7, 13000, "broken off", failed=True),),
        ),
        "unanswered",
        "the tool crm ran meanwhile and was broken off",
    ),
    "unanswered, tool and nothing else": (
        record(HELLO, caller(4, 6), ended=20, tools=(tool("crm", 7, 10),)),
        "unanswered",
        "the model used the tool crm and said nothing then",
    ),
    "unanswered, tool refused": (
        record(
            *(HELLO, caller(4, 6)),
            ended=20,
            tools=(tool("crm", 7, 10, "too many tools", refused=True, failed=True),),
        ),
        "unanswered",
        "the policy refused the tool crm: too many tools",
    ),
    "unanswered, hung up while it thought": (
        record(HELLO, caller(4, 6), ended=10),
        "unanswered",
        "the model had not answered",
    ),
    "slow tool that failed": (
        record(
            *(HELLO, caller(4, 6)),
            agent(11, 12, **QUICK | {"llm": 4.2, "reply": 4.9, "heard": 5.0}),
            tools=(tool("crm", 6.5, 4000, "no answer within 4 s", failed=True),),
        ),
        "slow_tool",
        "the tool crm took 4.0 s of it and failed: no answer within 4 s",
    ),
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
    # Deeds.
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
    "voice and its model": (
        record(
            *GOOD,
            troubles=(trouble("tts", "stalled", 7, "openai.tts-1/alloy"),),
            uses=(used("openai.tts-1", Meter.TTS_CHARACTERS),),
        ),
        "troubled",
        "the voice openai.tts-1/alloy began to answer and fell silent",
    ),
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
    # Afterwards.
    "recording cannot be stored": (
        record(*GOOD, recordings=(recording(RecordingState.FAILING, "Access Denied"),)),
        "recording_failing",
        "cannot be stored so far: the key of AWS_ACCESS_KEY_ID has no right",
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
    "recording waits": (
        record(
            *GOOD,
            recordings=(recording(RecordingState.WAITING, "/m/x.wav is not there"),),
        ),
        "recording_waiting",
        "its RECORDINGS is not OFFHOOK_MONITOR",
    ),
    "recording short": (
        record(
            *GOOD,
            recordings=(
                replace(recording(RecordingState.STORED), gaps=(Gap(18.0, 2.0),)),
            ),
        ),
        "recording_short",
        "lacks 2.0 s of the call",
    ),
    "webhook fails": (
        replace(record(*GOOD), untold=(untold("500 Out of order: "),)),
        "webhook_not_told",
        "webhook wh_1 has not been told of 1 events of the call: its receiver answers,"
        " and fails: 500 Out of order: ; next try at 12:05:00",
    ),
    "webhook given up": (
        replace(record(*GOOD), untold=(untold("404 Not Found: ", given_up=True),)),
        "webhook_not_told",
        "its receiver has nothing at that address: 404 Not Found: ; it is not tried"
        " again",
    ),
    "webhook not tried": (
        replace(record(*GOOD), untold=(untold(""),)),
        "webhook_not_told",
        "is the worker, `offhook work`, up?",
    ),
    "no price": (
        record(*GOOD, uses=(used("cloud.new", cost=None),), cost=None),
        "unpriced",
        "no price of cloud.new",
    ),
}
