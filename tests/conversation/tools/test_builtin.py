from datetime import UTC, datetime

import pytest

from agent.calls.passage import Passage
from agent.calls.toolbox import Policy
from agent.calls.transcript import Speaker, Turn
from agent.conversation.tools.builtin import TOOLS
from agent.conversation.tools.offers import Outcome
from agent.conversation.tools.tool import schema_mistake

from .setup import Desk, ai

ASKED_FOR = [
    "connect_call",
    "send_email",
    "send_message",
    "stop_media",
    "stop_service",
    "stop_flow",
    "record_stop",
    "record_start",
    "pause_recording",
    "set_variables",
    "get_variables",
    "get_aicall_messages",
    "search_knowledge",
]
AT = datetime(2026, 1, 1, tzinfo=UTC)
OPEN = ai(
    policy=Policy(extensions=("sales",), emails=("*@example.org",)),
    knowledge=("faq",),
)


def test_these_are_the_tools():
    assert list(TOOLS) == [*ASKED_FOR, "end_call"]


@pytest.mark.parametrize("name", TOOLS)
def test_each_is_short_enough_for_small_models(name):
    tool = TOOLS[name]
    assert len(tool.description) <= 140 and tool.description.endswith(".")
    assert len(tool.properties) <= 3
    assert set(tool.required) <= set(tool.properties)
    assert schema_mistake({"type": "object", "properties": tool.properties}) == ""


@pytest.mark.parametrize(
    ("name", "arguments", "done"),
    [
        ("end_call", {"farewell": "Bye!"}, ("hang_up", "Bye!")),
        ("stop_flow", {}, ("hang_up", "")),
        ("stop_service", {"farewell": "Please hold."}, ("leave", "Please hold.")),
        ("stop_service", {}, ("leave", "")),
        ("stop_media", {}, ("stop_media",)),
        ("pause_recording", {}, ("record_pause",)),
        (
            "connect_call",
            {"destination": "sales", "announcement": "One moment."},
            ("connect", "sales", "One moment."),
        ),
        ("connect_call", {"destination": "sales"}, ("connect", "sales", "")),
    ],
)
async def test_what_is_done_to_the_call(name, arguments, done):
    desk = Desk(OPEN)
    told = await desk.use(name, **arguments)
    assert desk.control.done == [done]
    assert (told.outcome, told.quiet) == (Outcome.DONE, True)


@pytest.mark.parametrize("name", ["record_stop", "record_start"])
async def test_what_the_caller_is_to_be_told(name):
    desk = Desk(OPEN)
    told = await desk.use(name)
    assert desk.control.done == [(name,)]
    assert (told.outcome, told.quiet) == (Outcome.DONE, False)


@pytest.mark.parametrize("name", ["end_call", "stop_flow", "stop_service"])
async def test_what_the_call_cannot_do_is_told_in_its_own_words(name):
    desk = Desk(OPEN)
    desk.control.cannot = "There is nobody to hand over to."
    told = await desk.use(name, farewell="Bye")
    assert told.outcome is Outcome.FAILED
    assert told.result == "There is nobody to hand over to."
    assert not told.quiet
    assert desk.uses[0].failed and not desk.uses[0].refused


async def test_an_email():
    desk = Desk(OPEN)
    told = await desk.use("send_email", to="ann@example.org", subject="Hi", text="Yes")
    assert desk.emails.sent == [("ann@example.org", "Hi", "Yes")]
    assert told.result == "sent to ann@example.org"


async def test_a_message_to_the_caller():
    desk = Desk(OPEN)
    told = await desk.use("send_message", text="Your code is 7.")
    assert desk.messages.sent == [("+4915123456789", "Your code is 7.")]
    assert told.result == "sent to +4915123456789"


async def test_variables():
    desk = Desk(OPEN)
    await desk.use("set_variables", variables={"name": "Ann", "guests": 4, "vip": True})
    assert desk.control.variables == {"name": "Ann", "guests": "4", "vip": "True"}
    told = await desk.use("get_variables")
    assert told.result == {"name": "Ann", "guests": "4", "vip": "True"}


@pytest.mark.parametrize(
    "variables",
    [
        {"a b": "1"},
        {"": "1"},
        {"1a": "1"},
        {"x" * 65: "1"},
        {f"v{n}": "1" for n in range(51)},
    ],
)
async def test_variables_that_nobody_needs(variables):
    desk = Desk(OPEN)
    told = await desk.use("set_variables", variables=variables)
    assert told.outcome is Outcome.FAILED
    assert desk.control.variables == {}


async def test_a_variable_is_no_place_for_a_book():
    desk = Desk(OPEN)
    await desk.use("set_variables", variables={"book": "x" * 100_000})
    assert desk.control.variables == {"book": "x" * 1000}


async def test_what_was_said():
    desk = Desk(OPEN)
    desk.control.turns += [
        Turn(Speaker.AGENT, "Hello", AT, AT),
        Turn(Speaker.CALLER, "Hi " * 1000, AT, AT),
    ]
    told = await desk.use("get_aicall_messages")
    assert told.result[0] == {"speaker": "agent", "text": "Hello"}
    assert len(told.result[1]["text"]) == 300


async def test_what_was_said_long_ago_is_left_out():
    desk = Desk(OPEN)
    desk.control.turns += [Turn(Speaker.AGENT, str(n), AT, AT) for n in range(100)]
    told = await desk.use("get_aicall_messages")
    assert [each["text"] for each in told.result] == [str(n) for n in range(60, 100)]


async def test_what_the_documents_say():
    desk = Desk(OPEN)
    desk.knowledge.passages = (Passage("hours.md", "Open from 9 to 5.", 1.0),)
    told = await desk.use("search_knowledge", query="opening hours")
    assert told.result == [{"document": "hours.md", "text": "Open from 9 to 5."}]
    assert desk.knowledge.asked == [(("faq",), "opening hours")]
    desk.knowledge.passages = ()
    assert (await desk.use("search_knowledge", query="x")).result == "nothing found"
