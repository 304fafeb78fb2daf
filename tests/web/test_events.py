import asyncio
import contextlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import uvicorn
import websockets

from agent.calls.customer import Scope
from agent.calls.event import Event, EventType
from agent.storage.errors import StorageError
from agent.storage.event_stream import EventStream, StreamConfig
from agent.storage.events import Events, emit
from agent.web import events
from agent.web.server import configured

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SOON = 10.0
"""Seconds, of which next to nothing is needed."""


@pytest.fixture
async def app(app):
    app.include_router(events.router)
    app.state.events = Events(app.state.database)
    stream_with(app)
    return app


def stream_with(app, **config):
    config = {"poll": 0.02, **config}
    app.state.event_stream = EventStream(app.state.events, StreamConfig(**config))


async def happen(app, *types, customer="default", call_id="", data=None, at=NOON):
    types = types or (EventType.CALL_ANSWERED,)
    told = [Event(type, customer, at, data or {}, call_id) for type in types]
    async with app.state.database.session("emit") as session:
        numbers = await emit(session, told, NOON)
    app.state.event_stream.kick()
    return list(numbers)


@dataclass
class Served:
    server: uvicorn.Server
    serving: asyncio.Task
    address: str

    @contextlib.asynccontextmanager
    async def sse(self, path="/events/stream", **options):
        async with httpx.AsyncClient(base_url=f"http://{self.address}") as client:
            async with client.stream("GET", path, timeout=SOON, **options) as answer:
                yield Sse(answer)

    def ws(self, path="/events/ws", **options):
        return websockets.connect(f"ws://{self.address}{path}", **options)


class Sse:
    def __init__(self, answer):
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def next(self):
        """The fields of what stands between two empty lines."""
        fields = {}
        async for line in self._lines:
            if not line:
                return fields
            name, _, value = line.partition(": ")
            fields[name] = value
        raise EOFError

    async def event(self):
        """The next one, its signs of life left out."""
        while True:
            fields = await self.next()
            if "event" in fields:
                return fields["event"], fields.get("id"), json.loads(fields["data"])

    async def numbers(self, count):
        return [(await self.event())[2]["number"] for _ in range(count)]


@contextlib.asynccontextmanager
async def serving(app):
    running = asyncio.create_task(app.state.event_stream.run())
    config = configured(app, "127.0.0.1", 0)
    config.loop, config.lifespan, config.log_level = "none", "off", "critical"
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(60):
            yield Served(server, task, f"127.0.0.1:{port}")
    finally:
        app.state.event_stream.close()
        server.should_exit = True
        async with asyncio.timeout(SOON):
            await task
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def served(app):
    async with serving(app) as served:
        yield served


# Pages


async def test_a_page(app, client):
    numbers = await happen(app, EventType.CALL_CREATED, EventType.CALL_ANSWERED)
    answer = await client.get("/events", params={"limit": 1})
    page = answer.json()
    assert page["events"][0] == {
        "id": page["events"][0]["id"],
        "number": numbers[0],
        "type": "call_created",
        "timestamp": "2026-11-21T12:00:00Z",
        "data": {},
    }
    assert (page["next"], page["more"], page["gap"]) == (numbers[0], True, False)
    rest = (await client.get("/events", params={"after": page["next"]})).json()
    assert [each["number"] for each in rest["events"]] == numbers[1:]
    assert (rest["next"], rest["more"]) == (numbers[1], False)
    none = (await client.get("/events", params={"after": rest["next"]})).json()
    assert (none["events"], none["next"], none["more"]) == ([], numbers[1], False)


async def test_a_page_of_some(app, client):
    await happen(app, EventType.CALL_CREATED, EventType.CALL_HUNGUP, call_id="17.1")
    (wanted,) = await happen(app, EventType.CALL_HUNGUP, call_id="17.2")
    asked = {"types": ["call_hungup", "ai_changed"], "call_id": "17.2"}
    page = (await client.get("/events", params=asked)).json()
    assert [each["number"] for each in page["events"]] == [wanted]


async def test_a_page_says_that_something_is_missing(app, client):
    old = NOON - timedelta(days=9)
    numbers = await happen(app, *[EventType.CALL_CREATED] * 3, at=old)
    await happen(app)
    await app.state.events.forget(NOON)
    for after, gap in ((numbers[0], True), (numbers[2], False)):
        page = (await client.get("/events", params={"after": after})).json()
        assert (page["gap"], len(page["events"])) == (gap, 1)


@pytest.mark.parametrize("path", ["/events", "/events/stream"])
@pytest.mark.parametrize(
    ("asked", "headers"),
    [
        ({"after": "-1"}, {}),
        ({"after": "x"}, {}),
        ({"after": "9" * 30}, {}),
        ({"types": "call_dreamt"}, {}),
        ({}, {"Last-Event-ID": "x"}),
        ({}, {"Last-Event-ID": "9" * 30}),
    ],
)
async def test_what_cannot_be_asked(client, path, asked, headers):
    if headers and path == "/events":
        pytest.skip("it is not read there")
    answer = await client.get(path, params=asked, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


# Server-sent events


async def test_events_as_they_happen(app, served):
    async with served.sse() as stream:
        headers = stream.answer.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert "no-cache" in headers["cache-control"]
        assert headers["x-accel-buffering"] == "no"
        assert await stream.next() == {"retry": "2000", "id": "0"}
        (number,) = await happen(app, data={"text": "two\nlines \u2028 ü"})
        kind, id, told = await stream.event()
        assert (kind, id) == ("call_answered", str(number))
        page = await app.state.events.after(0, 1)
        assert told == {
            "id": page[0].id,
            "number": number,
            "type": "call_answered",
            "timestamp": "2026-11-21T12:00:00Z",
            "data": {"text": "two\nlines \u2028 ü"},
        }


async def test_a_client_goes_on_where_it_was(app, served):
    numbers = await happen(app, *[EventType.CALL_CREATED] * 5)
    header = {"Last-Event-ID": str(numbers[2])}
    async with served.sse("/events/stream?after=0", headers=header) as stream:
        assert await stream.numbers(2) == numbers[3:]
        more = await happen(app)
        assert await stream.numbers(1) == more
    async with served.sse(f"/events/stream?after={numbers[3]}") as stream:
        assert await stream.numbers(2) == [numbers[4], *more]


async def test_a_client_that_was_cut_off_before_the_first_event(app, served):
    await happen(app)
    async with served.sse() as stream:
        known = (await stream.next())["id"]
    (missed,) = await happen(app)
    async with served.sse(headers={"Last-Event-ID": known}) as stream:
        assert await stream.numbers(1) == [missed]


async def test_only_what_is_wanted(app, served):
    async with served.sse("/events/stream?types=call_hungup&call_id=17.2") as stream:
        await stream.next()
        await happen(app, EventType.CALL_CREATED, EventType.CALL_HUNGUP, call_id="17.1")
        wanted = await happen(app, EventType.CALL_HUNGUP, call_id="17.2")
        assert await stream.numbers(1) == wanted


async def test_a_gap_is_said(app, served):
    old = NOON - timedelta(days=9)
    numbers = await happen(app, *[EventType.CALL_CREATED] * 3, at=old)
    (left,) = await happen(app)
    await app.state.events.forget(NOON)
    asked = f"?after={numbers[0]}"
    gap = {"after": numbers[0], "resumed": numbers[2]}
    async with served.sse(f"/events/stream{asked}") as stream:
        assert await stream.event() == ("gap", str(numbers[2]), gap)
        assert await stream.numbers(1) == [left]
    async with served.ws(f"/events/ws{asked}") as socket:
        told = [json.loads(await socket.recv()) for _ in range(3)]
    assert told[0] == {"type": "opened", "after": None}
    assert told[1] == {"type": "gap", **gap}
    assert told[2]["number"] == left


async def test_two_customers_see_their_own(app, served, make_key):
    ours, theirs = await make_key(Scope.READ), await make_key(Scope.READ, "acme")
    async with (
        served.sse(headers=ours) as stream,
        served.ws(additional_headers=theirs) as socket,
    ):
        await stream.next()
        await socket.recv()
        for _ in range(3):
            (mine,) = await happen(app)
            (other,) = await happen(app, customer="acme")
            assert await stream.numbers(1) == [mine]
            assert json.loads(await socket.recv())["number"] == other


async def test_a_silent_stream_gives_signs_of_life(app):
    stream_with(app, sign_of_life=0.05)
    async with serving(app) as served:
        async with served.sse() as stream:
            await stream.next()
            assert await stream.next() == {"": "still here"}
            assert await stream.next() == {"": "still here"}
            numbers = await happen(app)
            assert await stream.numbers(1) == numbers


async def test_so_many_streams_and_no_more(app, make_key):
    stream_with(app, most=1)
    theirs = await make_key(Scope.READ, "acme")
    ours = await make_key(Scope.READ)
    async with serving(app) as served:
        async with served.sse(headers=ours):
            async with served.sse(headers=ours) as refused:
                assert refused.answer.status_code == 429
                assert "retry-after" in refused.answer.headers
                body = json.loads(await refused.answer.aread())
                assert body["code"] == "too_many_streams"
            with pytest.raises(websockets.InvalidStatus) as error:
                async with served.ws(additional_headers=ours):
                    pass
            assert error.value.response.status_code == 429
            async with served.sse(headers=theirs) as other:
                assert other.answer.status_code == 200
        async with asyncio.timeout(SOON):
            while len(app.state.event_stream):
                await asyncio.sleep(0.005)
        async with served.sse(headers=ours) as again:
            assert again.answer.status_code == 200


async def test_a_key_that_is_revoked_ends_the_stream(app, make_key):
    stream_with(app, ask_again=0.05)
    await make_key()  # so that there is one at all
    key = await make_key(Scope.READ)
    async with serving(app) as served:
        async with (
            served.sse(headers=key) as stream,
            served.ws(additional_headers=key) as socket,
        ):
            await stream.next()
            await socket.recv()
            for each in await app.state.customers.keys():
                if each.scope is Scope.READ:
                    await app.state.customers.revoke(each.id, who="me", now=NOON)
            await app.state.keys.refresh()
            kind, id, why = await stream.event()
            assert (kind, id, why) == ("over", None, {"why": "key"})
            with pytest.raises(EOFError):
                await stream.next()
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await socket.recv()
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "key")


async def test_streams_do_not_hold_up_the_end(app, served):
    async with served.sse() as stream, served.ws() as socket:
        await stream.next()
        await socket.recv()
        app.state.event_stream.close()
        served.server.should_exit = True
        assert (await stream.event())[2] == {"why": "stopping"}
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd.code == 1012
        async with asyncio.timeout(SOON):
            await asyncio.shield(served.serving)


async def test_a_client_that_goes_away_is_forgotten(app, served):
    async with served.sse() as stream, served.ws() as socket:
        await stream.next()
        await socket.recv()
        assert len(app.state.event_stream) == 2
    async with asyncio.timeout(SOON):
        while len(app.state.event_stream):
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("config", [{"behind": 20}, {"stalled": 0.3}])
async def test_who_does_not_read_is_sent_away_and_loses_nothing(app, config):
    stream_with(app, **config)
    async with serving(app) as served:
        reader, writer = await asyncio.open_connection(*served.address.split(":"))
        writer.write(b"GET /events/stream?after=0 HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readline()
        numbers = []
        async with asyncio.timeout(30):
            while not numbers or len(app.state.event_stream):
                numbers += await happen(app, data={"text": "x" * 300_000})
        text = b""
        async with asyncio.timeout(SOON):
            with contextlib.suppress(ConnectionError):
                while b"event: over" not in text and (
                    part := await reader.read(1 << 20)
                ):
                    text += part
        writer.close()
        got = [
            int(line.removeprefix(b"id: "))
            for line in text.splitlines()
            if line.startswith(b"id: ")
        ]
        assert got == numbers[: len(got)]
        assert 0 < len(got) < len(numbers)
        async with served.sse(f"/events/stream?after={got[-1]}") as stream:
            left = len(numbers) - len(got)
            assert got + await stream.numbers(left) == numbers


# WebSocket


async def test_the_same_by_websocket(app, served):
    first, second = await happen(app, EventType.CALL_CREATED, EventType.CALL_HUNGUP)
    async with served.ws(f"/events/ws?after={first}&types=call_hungup") as socket:
        assert json.loads(await socket.recv()) == {"type": "opened", "after": None}
        told = json.loads(await socket.recv())
        assert (told["number"], told["type"]) == (second, "call_hungup")
        await socket.send("what a client says is not listened to")
        await socket.send(b"\0")
        (third,) = await happen(app, EventType.CALL_HUNGUP)
        assert json.loads(await socket.recv())["number"] == third


async def test_from_now_on_begins_with_where_that_is(app, served):
    (number,) = await happen(app)
    async with served.ws() as socket:
        assert json.loads(await socket.recv()) == {"type": "opened", "after": number}


async def test_a_client_that_says_too_much(served):
    async with served.ws() as socket:
        await socket.recv()
        await socket.send("x" * 5000)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd.code == 1009


async def test_a_browsers_key_is_a_subprotocol(served, make_key):
    secret = (await make_key(Scope.READ))["Authorization"].removeprefix("Bearer ")
    key = f"bearer.{secret}"
    for offered, taken in (
        (["offhook.events", key], "offhook.events"),
        ([key, "offhook.events"], "offhook.events"),
        ([key], key),
    ):
        async with served.ws(subprotocols=offered) as socket:
            assert socket.subprotocol == taken
            await socket.recv()


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"additional_headers": {"Authorization": "Bearer ok_no"}},
        {"additional_headers": {"Authorization": "Basic b2tfbm8="}},
        {"subprotocols": ["bearer.ok_no"]},
        {"subprotocols": ["bearer."]},
    ],
)
async def test_without_a_key_nobody_is_let_in(served, make_key, given):
    await make_key()
    with pytest.raises(websockets.InvalidStatus) as error:
        async with served.ws(**given):
            pass
    assert error.value.response.status_code == 401
    assert json.loads(error.value.response.body)["status"] == 401
    key = await make_key(Scope.TELEPHONY)
    with pytest.raises(websockets.InvalidStatus) as error:
        async with served.ws(additional_headers=key):
            pass
    assert error.value.response.status_code == 403


async def test_a_key_in_the_address_opens_nothing(served, make_key):
    secret = (await make_key(Scope.READ))["Authorization"].removeprefix("Bearer ")
    with pytest.raises(websockets.InvalidStatus):
        async with served.ws(f"/events/ws?key={secret}&bearer={secret}"):
            pass


async def test_an_admin_follows_another_customer(app, served, make_key):
    await make_key(Scope.READ, "acme")
    admin = await make_key() | {"Offhook-Customer": "acme"}
    async with served.ws(additional_headers=admin) as socket:
        await socket.recv()
        await happen(app)
        (theirs,) = await happen(app, customer="acme")
        assert json.loads(await socket.recv())["number"] == theirs


async def test_a_page_of_another_site_is_not_let_in_without_a_key(served, make_key):
    """As long as there is no key, whoever sits on this machine is; and so do the
    browser's pages."""
    for origin, let_in in (
        ("http://evil.example", False),
        ("null", False),
        (f"http://{served.address}", True),
    ):
        if let_in:
            async with served.ws(origin=origin) as socket:
                await socket.recv()
            continue
        with pytest.raises(websockets.InvalidStatus) as error:
            async with served.ws(origin=origin):
                pass
        assert error.value.response.status_code == 403
    key = await make_key(Scope.READ)
    async with served.ws(origin="http://dash.example", additional_headers=key) as it:
        await it.recv()


async def test_the_database_is_away(app, served, monkeypatch):
    """Who is there stays; who comes is asked to come again."""

    async def away(*_, **options):
        raise StorageError("away")

    async with served.sse() as stream:
        await stream.next()
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(app.state.events, "after", away)
            meanwhile.setattr(app.state.events, "span", away)
            answer = await httpx_get(served, "/events/stream?after=0")
            assert (answer.status_code, answer.json()["code"]) == (
                503,
                "database_away",
            )
            with pytest.raises(websockets.InvalidStatus) as error:
                async with served.ws("/events/ws?after=0"):
                    pass
            assert error.value.response.status_code == 503
            numbers = await happen(app)
        assert await stream.numbers(1) == numbers


async def httpx_get(served, path):
    async with httpx.AsyncClient(base_url=f"http://{served.address}") as client:
        return await client.get(path)
