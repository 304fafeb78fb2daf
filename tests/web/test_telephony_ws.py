"""The handshake: who is let in, and that a refusal costs nothing."""

import asyncio
import base64
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import websockets
from prometheus_client import REGISTRY
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect, WebSocketState

from agent.calls.ai import AI, AIs, read
from agent.calls.customer import DEFAULT, Customer
from agent.observe import metrics
from agent.session import LiveCalls
from agent.storage.ais import AiBook
from agent.storage.customers import Customers
from agent.storage.database import Database
from agent.storage.directory import Directory
from agent.storage.numbers import Entry, Numbers
from agent.web import telephony_ws
from agent.web.config import TelephonyConfig
from agent.web.media_protocol import MediaProtocol
from agent.web.telephony_ws import Unlimited
from tests.fakes.log import written
from tests.fakes.provider import Running

AIS = read("[ai.desk]\nprompt = 'You answer the phone.'")


class GoneMeanwhile:
    """A socket as the server has it in the moment in which its other side closes."""

    scope: dict = {}
    application_state = WebSocketState.CONNECTED

    async def send(self, message):
        raise WebSocketDisconnect(1006)

    async def close(self):
        raise WebSocketDisconnect(1006)


async def test_what_is_sent_to_a_socket_that_closes_is_lost_and_no_error():
    await telephony_ws.AsgiSocket(GoneMeanwhile()).send("{}")
    await telephony_ws.AsgiSocket(GoneMeanwhile()).close()


@pytest.fixture
def app():
    from fastapi import FastAPI

    app = FastAPI()
    app.state.directory = Directory(AIS)
    app.state.budgets = Unlimited()
    app.state.telephony = TelephonyConfig("asterisk", "s3cret")
    app.state.live = LiveCalls(2)
    app.state.parts = None  # refused before anything is built
    app.include_router(telephony_ws.router)
    return app


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


GOOD = basic("asterisk:s3cret")


def refusal(app, query: str = "", headers: dict[str, str] = GOOD) -> tuple[int, str]:
    with pytest.raises(Exception) as caught:
        with TestClient(app).websocket_connect(
            f"/telephony/ws?{query}", headers=dict(headers), subprotocols=["media"]
        ):
            pass
    return caught.value.status_code, caught.value.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic("asterisk:wrong"),
        basic("other:s3cret"),
        basic("asterisk"),
        {"Authorization": "Basic %%%"},
        {"Authorization": "Bearer s3cret"},
        {"Authorization": "Basic"},
        {"Authorization": "Basic " + "A" * 5000},
    ],
)
def test_nobody_without_the_password(app, headers):
    assert refusal(app, headers=headers) == (401, "unauthorised")


@pytest.mark.parametrize(
    "call_id", ["../../etc/passwd", "a b", ".hidden", "x" * 65, "a%00b", "a..b", "é"]
)
def test_a_call_id_is_a_plain_name(app, call_id):
    assert refusal(app, f"call_id={call_id}") == (400, "bad_call_id")


def test_an_unknown_ai_is_refused(app):
    assert refusal(app, "ai=nobody") == (404, "unknown_ai")


@pytest.mark.parametrize("query", ["customer=acme", "customer=acme&ai=desk"])
def test_an_unknown_customer_is_refused(app, query):
    assert refusal(app, query) == (404, "unknown_ai")


class Spent:
    """All money is gone, but for one AI's."""

    def __init__(self, *rich):
        self.rich = rich
        self.asked = []

    def spent(self, customer, ai, now):
        self.asked.append((customer, ai.name, now.tzinfo))
        return ai.name not in self.rich


def test_a_spent_budget_is_said_before_the_upgrade(app):
    app.state.budgets = Spent()
    metrics.calls_refused.labels("budget_spent")
    before = refused("budget_spent")
    assert refusal(app) == (402, "budget_spent")
    assert app.state.budgets.asked == [("default", "desk", UTC)]
    assert refused("budget_spent") == before + 1


def refused(reason):
    name = "offhook_calls_refused_total"
    return REGISTRY.get_sample_value(name, {"reason": reason})


def test_full_is_said_at_once(app):
    app.state.live.limit = 0
    assert refusal(app) == (503, "at_capacity")


def test_the_same_call_twice_is_refused(app):
    class Up:
        from agent.calls.call import Call, Direction

        call = Call("17.1", "", "", Direction.INBOUND, "desk", datetime.now(UTC))

    app.state.live.add(Up())
    assert refusal(app, "call_id=17.1") == (409, "duplicate_call_id")


def test_a_refusal_is_logged_as_the_calls(app):
    with written() as log:
        refusal(app, "call_id=17.1&ai=nobody")
        refusal(app, "call_id=17.2", {})
    why, then, other = log.getvalue().splitlines()
    assert " ERROR call=17.1 agent.web.telephony_ws: [WS] refused: no AI is call" in why
    assert " WARNING call=17.1 " in then
    assert then.endswith(": [WS] refused with 404: unknown_ai")
    assert " WARNING call=17.2 " in other


async def test_draining_takes_no_more_calls(app):
    await app.state.live.drain(0)
    assert refusal(app) == (503, "shutting_down")


async def test_a_whole_call_over_a_real_socket(agent, app):
    """uvicorn, as in production; what a caller of ours would do."""
    app.state.parts = agent.parts
    greets = read("[ai.desk]\nprompt = 'x'\ngreeting = 'Hello there.'")
    app.state.directory = Directory(greets)
    async with Running(app, ws=MediaProtocol) as url:
        address = url.replace("http", "ws") + "/telephony/ws?call_id=17.2&from=%2B155"
        async with websockets.connect(
            address, subprotocols=["media"], additional_headers=GOOD, compression=None
        ) as ws:
            assert ws.subprotocol == "media"
            await ws.send(
                "MEDIA_START connection_id:ai_media channel:WebSocket/ai_media/0x1 "
                "channel_id:17.3 format:ulaw optimal_frame_size:160 ptime:20"
            )
            audio = b""
            async with asyncio.timeout(5):
                while len(audio) < 1600:
                    message = await ws.recv()
                    audio += message if isinstance(message, bytes) else b""
            assert len(app.state.live) == 1
        async with asyncio.timeout(5):
            while len(app.state.live) or not agent.records.ends:
                await asyncio.sleep(0.01)
    (call,) = agent.records.calls
    assert (call.id, call.caller, call.channel_id) == ("17.2", "+155", "17.3")


NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
START = (
    "MEDIA_START connection_id:ai_media channel:WebSocket/ai_media/0x1 "
    "channel_id:17.3 format:ulaw optimal_frame_size:160 ptime:20"
)


@pytest.fixture
async def database(app, tmp_path):
    """Of two customers, and a directory that has read it."""
    database = Database(f"sqlite:///{tmp_path}/offhook.db")
    await database.open()
    await Customers(database).add(Customer("acme", "Acme", NOON), "a test")
    for customer, name in ((DEFAULT, "sales"), ("acme", "bot")):
        ai = AI(name, "x", greeting=f"First {name}.")
        await AiBook(database).create(customer, ai, "a test", NOON)
        number = {"sales": "100", "bot": "+49301234567"}[name]
        await Numbers(database).put(
            customer, number, lambda _, name=name: Entry(name), "a test", NOON
        )
    desk = AI("desk", "x", greeting="First desk.")
    await AiBook(database).import_file(AIs("desk", {"desk": desk}), NOON)
    app.state.directory = Directory(AIS, database, "DE")
    await app.state.directory.load()
    yield database
    await database.close()


@asynccontextmanager
async def calling(url, query):
    """A call that has been answered."""
    address = f"{url.replace('http', 'ws')}/telephony/ws?{query}"
    async with websockets.connect(
        address, subprotocols=["media"], additional_headers=GOOD, compression=None
    ) as ws:
        await ws.send(START)
        yield ws


async def until(condition):
    async with asyncio.timeout(8):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("query", "who"),
    [
        ("", (DEFAULT, "desk", 1)),
        ("to=100", (DEFAULT, "sales", 1)),
        ("to=0301234567", ("acme", "bot", 1)),
        ("to=100&ai=desk", (DEFAULT, "desk", 1)),
        ("customer=acme&ai=bot", ("acme", "bot", 1)),
    ],
)
async def test_who_takes_the_call(agent, app, database, query, who):
    app.state.parts = agent.parts
    async with Running(app, ws=MediaProtocol) as url:
        async with calling(url, query):
            await until(lambda: agent.records.calls)
        await until(lambda: agent.records.ends)
    (call,) = agent.records.calls
    assert (call.customer, call.ai, call.ai_version) == who
    assert "customer" not in call.variables


async def test_a_call_keeps_the_version_that_it_began_with(agent, app, database):
    app.state.parts = agent.parts
    async with Running(app, ws=MediaProtocol) as url:
        async with calling(url, "call_id=1&to=100"):
            (first,) = await sessions(app, 1)
            await AiBook(database).edit(
                DEFAULT,
                "sales",
                lambda kept: replace(kept.ai, greeting="Second sales."),
                "a test",
                NOON,
            )
            await app.state.directory.refresh()
            async with calling(url, "call_id=2&to=100"):
                await sessions(app, 2)
                await until(lambda: len(agent.records.turns) == 2)
            said = sorted(agent.records.said)
            assert first.call.ai_version == 1
        await until(lambda: len(agent.records.ends) == 2)
    versions = {call.id: call.ai_version for call in agent.records.calls}
    assert versions == {"1": 1, "2": 2}
    assert said == [("agent", "First sales."), ("agent", "Second sales.")]


async def sessions(app, number):
    await until(lambda: len(app.state.live) == number)
    return list(app.state.live)
