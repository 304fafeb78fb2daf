import asyncio
import re
from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY, Histogram, generate_latest

from agent.calls.call import CallEnd, EndReason
from agent.calls.facts import CallEnded, ToolUsed, TurnTaken, Used
from agent.calls.transcript import Speaker, ToolUse, Turn
from agent.calls.usage import Meter, Use
from agent.observe import metrics
from tests.media.test_mouth import Wire, pcm, scene

from .prometheus import NAMES, OURS, PAGE, promtool

__all__ = ["promtool"]

KINDS = {
    "offhook_build_info": ("info", ()),
    "offhook_calls_live": ("gauge", ()),
    "offhook_calls_limit": ("gauge", ()),
    "offhook_calls_accepted_total": ("counter", ()),
    "offhook_calls_total": ("counter", ("end_reason",)),
    "offhook_calls_refused_total": ("counter", ("reason",)),
    "offhook_call_seconds": ("histogram", ()),
    "offhook_vad_seconds": ("histogram", ()),
    "offhook_turn_silence_seconds": ("histogram", ()),
    "offhook_stt_waiting": ("gauge", ()),
    "offhook_stt_seconds": ("histogram", ()),
    "offhook_llm_first_token_seconds": ("histogram", ()),
    "offhook_tts_first_audio_seconds": ("histogram", ()),
    "offhook_reply_seconds": ("histogram", ()),
    "offhook_reply_heard_seconds": ("histogram", ()),
    "offhook_turns_total": ("counter", ("speaker",)),
    "offhook_provider_errors_total": ("counter", ("stage", "provider", "cause")),
    "offhook_llm_tokens_total": ("counter", ("model", "kind")),
    "offhook_cost_total": ("counter", ("model",)),
    "offhook_uses_unpriced_total": ("counter", ("model",)),
    "offhook_barge_in_total": ("counter", ()),
    "offhook_barge_in_reaction_seconds": ("histogram", ()),
    "offhook_noise_fallbacks_total": ("counter", ("reason",)),
    "offhook_tool_uses_total": ("counter", ("tool", "outcome")),
    "offhook_tool_seconds": ("histogram", ("tool",)),
    "offhook_backlogs_total": ("counter", ()),
    "offhook_queue_behind_seconds": ("histogram", ()),
    "offhook_xoffs_total": ("counter", ()),
    "offhook_flushes_total": ("counter", ("reason",)),
    "offhook_frames_in_total": ("counter", ()),
    "offhook_wire_errors_total": ("counter", ("kind",)),
    "offhook_loop_lag_seconds": ("histogram", ()),
    "offhook_facts_behind": ("gauge", ()),
    "offhook_journal_errors_total": ("counter", ("kind",)),
    "offhook_event_streams": ("gauge", ()),
    "offhook_event_streams_over_total": ("counter", ("why",)),
    "offhook_recordings_total": ("counter", ("track", "result")),
    "offhook_recordings_waiting": ("gauge", ()),
    "offhook_webhook_deliveries_total": ("counter", ("outcome",)),
    "offhook_webhook_deliveries_waiting": ("gauge", ()),
    "offhook_webhook_seconds": ("histogram", ()),
    "offhook_work_looks_total": ("counter", ("kind",)),
    "offhook_worker_up": ("gauge", ("worker",)),
    "offhook_local_restarts_total": ("counter", ("server",)),
    "offhook_traces_total": ("counter", ("result",)),
}


def test_these_are_all_and_dashboards_rely_on_their_names():
    found = {
        name: (metric._type, tuple(metric._labelnames))
        for name, metric in NAMES.items()
    }
    assert found == KINDS


def test_the_page_has_them_all_with_their_labels_and_no_other():
    rows = re.findall(
        r"^\| `(offhook_\w+)` \| ([^|]*?) ?\| (.*?) \|", PAGE.read_text(), re.M
    )
    assert {name: tuple(re.findall(r"\w+", labels)) for name, labels, _ in rows} == {
        name: labels or (("version",) if kind == "info" else ())
        for name, (kind, labels) in KINDS.items()
    }
    for name, _, told in rows:
        assert ("(histogram" in told) is (KINDS[name][0] == "histogram"), name


def test_the_page_names_no_metric_that_is_not_there():
    # Those of the noise cancellation are another process's, docs/noise.md.
    named = set(re.findall(r"offhook_[a-z]\w+", PAGE.read_text())) - {"offhook_key"}
    parts = {f"{name}_{part}" for name in KINDS for part in ("bucket", "count", "sum")}
    assert named - {"offhook_calls"} <= set(KINDS) | parts


def test_promtool_finds_nothing_to_say(promtool):
    done = promtool("check", "metrics", input=generate_latest().decode())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_promtool_would_say_something(promtool):
    bad = "# TYPE offhook_calls counter\noffhook_calls 1\n"
    done = promtool("check", "metrics", input=bad)
    assert done.returncode == 3
    assert "_total" in done.stderr + done.stdout


@pytest.mark.parametrize("metric", OURS, ids=lambda metric: metric._name)
def test_no_label_is_a_calls_own(metric):
    names = set(metric._labelnames)
    assert not names & {"call", "call_id", "channel", "channel_id", "caller", "called"}
    # Prometheus gives these two itself.
    assert not names & {"job", "instance"}


@pytest.mark.parametrize("metric", OURS, ids=lambda metric: metric._name)
def test_times_are_in_seconds_and_say_so(metric):
    if isinstance(metric, Histogram):
        assert metric._name.endswith("_seconds")


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


NOW = datetime(2026, 11, 21, tzinfo=UTC)


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def agent_turn(**more) -> TurnTaken:
    return TurnTaken("17.5", Turn(Speaker.AGENT, "yes", NOW, NOW, **more))


def tool_use(**more) -> ToolUsed:
    return ToolUsed("17.5", ToolUse("look_up", "{}", "", NOW, 250, **more))


def used(cost: float | None) -> Used:
    return Used("17.5", (Use(Meter.LLM_OUTPUT_TOKENS, "groq.llama", 9, cost),))


SAID = {"speaker": "agent"}
TOOL = {"tool": "look_up"}
MODEL = {"model": "groq.llama"}


@pytest.mark.parametrize(
    ("fact", "name", "labels", "more"),
    [
        (agent_turn(), "offhook_turns_total", SAID, 1),
        (agent_turn(), "offhook_barge_in_total", {}, 0),
        (agent_turn(), "offhook_reply_heard_seconds_count", {}, 0),
        (agent_turn(interrupted=True), "offhook_barge_in_total", {}, 1),
        (
            agent_turn(latency={metrics.HEARD: 0.75, "reply": 0.5}),
            *("offhook_reply_heard_seconds_sum", {}, 0.75),
        ),
        (tool_use(), "offhook_tool_seconds_sum", TOOL, 0.25),
        (tool_use(failed=True), "offhook_tool_seconds_count", TOOL, 0),
        (used(0.5), "offhook_cost_total", MODEL, 0.5),
        (used(0.5), "offhook_uses_unpriced_total", MODEL, 0),
        (used(None), "offhook_uses_unpriced_total", MODEL, 1),
        (used(None), "offhook_cost_total", MODEL, 0),
        (used(0.0), "offhook_uses_unpriced_total", MODEL, 0),
        (
            Used("17.5", (Use(Meter.CALL_SECONDS, "", 60, 0.25),)),
            *("offhook_cost_total", {"model": "calls"}, 0.25),
        ),
        (
            CallEnded("17.5", CallEnd(EndReason.CALLER_HUNG_UP, NOW)),
            *("offhook_turns_total", SAID, 0),
        ),
    ],
)
def test_facts_are_counted(fact, name, labels, more):
    before = sample(name, **labels)
    metrics.note(fact)
    assert sample(name, **labels) - before == pytest.approx(more)


# What the mouth counts.


def flushes() -> dict[str, float]:
    reasons = ("interrupted", "held", "backlog", "silence")
    return {
        reason: sample("offhook_flushes_total", reason=reason) for reason in reasons
    }


def reactions() -> float:
    return sample("offhook_barge_in_reaction_seconds_count")


async def _interrupts(mouth):
    mouth.interrupt()


async def _holds(mouth):
    mouth.keep()


async def _falls_behind(mouth):
    await asyncio.sleep(5)
    mouth.mark_reached("m2")
    await asyncio.sleep(0.1)
    mouth.queue_is(50)


@pytest.mark.parametrize(
    ("play", "reason", "reacts"),
    [
        (_interrupts, "interrupted", 1),
        (_holds, "held", 0),
        (_falls_behind, "backlog", 0),
    ],
)
def test_a_flush_is_counted_by_why(play, reason, reacts):
    async def scenery(wire, mouth):
        mouth.say(pcm(2))
        mouth.finish()
        await asyncio.sleep(1)
        await play(mouth)
        await asyncio.sleep(0.1)

    before, heard = flushes(), reactions()
    scene(scenery)
    more = {each: value - before[each] for each, value in flushes().items()}
    assert {each for each, value in more.items() if value} == {reason}
    assert more[reason] == 1
    assert reactions() - heard == reacts


def test_silence_between_words_is_flushed_before_an_answer():
    async def scenery(wire, mouth):
        await asyncio.sleep(1.2)
        mouth.say(pcm(1))
        await asyncio.sleep(0.1)

    before = flushes()
    scene(scenery, fill=True)
    assert flushes()["silence"] - before["silence"] == 1


def test_how_long_falling_silent_takes_is_known(monkeypatch):
    """As long as the socket does not take the command."""

    async def slowly(wire, message, send=Wire.send):
        await asyncio.sleep(0.25 if isinstance(message, str) else 0)
        await send(wire, message)

    async def scenery(wire, mouth):
        mouth.say(pcm(2))
        await asyncio.sleep(0.5)
        mouth.pause()
        await asyncio.sleep(1)

    monkeypatch.setattr(Wire, "send", slowly)
    before = sample("offhook_barge_in_reaction_seconds_sum"), reactions()
    scene(scenery)
    assert reactions() - before[1] == 1
    took = sample("offhook_barge_in_reaction_seconds_sum") - before[0]
    assert took == pytest.approx(0.25)


def test_a_full_queue_is_counted():
    async def scenery(wire, mouth):
        mouth.hold()
        mouth.release()

    before = sample("offhook_xoffs_total")
    scene(scenery)
    assert sample("offhook_xoffs_total") - before == 1


def test_a_queue_that_is_behind_is_measured():
    async def scenery(wire, mouth):
        mouth.say(pcm(1))
        mouth.finish()
        await asyncio.sleep(3)
        mouth.mark_reached("m1")
        await asyncio.sleep(0.1)
        mouth.queue_is(4)

    before = sample("offhook_queue_behind_seconds_sum")
    scene(scenery)
    behind = sample("offhook_queue_behind_seconds_sum") - before
    assert behind == pytest.approx(0.08)
