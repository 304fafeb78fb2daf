import base64

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from agent.calls.call import HangupCause
from agent.calls.facts import CauseTold
from agent.web.config import TelephonyConfig
from agent.web.telephony_dialplan import Handover, router

ASTERISK = {"Authorization": "Basic " + base64.b64encode(b"asterisk:pw").decode()}


@pytest.fixture
def handover() -> Handover:
    return Handover(most=2)


@pytest.fixture
def records() -> list:
    class Noted(list):
        note = list.append

    return Noted()


@pytest.fixture
def told() -> list:
    """What calls that are up were told."""
    return []


@pytest.fixture
def client(handover, records, told):
    class Live:
        def tell(self, call_id, *, line_cleared):
            told.append((call_id, line_cleared))
            return True

    app = FastAPI()
    app.state.telephony = TelephonyConfig("asterisk", "pw")
    app.state.handover = handover
    app.state.records = records
    app.state.live = Live()
    app.include_router(router)
    return AsyncClient(transport=ASGITransport(app), base_url="http://agent")


async def test_asterisk_is_told_once_where_to_go(client, handover):
    handover.connect("17.1", "200")
    told = [
        (await client.get("/telephony/ws/17.1/next", headers=ASTERISK)).text
        for _ in range(2)
    ]
    assert told == ["connect 200", ""]


async def test_a_call_that_is_over_goes_nowhere(client, told):
    answer = await client.get("/telephony/ws/17.1/next", headers=ASTERISK)
    assert (answer.status_code, answer.text) == (200, "")
    assert told == [("17.1", False)]


async def test_nobody_else_is_told(client, handover, told):
    handover.connect("17.1", "200")
    answer = await client.get("/telephony/ws/17.1/next")
    assert (answer.status_code, answer.text) == (401, "")
    assert handover.take("17.1") == "200"
    assert told == []


def test_a_dialplan_that_never_asks_fills_no_memory(handover):
    for number in range(5):
        handover.connect(str(number), "200")
    assert [handover.take(str(number)) for number in range(5)] == [
        "",
        "",
        "",
        "200",
        "200",
    ]


@pytest.mark.parametrize(
    ("body", "causes"),
    [
        ("q850=16&sip=SIP+200+OK", [HangupCause(16, 200)]),
        ("q850=17&sip=SIP%20486%20Busy%20Here", [HangupCause(17, 486)]),
        ("q850=16&sip=", [HangupCause(16)]),
        ("q850=16", [HangupCause(16)]),
        ("q850=&sip=SIP 486 Busy", []),
        ("q850=1e9", []),
        ("", []),
        ("\N{SNOWMAN}" * 1000, []),
    ],
)
async def test_why_the_line_was_cleared(client, records, told, body, causes):
    answer = await client.post(
        "/telephony/ws/17.1/over", content=body.encode(), headers=ASTERISK
    )
    assert told == [("17.1", True)]
    assert (answer.status_code, answer.text) == (204, "")
    assert records == [CauseTold("17.1", cause) for cause in causes]


async def test_nobody_else_says_why(client, records, told):
    answer = await client.post("/telephony/ws/17.1/over", content="q850=16")
    assert (answer.status_code, records, told) == (401, [], [])
