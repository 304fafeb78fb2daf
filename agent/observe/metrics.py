"""Everything that Prometheus is told, in one place.

No label ever holds a call's id: each value of a label is a series kept for ever.
"""

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from agent.calls.call import EndReason
from agent.calls.record import Track

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

calls_live = Gauge("offhook_calls_live", "Calls that are up.")
calls = Counter("offhook_calls", "Calls that are over.", ["end_reason"])
calls_refused = Counter(
    "offhook_calls_refused", "Calls that were not accepted.", ["reason"]
)
call_seconds = Histogram("offhook_call_seconds", "Length of a call.", buckets=_CALL)

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
provider_errors = Counter(
    "offhook_provider_errors",
    "Failures of ears, mind or voice, by who failed and why.",
    ["stage", "provider", "cause"],
)
llm_tokens = Counter(
    "offhook_llm_tokens", "Tokens that models read and wrote.", ["model", "kind"]
)
barge_in = Counter("offhook_barge_in", "Times that a caller interrupted the AI.")

tool_uses = Counter(
    "offhook_tool_uses",
    "Times that an AI wanted to use a tool, and what became of it.",
    ["tool", "outcome"],
)

backlogs = Counter(
    "offhook_backlogs", "Times that Asterisk's queue was longer than it should be."
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

recordings = Counter(
    "offhook_recordings",
    "Tracks stored; failed attempts, which are tried again; tracks given up.",
    ["track", "result"],
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
local_restarts = Counter(
    "offhook_local_restarts", "Restarts of a local model server.", ["server"]
)

# A series that first appears at 1 hides its first event from rate().
for _reason in EndReason:
    calls.labels(_reason.value)
for _why in ("late", "down"):
    noise_fallbacks.labels(_why)
for _kind in ("disk", "database", "rejected"):
    journal_errors.labels(_kind)
for _track in Track:
    for _result in ("stored", "failed", "rejected"):
        recordings.labels(_track.value, _result)
for _outcome in ("delivered", "failed", "dead", "gone"):
    webhook_deliveries.labels(_outcome)
