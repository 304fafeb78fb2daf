"""The handshake: who is let in, and that a refusal costs nothing."""

import base64
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from agent.calls.ai import read
from agent.session import LiveCalls
from agent.web import telephony_ws
from agent.web.media_protocol import MediaProtocol
from agent.web.telephony_ws import TelephonyConfig

AIS = read("[ai.desk]\nprompt = 'You answer the phone.'")


@pytest.fixture
def app():
    from fastapi import FastAPI

    app = FastAPI()
    app.state.ais = AIS
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


def test_full_is_said_at_once(app):
    app.state.live.limit = 0
    assert refusal(app) == (503, "at_capacity")


def test_the_same_call_twice_is_refused(app):
    class Up:
        from agent.calls.call import Call, Direction

        call = Call("17.1", "", "", Direction.INBOUND, "desk", datetime.now(UTC))

    app.state.live.add(Up())
    assert refusal(app, "call_id=17.1") == (409, "duplicate_call_id")


async def test_draining_takes_no_more_calls(app):
    await app.state.live.drain(0)
    assert refusal(app) == (503, "shutting_down")


async def test_a_whole_call_over_a_real_socket(agent, app):
    """uvicorn, as in production; what a caller of ours would do."""
    import asyncio

    import websockets

    from tests.fakes.provider import Running

    app.state.parts = agent.parts
    app.state.ais = read("[ai.desk]\nprompt = 'x'\ngreeting = 'Hello there.'")
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
