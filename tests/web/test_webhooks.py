from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
from sqlalchemy import select, update

from agent.calls.customer import Scope
from agent.calls.event import Event, EventType
from agent.storage.events import emit
from agent.storage.tables import AuditRow, DeliveryRow
from agent.storage.webhooks import MOST, Webhooks
from agent.web import webhooks
from agent.web.webhooks import inside, wrong_with

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
URL = "https://example.com/hook"


@pytest.fixture
def app(app):
    app.state.webhooks = Webhooks(app.state.database)
    app.state.webhook_networks = ()
    app.include_router(webhooks.router)
    return app


async def create(client, **draft):
    answer = await client.post("/webhooks", json={"url": URL, **draft})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def happen(app, count=1):
    events = [Event(EventType.CALL_HUNGUP, "default", NOON, {})] * count
    async with app.state.database.session("emit") as session:
        await emit(session, events, NOON)


async def kill(app, *ids):
    async with app.state.database.session("send") as session:
        await session.execute(
            update(DeliveryRow).where(DeliveryRow.id.in_(ids)).values(state="dead")
        )


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://example.com:8080/a/b?c=d",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]:8443/",
        "https://münchen.example/",
        "HTTPS://EXAMPLE.COM/",
    ],
)
def test_an_address_to_which_something_can_be_sent(url):
    assert wrong_with(url) is None
    assert not inside(url, ())


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("example.com", "must begin"),
        ("ftp://example.com/", "must begin"),
        ("javascript:alert(1)", "must begin"),
        ("https://", "no host"),
        ("https:///path", "no host"),
        ("https://:443/", "no host"),
        ("https://me:secret@example.com/", "user"),
        ("https://@example.com/", "user"),
        ("https://example.com/#here", "fragment"),
        ("https://example.com/#", "fragment"),
        ("https://example.com:0/", "port"),
        ("https://example.com:70000/", "Port"),
        ("https://example.com:x/", "Port"),
        ("https://[::1/", "IPv6"),
        ("https://exa mple.com/", "control"),
        ("https://example.com/\r\nX: y", "control"),
        ("https://example.com\\@10.0.0.1/", "user"),
        ("https://example.com\\.evil/", "host"),
        ("https://[fe80::1%25eth0]/", "host"),
    ],
)
def test_an_address_to_which_nothing_can_be_sent(url, wrong):
    assert wrong in wrong_with(url)


@pytest.mark.parametrize(
    ("url", "allow", "refused"),
    [
        ("http://10.1.2.3/", "", True),
        ("http://127.0.0.1:5432/", "", True),
        ("http://169.254.169.254/latest", "", True),
        ("http://[::1]/", "", True),
        ("http://[::ffff:10.0.0.1]/", "", True),
        ("http://localhost/", "", True),
        ("http://LOCALHOST./", "", True),
        ("http://db.localhost/", "", True),
        ("http://10.1.2.3/", "10.0.0.0/8", False),
        ("http://192.168.0.1/", "10.0.0.0/8", True),
        ("http://localhost/", "127.0.0.0/8", False),
        ("http://inside.example/", "", False),
    ],
)
def test_addresses_inside(url, allow, refused):
    networks = (ip_network(allow),) if allow else ()
    assert inside(url, networks) is refused


async def test_one_is_made_and_its_secret_shown_once(client):
    answer = await client.post(
        "/webhooks", json={"url": URL, "events": ["call_hungup"], "label": "mine"}
    )
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/webhooks/{made['id']}"
    assert answer.headers["ETag"] == '"1"'
    assert made.pop("secret").startswith("whsec_")
    assert (made["url"], made["events"], made["enabled"]) == (
        URL,
        ["call_hungup"],
        True,
    )
    read = await client.get(answer.headers["Location"])
    assert (read.json(), read.headers["ETag"]) == (made, '"1"')
    assert (await client.get("/webhooks")).json() == {"webhooks": [made]}


@pytest.mark.parametrize(
    ("draft", "code"),
    [
        ({}, "invalid_request"),
        ({"url": ""}, "invalid_request"),
        ({"url": "https://example.com/" + "x" * 2000}, "invalid_request"),
        ({"url": URL, "events": ["call_dreamt"]}, "invalid_request"),
        ({"url": URL, "events": ["call_hungup"] * 100}, "invalid_request"),
        ({"url": URL, "secret": "whsec_mine"}, "invalid_request"),
        ({"url": "ftp://example.com/"}, "bad_url"),
        ({"url": "http://10.0.0.1/"}, "private_address"),
    ],
)
async def test_what_is_refused(client, draft, code):
    answer = await client.post("/webhooks", json=draft)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    made = await create(client)
    if "url" in draft:
        answer = await client.patch(f"/webhooks/{made['id']}", json=draft)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert len((await client.get("/webhooks")).json()["webhooks"]) == 1


async def test_a_type_that_is_none_is_answered_with_those_there_are(client):
    draft = {"url": URL, "events": ["call_dreamt"]}
    answer = await client.post("/webhooks", json=draft)
    assert all(f"'{type}'" in answer.json()["detail"] for type in EventType)


async def test_what_the_operator_allows(app, client):
    app.state.webhook_networks = (ip_network("10.0.0.0/8"),)
    await create(client, url="http://10.0.0.1/")


async def test_only_what_was_seen_is_edited(client):
    address = f"/webhooks/{(await create(client))['id']}"
    seen = {"If-Match": '"1"'}
    answer = await client.patch(address, json={"label": "a"}, headers=seen)
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    assert answer.json()["label"] == "a"
    for changed in (
        await client.patch(address, json={"label": "b"}, headers=seen),
        await client.delete(address, headers=seen),
    ):
        assert (changed.status_code, changed.json()["code"]) == (
            412,
            "changed_meanwhile",
        )
    assert (await client.get(address)).json()["label"] == "a"
    assert (
        await client.delete(address, headers={"If-Match": '"2"'})
    ).status_code == 204
    assert (await client.get(address)).status_code == 404


async def test_a_new_secret(client):
    made = await create(client)
    rotated = (await client.post(f"/webhooks/{made['id']}/secret/rotate")).json()
    assert rotated["secret"] != made["secret"]
    assert rotated["old_secret_until"] is not None


async def test_so_many_and_no_more(client):
    for _ in range(MOST):
        await create(client)
    answer = await client.post("/webhooks", json={"url": URL})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_webhooks")


async def test_sent_twice_it_is_made_once(client):
    once = {"Idempotency-Key": "1"}
    first = await client.post("/webhooks", json={"url": URL}, headers=once)
    again = await client.post("/webhooks", json={"url": URL}, headers=once)
    assert first.json() == again.json()
    assert len((await client.get("/webhooks")).json()["webhooks"]) == 1


async def test_a_webhook_is_tried(client):
    address = f"/webhooks/{(await create(client, events=['call_hungup']))['id']}"
    tried = await client.post(f"{address}/test")
    assert (tried.status_code, tried.json()["event_type"]) == (202, "webhook_test")
    assert (await client.get(f"{address}/deliveries")).json() == {
        "deliveries": [tried.json()],
        "next": None,
    }
    await client.patch(address, json={"enabled": False})
    refused = await client.post(f"{address}/test")
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_disabled")


async def test_deliveries_are_listed_sent_again_and_given_up(app, client):
    address = f"/webhooks/{(await create(client))['id']}"
    await happen(app, 3)
    page = (await client.get(f"{address}/deliveries", params={"limit": 2})).json()
    last, middle = page["deliveries"]
    rest = await client.get(f"{address}/deliveries", params={"before": page["next"]})
    (first,) = rest.json()["deliveries"]

    answer = await client.post(f"{address}/deliveries/{first['id']}/redeliver")
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    answer = await client.post(f"{address}/deliveries/{first['id']}/give-up")
    assert (answer.status_code, answer.json()["state"]) == (200, "dead")
    answer = await client.post(f"{address}/deliveries/{first['id']}/give-up")
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    answer = await client.post(f"{address}/deliveries/{first['id']}/redeliver")
    assert (answer.status_code, answer.json()["event_id"]) == (202, first["event_id"])

    await kill(app, middle["id"], last["id"])
    asked = {"since": "2026-11-21T00:00:00Z", "state": "dead"}
    answer = await client.post(f"{address}/redeliver", json=asked)
    assert (answer.status_code, answer.json()) == (202, {"deliveries": 2})
    dead = await client.get(f"{address}/deliveries", params={"state": "dead"})
    assert len(dead.json()["deliveries"]) == 3


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"since": "yesterday"},
        {"since": "2026-11-21T00:00:00"},
        {"since": "2026-11-21T00:00:00Z", "state": "waiting"},
    ],
)
async def test_which_dead_ones_must_be_said(client, asked):
    address = f"/webhooks/{(await create(client))['id']}"
    assert (await client.post(f"{address}/redeliver", json=asked)).status_code == 422


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/secret/rotate"),
        ("POST", "/test"),
        ("GET", "/deliveries"),
        ("POST", "/redeliver"),
        ("POST", "/deliveries/1/redeliver"),
        ("POST", "/deliveries/1/give-up"),
    ],
)
async def test_who_may_what(app, client, make_key, method, path):
    operator = await make_key(Scope.OPERATOR)
    made = await client.post("/webhooks", json={"url": URL}, headers=operator)
    await happen(app)
    body = {"since": "2026-11-21T00:00:00Z"} if path == "/redeliver" else {}

    async def ask(webhook, headers):
        options = {} if method in ("GET", "DELETE") else {"json": body}
        address = f"/webhooks/{webhook}{path}"
        return await client.request(method, address, headers=headers, **options)

    for webhook, key in (
        (made.json()["id"], await make_key(Scope.OPERATOR, "acme")),
        ("whk_unknown", operator),
    ):
        answer = await ask(webhook, key)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_webhook")
    reader = await make_key(Scope.READ)
    expected = 200 if method == "GET" else 403
    assert (await ask(made.json()["id"], reader)).status_code == expected
    telephony = await make_key(Scope.TELEPHONY)
    assert (await ask(made.json()["id"], telephony)).status_code == 403


@pytest.mark.parametrize("number", ["0", "x", "9" * 30])
async def test_what_is_no_delivery(client, number):
    address = f"/webhooks/{(await create(client))['id']}"
    answer = await client.post(f"{address}/deliveries/{number}/give-up")
    assert answer.status_code == 422
    answer = await client.post(f"{address}/deliveries/99/give-up")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_delivery")


async def test_who_did_it_is_written_down(app, client, make_key):
    key = await make_key(Scope.OPERATOR, "acme")
    made = (await client.post("/webhooks", json={"url": URL}, headers=key)).json()
    async with app.state.database.session("look", read_only=True) as session:
        rows = await session.scalars(
            select(AuditRow).where(AuditRow.deed == "webhook_changed")
        )
        (row,) = rows
    assert row.who.startswith("key ")
    assert (row.customer, row.subject) == ("acme", f"webhook/{made['id']}")
