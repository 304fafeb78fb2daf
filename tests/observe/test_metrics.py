import pytest
from prometheus_client import REGISTRY, Histogram, generate_latest

from agent.calls.call import EndReason
from agent.observe import metrics

KINDS = {
    "offhook_calls_live": ("gauge", ()),
    "offhook_calls_total": ("counter", ("end_reason",)),
    "offhook_calls_refused_total": ("counter", ("reason",)),
    "offhook_call_seconds": ("histogram", ()),
    "offhook_stt_seconds": ("histogram", ()),
    "offhook_llm_first_token_seconds": ("histogram", ()),
    "offhook_tts_first_audio_seconds": ("histogram", ()),
    "offhook_reply_seconds": ("histogram", ()),
    "offhook_provider_errors_total": ("counter", ("stage", "provider", "cause")),
    "offhook_llm_tokens_total": ("counter", ("model", "kind")),
    "offhook_barge_in_total": ("counter", ()),
    "offhook_noise_fallbacks_total": ("counter", ("reason",)),
    "offhook_tool_uses_total": ("counter", ("tool", "outcome")),
    "offhook_backlogs_total": ("counter", ()),
    "offhook_frames_in_total": ("counter", ()),
    "offhook_wire_errors_total": ("counter", ("kind",)),
    "offhook_loop_lag_seconds": ("histogram", ()),
    "offhook_facts_behind": ("gauge", ()),
    "offhook_journal_errors_total": ("counter", ("kind",)),
    "offhook_recordings_total": ("counter", ("track", "result")),
    "offhook_webhook_deliveries_total": ("counter", ("outcome",)),
    "offhook_webhook_deliveries_waiting": ("gauge", ()),
    "offhook_webhook_seconds": ("histogram", ()),
    "offhook_local_restarts_total": ("counter", ("server",)),
}
OURS = [metric for metric in vars(metrics).values() if hasattr(metric, "_labelnames")]


def test_these_are_all_and_dashboards_rely_on_their_names():
    found = {}
    for metric in OURS:
        name = metric._name + ("_total" if metric._type == "counter" else "")
        found[name] = (metric._type, tuple(metric._labelnames))
    assert found == KINDS


@pytest.mark.parametrize("metric", OURS, ids=lambda metric: metric._name)
def test_each_says_what_it_counts(metric):
    assert metric._documentation.endswith(".")


def test_buckets_lie_where_a_conversation_is():
    for metric in OURS:
        if isinstance(metric, Histogram) and metric._name.endswith(
            ("stt_seconds", "token_seconds", "audio_seconds", "reply_seconds")
        ):
            bounds = [bound for bound in metric._upper_bounds if 0.2 <= bound <= 1]
            assert len(bounds) >= 8, metric


def test_reasons_are_there_before_the_first_call():
    for reason in EndReason:
        value = REGISTRY.get_sample_value(
            "offhook_calls_total", {"end_reason": reason.value}
        )
        assert value is not None


def test_no_series_says_when_it_was_made():
    assert b"offhook_calls_created" not in generate_latest()
