import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
import pytest
from prometheus_client import REGISTRY

from agent.calls.toolbox import HttpTool, Policy
from agent.calls.transcript import Speaker, Turn
from agent.conversation.tools import offers
from agent.conversation.tools.offers import Outcome
from tests.fakes.control import FakeControl

from .setup import Desk, ai

AT = datetime(2026, 1, 1, tzinfo=UTC)
TRANSFER = {"destination": "sales"}
OPEN = Policy(extensions=("sales",), emails=("*@example.org",), depth=99, per_call=3)


def counted(tool, outcome):
    labels = {"tool": tool, "outcome": outcome}
    return REGISTRY.get_sample_value("offhook_tool_uses_total", labels)


@pytest.mark.parametrize(
    ("name", "arguments", "outcome", "result", "failed", "refused"),
    [
        ("connect_call", TRANSFER, "done", "the call is handed over", False, False),
        (
            "connect_call",
            {"destination": "+8821234567"},
            "refused",
            "'+8821234567' may not be called",
            True,
            True,
        ),
        (
            "connect_call",
            {"announcement": "One moment"},
            "invalid",
            "wrong arguments: 'destination' is a required property",
            True,
            False,
        ),
        (
            "connect_call",
            {"destination": ["sales"]},
            "invalid",
            "wrong arguments: destination: ['sales'] is not of type 'string'",
            True,
            False,
        ),
        ("order_status", {}, "failed", "the other system says 500: no", True, False),
    ],
)
async def test_every_use_is_written_down(
    name, arguments, outcome, result, failed, refused
):
    tool = HttpTool("order_status", "Look it up.", "https://shop.example")
    desk = Desk(
        ai(policy=OPEN, http_tools=(tool,)),
        answer=lambda _: httpx.Response(500, text="no"),
    )
    before = counted(name, outcome)
    told = await desk.use(name, **arguments)
    (use,) = desk.uses
    assert (told.outcome, told.result) == (outcome, result)
    assert (use.name, use.result, use.failed, use.refused) == (
        name,
        result,
        failed,
        refused,
    )
    assert json.loads(use.arguments) == arguments
    assert use.milliseconds >= 0 and use.started_at.tzinfo is UTC
    assert counted(name, outcome) == before + 1


async def test_a_tool_that_is_made_up():
    desk = Desk(ai(tool_names=("end_call",)))
    before = counted("unknown", "unknown") or 0
    told = await desk.use("transfer_money", amount=100)
    assert told.outcome is Outcome.UNKNOWN
    assert told.result == "there is no tool 'transfer_money'; there are: end_call"
    assert desk.uses[0].name == "transfer_money" and desk.uses[0].failed
    assert counted("unknown", "unknown") == before + 1
    assert counted("transfer_money", "unknown") is None


async def test_a_tool_that_the_ai_has_not_been_given():
    desk = Desk(ai(tool_names=("end_call",), policy=OPEN))
    told = await desk.use("connect_call", **TRANSFER)
    assert told.outcome is Outcome.UNKNOWN
    assert desk.control.done == []


async def test_a_bug_of_ours_is_not_told_in_detail(monkeypatch):
    desk = Desk(ai(knowledge=("faq",)))

    async def search(*_, **__):
        raise RuntimeError("/var/lib/secret.db is locked")

    monkeypatch.setattr(desk.knowledge, "search", search)
    told = await desk.use("search_knowledge", query="x")
    assert (told.outcome, told.result) == (Outcome.FAILED, "search_knowledge failed")


async def test_a_use_that_is_broken_off_is_written_down_too(monkeypatch):
    desk = Desk(ai(policy=OPEN))

    async def send(*_):
        await asyncio.Event().wait()

    monkeypatch.setattr(desk.emails, "send", send)
    task = asyncio.create_task(
        desk.use("send_email", to="a@example.org", subject="", text="")
    )
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (use,) = desk.uses
    assert use.failed and use.result == "broken off: it may or may not have been done"


async def test_what_was_looked_at_is_what_is_done():
    desk = Desk(ai(policy=Policy(countries=("DE",))))
    await desk.use("connect_call", destination="tel: 030 121234")
    assert desk.control.done == [("connect", "+4930121234", "")]


async def test_so_many_in_one_call_and_the_next_call_starts_anew():
    desk = Desk(ai(policy=OPEN))
    outcomes = [(await desk.use("connect_call", **TRANSFER)).outcome for _ in range(5)]
    assert outcomes == ["done"] * 3 + ["refused"] * 2
    assert len(desk.control.done) == 3
    desk.offer = desk.another()
    assert (await desk.use("connect_call", **TRANSFER)).outcome is Outcome.DONE


async def test_so_many_at_the_same_moment():
    desk = Desk(ai(policy=OPEN))
    told = await asyncio.gather(
        *(
            desk.use("send_email", to="a@example.org", subject="", text="")
            for _ in range(10)
        )
    )
    assert [each.outcome for each in told].count(Outcome.DONE) == 3
    assert len(desk.emails.sent) == 3


async def test_so_many_in_an_hour_in_all_calls_of_an_ai():
    desk = Desk(ai(policy=replace(OPEN, per_hour=4)))
    done = []
    for _ in range(3):
        desk.offer = desk.another(control := FakeControl())
        for _ in range(2):
            await desk.use("connect_call", **TRANSFER)
        done.append(len(control.done))
    assert done == [2, 2, 0]
    other = Desk(replace(desk.ai, name="other"))
    other.toolbox = desk.toolbox
    other.offer = other.another()
    await other.use("connect_call", **TRANSFER)
    assert len(other.control.done) == 1
    theirs = FakeControl(customer="acme")  # whose AI has the same name
    desk.offer = desk.another(theirs)
    await desk.use("connect_call", **TRANSFER)
    assert len(theirs.done) == 1


async def test_the_hour_passes(monkeypatch):
    now = 5000.0
    monkeypatch.setattr(offers, "monotonic", lambda: now)
    desk = Desk(ai(policy=replace(OPEN, per_hour=1)))
    assert (await desk.use("connect_call", **TRANSFER)).outcome is Outcome.DONE
    assert (await desk.use("connect_call", **TRANSFER)).outcome is Outcome.REFUSED
    now += 3600
    assert (await desk.use("connect_call", **TRANSFER)).outcome is Outcome.DONE


async def test_a_call_may_cost_so_much():
    prices = {"connect_call": 0.4, "get_variables": 0.2}
    desk = Desk(ai(policy=replace(OPEN, spend=1.0, prices=prices)))
    names = ["connect_call", "connect_call", "connect_call", "get_variables"]
    told = [await desk.use(name, **TRANSFER) for name in names]
    assert [each.outcome for each in told] == ["done", "done", "refused", "done"]


async def test_a_model_that_only_uses_tools_is_brought_to_answer_then_to_silence():
    desk = Desk(ai(policy=Policy(depth=2)))
    told = [await desk.use("get_variables") for _ in range(4)]
    assert [each.outcome for each in told] == ["done", "done", "refused", "refused"]
    assert [each.quiet for each in told] == [False, False, False, True]
    desk.control.turns.append(Turn(Speaker.AGENT, "Well", AT, AT))
    assert (await desk.use("get_variables")).outcome is Outcome.REFUSED
    desk.control.turns.append(Turn(Speaker.CALLER, "And now?", AT, AT))
    assert (await desk.use("get_variables")).outcome is Outcome.DONE


@pytest.mark.parametrize("name", ["nothing_like_it", "connect_call"])
async def test_mistakes_count_as_uses_too(name):
    desk = Desk(ai(policy=Policy(depth=2)))
    told = [await desk.use(name) for _ in range(4)]
    assert [each.quiet for each in told] == [False, False, False, True]


class FakeLlm:
    """Where pipecat's services keep their functions."""

    def __init__(self):
        self.functions = {}
        self.deadlines = {}

    def register_function(self, name, handler, *, timeout_secs=None):
        self.functions[name] = handler
        self.deadlines[name] = timeout_secs

    async def asks_for(self, name, **arguments):
        answered = []

        async def result(value, *, properties=None):
            answered.append((value, properties.run_llm if properties else None))

        handle = self.functions.get(name) or self.functions[None]
        await handle(
            SimpleNamespace(
                function_name=name, arguments=arguments, result_callback=result
            )
        )
        (one,) = answered
        return one


def offered(desk, llm, channel="voice"):
    return offers.offer(
        llm, desk.ai, desk.toolbox, desk.control, desk.uses.append, channel
    )


async def test_a_model_gets_the_tools_and_their_results():
    desk, llm = Desk(ai(tool_names=("get_variables", "end_call"))), FakeLlm()
    desk.control.variables["name"] = "Ann"
    schema = offered(desk, llm)
    assert [tool.name for tool in schema.standard_tools] == [
        "get_variables",
        "end_call",
    ]
    assert await llm.asks_for("get_variables") == ({"name": "Ann"}, None)
    desk.control.variables.clear()
    # Pipecat would take an empty result for none, and the caller would wait for ever.
    assert await llm.asks_for("get_variables") == ("{}", None)
    assert await llm.asks_for("end_call", farewell="Bye") == ("the call ends", False)
    made_up = await llm.asks_for("send_money")
    assert made_up[0].startswith("there is no tool 'send_money'")
    assert [use.name for use in desk.uses] == [
        "get_variables",
        "get_variables",
        "end_call",
        "send_money",
    ]


def test_a_slow_system_is_waited_for_as_long_as_its_operator_says():
    tool = HttpTool("order_status", "", "https://shop.example", timeout=40)
    desk, llm = Desk(ai(http_tools=(tool,))), FakeLlm()
    offered(desk, llm)
    assert llm.deadlines["order_status"] == 41


async def test_a_failed_end_of_call_is_spoken_about():
    desk, llm = Desk(), FakeLlm()
    desk.control.cannot = "Not now."
    offered(desk, llm)
    assert await llm.asks_for("end_call", farewell="Bye") == ("Not now.", None)


async def test_an_ai_without_tools():
    desk, llm = Desk(ai(tool_names=())), FakeLlm()
    assert offered(desk, llm) is None
    assert (await llm.asks_for("end_call"))[0].endswith("there are: none")
    assert desk.control.done == []


def test_what_is_described_is_what_is_offered():
    desk = Desk()
    schema = offered(desk, FakeLlm(), "chat")
    described = offers.described(desk.ai, desk.toolbox, "chat")
    assert [each["function"] for each in described] == [
        tool.to_default_dict() for tool in schema.standard_tools
    ]
    assert len(described) > 4
