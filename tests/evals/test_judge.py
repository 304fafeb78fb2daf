from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent.calls.transcript import ToolUse
from agent.evals.judge import Happened, Reply, Sent, faults
from agent.evals.scenario import (
    CallerTurn,
    Expectation,
    Script,
    SentExpected,
    ToolExpected,
)

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def use(name: str, arguments: str = "{}", *, failed: bool = False) -> ToolUse:
    return ToolUse(name, arguments, "done", NOW, 3, failed)


REPLY = Reply(
    "Order 12, please.",
    0,
    ("One moment.", "It has shipped."),
    (
        use("order_status", '{"order": "12", "of": {"year": 2026, "month": "May"}}'),
        use("connect_call", '{"destination": "+1900"}', failed=True),
    ),
    1.5,
    {"day": "next Tuesday"},
    (Sent("a@b.example", "He wants a call."),),
)
HAPPENED = Happened((Reply(said=("Hello.",)), REPLY), "connected", "scheduling")


def tools(*expected: ToolExpected) -> Expectation:
    return Expectation(tools=expected)


@pytest.mark.parametrize(
    "expect",
    [
        Expectation(),
        Expectation(says=("arrived", "shipped")),
        Expectation(says_all=("moment", "shipped"), never_says=("sorry",)),
        tools(ToolExpected("order_status")),
        tools(ToolExpected("order_status", {"order": "12"})),
        tools(ToolExpected("order_status", {"order": 12})),
        tools(ToolExpected("order_status", {"of": {"month": "may"}})),
        tools(ToolExpected("order_status", {"of": {"year": 2026}})),
        tools(ToolExpected("connect_call", failed=True)),
        # What was refused did no harm.
        Expectation(no_tools=("connect_call", "send_email")),
        Expectation(variables={"day": "tuesday"}),
        Expectation(sent=(SentExpected("a@b.example", "call"), SentExpected())),
        Expectation(within=1.5, max_turns=3),
        Expectation(connected="scheduling", ends="connected"),
    ],
)
def test_as_expected(expect):
    turn = CallerTurn(says="Order 12, please.", expect=replace(expect, max_turns=0))
    assert faults(Script((turn,), expect=expect), HAPPENED) == []


@pytest.mark.parametrize(
    ("expect", "fault"),
    [
        (
            Expectation(says=("arrived", "/lost/")),
            "said nothing of 'arrived' or '/lost/'",
        ),
        (Expectation(says_all=("moment", "lost")), "did not say 'lost'"),
        (Expectation(never_says=("shipped",)), "said 'shipped'"),
        (tools(ToolExpected("end_call")), "did not use end_call()"),
        (
            tools(ToolExpected("order_status", {"order": "13"})),
            "did not use order_status(order='13'), but "
            '{"order": "12", "of": {"year": 2026, "month": "May"}}',
        ),
        (
            tools(ToolExpected("order_status", {"of": {"day": 1}})),
            "did not use order_status(of={'day': 1}), but "
            '{"order": "12", "of": {"year": 2026, "month": "May"}}',
        ),
        (
            tools(ToolExpected("connect_call")),
            'did not use connect_call(), but {"destination": "+1900"} in vain',
        ),
        (Expectation(no_tools=("*",)), "used order_status"),
        (Expectation(variables={"day": "May"}), "day is 'next Tuesday', not 'May'"),
        (Expectation(variables={"year": "1"}), "year is None, not '1'"),
        (
            Expectation(sent=(SentExpected("c@d.example"),)),
            "nothing was sent to 'c@d.example', but to a@b.example: He wants a call.",
        ),
        (Expectation(within=1.2), "the first word came after 1.50 s, not 1.2"),
        (
            Expectation(connected="200"),
            "was connected to 'scheduling', not to '200'",
        ),
        (
            Expectation(ends="agent_left"),
            "ended as connected, not agent_left",
        ),
    ],
)
def test_a_fault_is_a_sentence(expect, fault):
    turn = CallerTurn(says="Order 12, please.", expect=expect)
    assert faults(Script((turn,)), HAPPENED) == [f"turn 1: {fault}"]
    assert faults(Script((CallerTurn(says="a"),), expect=expect), HAPPENED) == [fault]


def test_a_turn_counts_what_was_said_in_it():
    first = CallerTurn(says="Hi", expect=Expectation(says=("shipped",)))
    happened = Happened((replace(REPLY, said=("Yes?",)), replace(REPLY, turn=1)))
    second = CallerTurn(says="Hi again")
    assert faults(Script((first, second)), happened) == [
        "turn 1: said nothing of 'shipped'"
    ]


def test_a_turn_that_was_never_reached():
    wanted = Expectation(says=("bye",))
    turns = (
        CallerTurn(says="a"),
        CallerTurn(says="b", expect=wanted),
        CallerTurn(says="c"),
        CallerTurn(says="d", expect=wanted, when=("never",)),
    )
    assert faults(Script(turns), Happened((REPLY,))) == [
        "turn 2: the call was over before it"
    ]


def test_too_many_words_and_none():
    script = Script((CallerTurn(says="a"),), expect=Expectation(max_turns=1))
    assert faults(script, HAPPENED) == ["spoke 3 times, not 1 at most"]
    script = Script((CallerTurn(says="a"),), expect=Expectation(within=2))
    assert faults(script, Happened((replace(REPLY, seconds=None),))) == [
        "no word came within 2 s"
    ]


def test_arguments_that_are_no_json():
    script = Script((CallerTurn(says="a"),), expect=tools(ToolExpected("x", {"a": 1})))
    happened = Happened((Reply(tool_uses=(use("x", "{"),)),))
    assert faults(script, happened) == ["did not use x(a=1), but {"]


def test_no_call_at_all():
    happened = Happened((), trouble="the call was refused")
    assert faults(Script((CallerTurn(says="a"),)), happened) == ["the call was refused"]
