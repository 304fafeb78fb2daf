import asyncio
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
import pytest

from agent.calls.call import Call, CallEnd, Direction, EndReason, HangupCause
from agent.calls.facts import (
    CallAnswered,
    CallBegan,
    CallEnded,
    CauseTold,
    ToolUsed,
    TroubleMet,
    TurnTaken,
    Used,
    VariablesKept,
)
from agent.calls.transcript import Speaker, ToolUse, Trouble, Turn
from agent.calls.usage import Meter, Use
from agent.observe import metrics
from agent.observe.config import TracesConfig, pairs
from agent.observe.traces import Traced, Traces
from tests import virtual_time

BEGAN = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
URL = "http://collector:4318/v1/traces"
SECRETS = ("4111", "+4915550100", "Mueller", "opening hours", "nine to five")


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


CALL = Call(
    id="17.5",
    caller="+4915550100",
    called="1000",
    direction=Direction.INBOUND,
    ai="desk",
    started_at=BEGAN,
    variables={"name": "Mueller"},
    customer="acme",
    ai_version=3,
)
CONVERSATION = [
    CallBegan(CALL),
    CallAnswered("17.5", at(0.1), "ch1", "ulaw", "json"),
    Used("17.5", (Use(Meter.TTS_CHARACTERS, "piper.joe", 20),)),
    TurnTaken(
        "17.5", Turn(Speaker.AGENT, "Mueller?", at(0.2), at(2), latency={"tts": 0.1})
    ),
    Used("17.5", (Use(Meter.STT_SECONDS, "whisper.base", 2.5),)),
    TurnTaken("17.5", Turn(Speaker.CALLER, "opening hours? 4111", at(3), at(6))),
    TroubleMet("17.5", Trouble("llm", "groq.llama", "throttled", "4111", at(6.1))),
    Used("17.5", (Use(Meter.LLM_INPUT_TOKENS, "openai.gpt", 90),)),
    Used("17.5", (Use(Meter.LLM_CACHED_TOKENS, "openai.gpt", 10),)),
    Used("17.5", (Use(Meter.LLM_OUTPUT_TOKENS, "openai.gpt", 7),)),
    ToolUsed("17.5", ToolUse("look_up", '{"q": "4111"}', "nine to five", at(6.2), 300)),
    ToolUsed(
        "17.5",
        ToolUse("tell Mueller now!", "{}", "no", at(6.3), 1, failed=True, refused=True),
    ),
    VariablesKept("17.5", {"name": "Mueller"}),
    Used("17.5", (Use(Meter.TTS_CHARACTERS, "piper.joe", 12),)),
    TurnTaken(
        "17.5",
        Turn(
            Speaker.AGENT,
            "nine to five",
            at(7),
            at(9),
            interrupted=True,
            latency={
                **{"silence": 0.5, "stt": 0.3, "llm": 0.4, "tts": 0.2, "reply": 1.6}
            },
        ),
    ),
    CallEnded("17.5", CallEnd(EndReason.CALLER_HUNG_UP, at(10), "to +4915550100")),
    CauseTold("17.5", HangupCause(16)),
]


class Collector:
    """Takes what OpenTelemetry's collector does; `answers` come first."""

    def __init__(self, *answers: int | Exception):
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.told: list[dict] = []

    async def take(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        if answer == 200:
            self.told.append(httpx.Response(200, content=request.content).json())
        return httpx.Response(answer)

    @property
    def spans(self) -> list[dict]:
        return [
            span
            for told in self.told
            for resource in told["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]


def trace(*facts, collector=None, config=None):
    """What the collector has heard after these facts."""
    collector = collector or Collector()
    config = config or TracesConfig(URL)

    async def main():
        async with httpx.AsyncClient(
            transport=httpx.MockTransport(collector.take)
        ) as http:
            traces = Traces(config, http)
            running = asyncio.create_task(traces.run())
            for fact in facts:
                traces.note(fact)
            await traces.flush(3600)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    virtual_time.run(main())
    return collector


def attributes(span: dict) -> dict:
    (kind,) = {len(each["value"]) for each in span["attributes"]}
    assert kind == 1
    return {
        each["key"]: next(iter(each["value"].values())) for each in span["attributes"]
    }


def times(span: dict) -> tuple[float, float]:
    """In seconds of the call."""
    zero = BEGAN.timestamp()
    names = ("startTimeUnixNano", "endTimeUnixNano")
    begin, end = (round(int(span[name]) / 1e9 - zero, 3) for name in names)
    return begin, end


@pytest.fixture
def spans():
    return trace(*CONVERSATION).spans


def test_a_call_is_a_tree(spans):
    by_id = {span["spanId"]: span for span in spans}
    assert len(by_id) == len(spans)
    assert {span["traceId"] for span in spans} == {spans[0]["traceId"]}
    tree = [
        (by_id[parent]["name"] if (parent := span.get("parentSpanId")) else "")
        + ">"
        + span["name"]
        for span in spans
    ]
    assert tree == [
        ">call",
        "call>turn",
        "turn>tts",
        "call>turn",
        "call>turn",
        "turn>stt",
        "turn>chat gpt",
        "turn>tts",
        "turn>execute_tool look_up",
        "turn>execute_tool unknown",
    ]


def test_each_lies_where_it_was(spans):
    assert [times(span) for span in spans] == [
        (0, 10),
        (0.2, 2),
        (0.2, 0.3),
        (3, 6),
        # He had fallen silent half a second before his turn was over.
        (5.5, 9),
        (5.7, 6),
        (6, 6.4),
        (6.9, 7.1),
        (6.2, 6.5),
        (6.3, 6.301),
    ]


def test_ids_are_those_of_opentelemetry(spans):
    for span in spans:
        assert len(bytes.fromhex(span["traceId"])) == 16
        assert len(bytes.fromhex(span["spanId"])) == 8


def test_names_are_those_of_opentelemetry(spans):
    told = [attributes(span) for span in spans]
    assert all(each["offhook.call.id"] == "17.5" for each in told)
    call, greeting, _, _, reply, stt, llm, tts, tool, refused = told
    assert call["gen_ai.agent.name"] == "desk"
    assert call["offhook.call.end_reason"] == "caller_hung_up"
    assert call["offhook.customer"] == "acme"
    assert greeting["offhook.turn.speaker"] == "agent"
    assert reply["offhook.turn.interrupted"] is True
    assert reply["offhook.latency.reply"] == 1.6
    assert stt["gen_ai.request.model"] == "base"
    assert llm["gen_ai.operation.name"] == "chat"
    assert llm["gen_ai.provider.name"] == "openai"
    assert llm["gen_ai.usage.input_tokens"] == "100"
    assert llm["gen_ai.usage.cache_read.input_tokens"] == "10"
    assert llm["gen_ai.usage.output_tokens"] == "7"
    assert tts["gen_ai.request.model"] == "joe"
    assert tool["gen_ai.tool.name"] == "look_up"
    assert refused["error.type"] == "refused"
    (event,) = [each for each in spans[0]["events"] if each["name"] != CALLED]
    assert event["name"] == "offhook.trouble"
    assert attributes(event)["error.type"] == "throttled"


CALLED = "offhook.answered"


@pytest.mark.parametrize("word", SECRETS)
def test_nothing_that_anybody_said_leaves(word):
    collector = trace(*CONVERSATION)
    assert len(collector.requests) == 1
    assert word.encode() not in collector.requests[0].content


@pytest.mark.parametrize("reason", EndReason)
def test_only_faults_are_errors(reason):
    (root,) = trace(CallBegan(CALL), CallEnded("17.5", CallEnd(reason, at(1)))).spans
    faults = {
        *("agent_failed", "agent_died", "provider_failed"),
        *("no_media_start", "unsupported_format", "socket_lost"),
    }
    assert (root.get("status", {}).get("code") == 2) is (reason.value in faults)


def test_a_process_says_what_it_is():
    config = TracesConfig(
        URL, {"X-Key": "k"}, "front", {"deployment.environment.name": "prod"}
    )
    collector = trace(*CONVERSATION, config=config)
    assert collector.requests[0].headers["x-key"] == "k"
    (resource,) = collector.told[0]["resourceSpans"]
    said = attributes(resource["resource"])
    assert said["service.name"] == "front"
    assert said["deployment.environment.name"] == "prod"


def test_many_calls_are_few_requests():
    facts = [
        fact
        for number in range(50)
        for fact in (
            CallBegan(Call(f"17.{number}", "", "", Direction.INBOUND, "desk", BEGAN)),
            CallEnded(f"17.{number}", CallEnd(EndReason.CALLER_HUNG_UP, at(1))),
        )
    ]
    collector = trace(*facts)
    assert len(collector.spans) == 50
    assert len({span["traceId"] for span in collector.spans}) == 50
    assert len(collector.requests) == 3


def counted(result: str) -> float:
    return metrics.traces.labels(result)._value.get()


AWAY = httpx.ConnectError("refused")


@pytest.mark.parametrize(
    ("answers", "requests", "sent"),
    [
        ((), 1, 1),
        ((503,), 2, 1),
        ((AWAY, 429, 502), 4, 1),
        ((400,), 1, 0),
        ((AWAY,) * 5, 5, 0),
    ],
)
def test_a_collector_that_is_away_is_tried_again(answers, requests, sent):
    before = counted("sent"), counted("lost")
    collector = trace(*CONVERSATION, collector=Collector(*answers))
    assert len(collector.requests) == requests
    after = counted("sent"), counted("lost")
    assert (after[0] - before[0], after[1] - before[1]) == (sent, 1 - sent)


def test_what_waits_does_not_grow_for_ever():
    numbers = count()
    before = counted("lost")

    async def main():
        async with httpx.AsyncClient() as http:
            traces = Traces(TracesConfig(URL), http)
            for number in range(1200):
                call = Call(
                    f"17.{next(numbers)}", "", "", Direction.INBOUND, "desk", BEGAN
                )
                traces.note(CallBegan(call))
                traces.note(
                    CallEnded(f"17.{number}", CallEnd(EndReason.AGENT_HUNG_UP, at(1)))
                )

    virtual_time.run(main())
    assert counted("lost") - before == 200


def test_facts_of_calls_that_nobody_knows_are_nothing():
    collector = trace(*CONVERSATION[1:])
    assert collector.requests == []


def test_a_fault_of_tracing_is_no_fault_of_the_call():
    facts = [CONVERSATION[0], TurnTaken("17.5", None), *CONVERSATION[1:]]
    assert trace(*facts).spans == trace(*CONVERSATION).spans


def test_records_are_told_as_before():
    class List(list):
        note = list.append

    noted, traced = List(), List()
    both = Traced(noted, traced)
    for fact in CONVERSATION:
        both.note(fact)
    assert noted == traced == CONVERSATION


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        (" a = 1 , b=2,", {"a": "1", "b": "2"}),
        ("authorization=Basic%20eDp5", {"authorization": "Basic eDp5"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=", {"a": ""}),
    ],
)
def test_pairs_are_read_as_opentelemetry_writes_them(text, found):
    assert pairs(text) == found


@pytest.mark.parametrize("text", ["s3cret", "a=1,s3cret", "=s3cret"])
def test_pairs_that_are_none_are_not_repeated(text):
    with pytest.raises(ValueError, match="key=value") as caught:
        pairs(text)
    assert "s3cret" not in str(caught.value)
