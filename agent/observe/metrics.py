"""Everything that Prometheus is told, in one place; docs/metrics.md explains it.

No label ever holds a call's id, or anything else without end: each value of a label is
a series kept for ever. `note` counts what facts tell; the rest is counted where it
happens.
"""

from prometheus_client import (
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
)

from agent import __version__
from agent.calls.call import EndReason
from agent.calls.facts import Fact, ToolUsed, TurnTaken, Used
from agent.calls.record import Track
from agent.calls.transcript import Speaker, Turn

# A second series per counter that says since when it counts; nobody asks for it.
disable_created_metrics()  # type: ignore[no-untyped-call]

# Fine where a conversation feels the difference, coarse where it is lost anyway.
_LATENCY = (
    *(0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    *(1, 1.25, 1.5, 2, 3, 5, 10, 20),
)
_CALL = (1, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)
# From 20 ms on a caller can hear it: that is one frame.
_LOOP_LAG = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_SHORT = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
_TOOL = (0.01, 0.03, 0.1, 0.3, 0.5, 1, 2, 3, 5, 10, 30, 60)

HEARD = "heard"
"""Of a turn's latency: seconds until the caller heard us, by Asterisk's marks."""

build = Info("offhook_build", "Which version of Offhook this is.")
build.info({"version": __version__})

calls_live = Gauge("offhook_calls_live", "Calls that are up.")
calls_limit = Gauge("offhook_calls_limit", "Calls that may be up at once.")
calls_accepted = Counter("offhook_calls_accepted", "Calls that were accepted.")
calls = Counter("offhook_calls", "Calls that are over.", ["end_reason"])
calls_refused = Counter(
    "offhook_calls_refused", "Calls that were not accepted.", ["reason"]
)
call_seconds = Histogram("offhook_call_seconds", "Length of a call.", buckets=_CALL)

vad_seconds = Histogram(
    "offhook_vad_seconds",
    "What the voice detector took for a batch of windows, of one batch in 16; the event"
    " loop stands still meanwhile.",
    buckets=_SHORT,
)
turn_silence_seconds = Histogram(
    "offhook_turn_silence_seconds",
    "Silence that it took to be sure that a caller had finished.",
    buckets=_LATENCY,
)
stt_waiting = Gauge(
    "offhook_stt_waiting",
    "Utterances that this machine's recogniser decodes, or that wait for it.",
)
stt_seconds = Histogram(
    "offhook_stt_seconds",
    "What a recogniser took for an utterance; mostly while it was not over yet.",
    buckets=_LATENCY,
)
llm_first_token_seconds = Histogram(
    "offhook_llm_first_token_seconds",
    "From the end of the caller's turn to the model's first token.",
    buckets=_LATENCY,
)
tts_first_audio_seconds = Histogram(
    "offhook_tts_first_audio_seconds",
    "From the first text to speak to its first audio.",
    buckets=_LATENCY,
)
reply_seconds = Histogram(
    "offhook_reply_seconds",
    "From the end of the caller's speech to the first audio of the answer sent to"
    " Asterisk.",
    buckets=_LATENCY,
)
reply_heard_seconds = Histogram(
    "offhook_reply_heard_seconds",
    "From the end of the caller's speech to the first sound of the answer in his ear,"
    " by the marks that Asterisk plays.",
    buckets=_LATENCY,
)
turns = Counter("offhook_turns", "Turns of conversations that are over.", ["speaker"])
provider_errors = Counter(
    "offhook_provider_errors",
    "Failures of ears, mind or voice, by who failed and why.",
    ["stage", "provider", "cause"],
)
llm_tokens = Counter(
    "offhook_llm_tokens", "Tokens that models read and wrote.", ["model", "kind"]
)
cost = Counter(
    "offhook_cost",
    "What models cost, in the currency of the prices.",
    ["model"],
)
uses_unpriced = Counter(
    "offhook_uses_unpriced",
    "Uses of a model that the prices do not name; no budget knows of them.",
    ["model"],
)
barge_in = Counter("offhook_barge_in", "Times that a caller interrupted the AI.")
barge_in_reaction_seconds = Histogram(
    "offhook_barge_in_reaction_seconds",
    "From noticing a voice while the AI speaks to having told Asterisk to be silent.",
    buckets=_SHORT,
)

tool_uses = Counter(
    "offhook_tool_uses",
    "Times that an AI wanted to use a tool, and what became of it.",
    ["tool", "outcome"],
)
tool_seconds = Histogram(
    "offhook_tool_seconds", "What a tool took.", ["tool"], buckets=_TOOL
)

backlogs = Counter(
    "offhook_backlogs", "Times that Asterisk's queue was longer than it should be."
)
queue_behind_seconds = Histogram(
    "offhook_queue_behind_seconds",
    "How much longer Asterisk's queue was than we knew; asked after what we said.",
    buckets=(0.001, 0.02, 0.04, 0.06, 0.08, 0.1, 0.2, 0.5, 1, 2, 5),
)
xoffs = Counter(
    "offhook_xoffs", "Times that Asterisk's queue was nearly full, and we waited."
)
flushes = Counter(
    "offhook_flushes",
    "Times that Asterisk's queue was emptied, by why.",
    ["reason"],
)
frames_in = Counter("offhook_frames_in", "Audio frames received from Asterisk.")
wire_errors = Counter(
    "offhook_wire_errors", "Things Asterisk sent that make no sense.", ["kind"]
)
noise_fallbacks = Counter(
    "offhook_noise_fallbacks",
    "Times that a call went on without noise cancellation.",
    ["reason"],
)
loop_lag_seconds = Histogram(
    "offhook_loop_lag_seconds", "How late the event loop is.", buckets=_LOOP_LAG
)

facts_behind = Gauge(
    "offhook_facts_behind", "Facts of calls that are not in the database yet."
)
journal_errors = Counter(
    "offhook_journal_errors",
    "What the journal met: a disk or a database that did not work, a rejected fact.",
    ["kind"],
)

event_streams = Gauge("offhook_event_streams", "Streams of events that are open.")
event_streams_over = Counter(
    "offhook_event_streams_over", "Streams of events that ended, by why.", ["why"]
)

recordings = Counter(
    "offhook_recordings",
    "Tracks stored; failed attempts, which are tried again; tracks given up.",
    ["track", "result"],
)
recordings_waiting = Gauge(
    "offhook_recordings_waiting", "Recordings in the spool, on their way to the store."
)
webhook_deliveries = Counter(
    "offhook_webhook_deliveries",
    "Tries to tell a webhook of an event; after failed ones it is tried again.",
    ["outcome"],
)
webhook_deliveries_waiting = Gauge(
    "offhook_webhook_deliveries_waiting", "Events that webhooks are still to be told."
)
webhook_seconds = Histogram(
    "offhook_webhook_seconds",
    "What a webhook's receiver took to answer.",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 15),
)
work_looks = Counter(
    "offhook_work_looks",
    "Times that a worker looked for something to do; it looks again and again.",
    ["kind"],
)
worker_up = Gauge(
    "offhook_worker_up",
    "Whether the worker that this agent has started answers.",
    ["worker"],
)
local_restarts = Counter(
    "offhook_local_restarts", "Restarts of a local model server.", ["server"]
)
traces = Counter(
    "offhook_traces",
    "Calls whose trace was sent, and those whose trace was not taken.",
    ["result"],
)

# A series that first appears at 1 hides its first event from rate().
for _reason in EndReason:
    calls.labels(_reason.value)
for _why in (
    *("unauthorised", "bad_call_id", "unknown_ai", "budget_spent", "duplicate_call_id"),
    *("at_capacity", "loop_lag", "stt_queue", "shutting_down"),
):
    calls_refused.labels(_why)
for _speaker in Speaker:
    turns.labels(_speaker.value)
for _why in ("late", "down"):
    noise_fallbacks.labels(_why)
for _kind in ("garbage", "audio_before_start"):
    wire_errors.labels(_kind)
for _kind in ("disk", "database", "rejected"):
    journal_errors.labels(_kind)
for _track in Track:
    for _result in ("stored", "failed", "rejected"):
        recordings.labels(_track.value, _result)
for _outcome in ("delivered", "failed", "dead", "gone"):
    webhook_deliveries.labels(_outcome)
for _kind in ("webhooks", "uploads"):
    work_looks.labels(_kind)
for _result in ("sent", "lost"):
    traces.labels(_result)

# Those of the audio path, found once.
flushed_interrupted = flushes.labels("interrupted")
flushed_held = flushes.labels("held")
flushed_backlog = flushes.labels("backlog")
flushed_silence = flushes.labels("silence")


def note(fact: Fact) -> None:
    """What facts tell of how a conversation feels, and what it costs."""
    match fact:
        case TurnTaken(turn=turn):
            _taken(turn)
        case ToolUsed(use=use):
            # What the policy refuses takes no time, and may be a name made up.
            if not use.failed:
                tool_seconds.labels(use.name).observe(use.milliseconds / 1000)
        case Used(uses=uses):
            for each in uses:
                if each.cost is None:
                    uses_unpriced.labels(each.model).inc()
                elif each.cost > 0:
                    cost.labels(each.model or "calls").inc(each.cost)
        case _:
            pass


def _taken(turn: Turn) -> None:
    turns.labels(turn.speaker.value).inc()
    if turn.interrupted:
        barge_in.inc()
    if (heard := turn.latency.get(HEARD)) is not None:
        reply_heard_seconds.observe(heard)
