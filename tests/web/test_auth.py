from datetime import timedelta

import pytest
from loguru import logger

from agent.calls.customer import Scope
from agent.web.auth import NoKeys, warn_if_open
from agent.web.config import ApiLimits
from agent.web.limits import Limits

from .conftest import NOON, browse

BEARER = {"Authorization": "Bearer s3cret"}
HANG_UP = ("DELETE", "/calls/17.5")


@pytest.fixture
def warnings():
    said = []
    sink = logger.add(said.append, level="WARNING")
    yield said
    logger.remove(sink)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("headers", [{}, BEARER])
async def test_without_a_key_this_machine_is_let_in(app, peer, headers):
    with browse(app, peer, headers=headers) as client:
        assert (await client.get("/keys")).status_code == 200


@pytest.mark.parametrize(
    "peer", ["192.0.2.7", "10.0.0.1", "::ffff:192.0.2.7", "fe80::1", "", "localhost"]
)
@pytest.mark.parametrize("path", ["/calls", "/calls/17.5", "/metrics"])
@pytest.mark.parametrize("headers", [{}, BEARER])
async def test_without_a_key_nobody_else_is(app, peer, path, headers):
    with browse(app, peer, headers=headers) as client:
        answer = await client.get(path)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not_this_machine"
    assert "OFFHOOK_TOKEN is not set" in answer.json()["detail"]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
async def test_a_proxy_on_this_machine_does_not_open_it_to_everybody(app, header):
    with browse(app, headers={header: "192.0.2.7"}) as client:
        assert (await client.get("/calls")).status_code == 403


@pytest.mark.parametrize("peer", ["127.0.0.1", "192.0.2.7"])
async def test_with_a_token_who_has_it_is_let_in(app, peer):
    app.state.operator_token = "s3cret"
    with browse(app, peer, headers=BEARER) as client:
        assert (await client.get("/keys")).status_code == 200


@pytest.mark.parametrize(
    ("authorization", "code", "challenge"),
    [
        (None, "key_needed", "Bearer"),
        ("", "key_needed", "Bearer"),
        ("Basic czNjcmV0", "key_needed", "Bearer"),
        ("Bearer", "key_needed", "Bearer"),
        ("Bearer s3cre", "wrong_key", 'Bearer error="invalid_token"'),
        ("Bearer S3CRET", "wrong_key", 'Bearer error="invalid_token"'),
        (b"Bearer s3cret\xff", "wrong_key", 'Bearer error="invalid_token"'),
    ],
)
@pytest.mark.parametrize("by", ["token", "key"])
async def test_with_a_token_or_a_key_nobody_else_is(
    app, make_key, by, authorization, code, challenge
):
    if by == "token":
        app.state.operator_token = "s3cret"
    else:
        await make_key()
    headers = {} if authorization is None else {"Authorization": authorization}
    with browse(app, headers=headers) as client:
        answer = await client.get("/calls")
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer.headers["www-authenticate"] == challenge
    assert "s3cret" not in answer.text


async def test_a_token_beyond_ascii(app):
    app.state.operator_token = "schlüssel"
    with browse(app, headers={"Authorization": "Bearer schlüssel".encode()}) as client:
        assert (await client.get("/calls")).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_load_balancer_needs_no_token(app, path):
    app.state.operator_token = "s3cret"
    with browse(app, "192.0.2.7") as client:
        assert (await client.get(path)).status_code == 200


# What each scope opens: to read, to change, for admins, for machines.
PLACES = [("GET", "/calls"), HANG_UP, ("GET", "/customers"), ("GET", "/metrics")]


@pytest.mark.parametrize(
    ("scope", "opened"),
    [
        (Scope.ADMIN, [200, 404, 200, 200]),
        (Scope.OPERATOR, [200, 404, 403, 403]),
        (Scope.READ, [200, 403, 403, 403]),
        (Scope.TELEPHONY, [403, 403, 403, 403]),
    ],
)
async def test_what_a_scope_opens(app, make_key, scope, opened):
    with browse(app, "192.0.2.7", headers=await make_key(scope)) as client:
        answers = [await client.request(*place) for place in PLACES]
    assert [answer.status_code for answer in answers] == opened
    needed = [
        answer.json()["needed"]
        for answer in answers
        if answer.is_client_error and answer.json()["code"] == "scope_too_small"
    ]
    assert needed == [
        need
        for need, status in zip(
            ["read", "operator", "admin", "admin"], opened, strict=True
        )
        if status == 403
    ]


async def test_a_key_that_has_expired(app, client, make_key):
    good = await make_key(expires_at=NOON + timedelta(days=36500))
    old = await make_key(expires_at=NOON - timedelta(days=365))
    assert (await client.get("/calls", headers=good)).status_code == 200
    answer = await client.get("/calls", headers=old)
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_key")


async def test_an_admin_acts_for_another_customer(client, make_key):
    await make_key(Scope.READ, "other")
    admin = await make_key()
    for customer, status in [("other", 200), ("default", 200), ("nobody", 404)]:
        headers = admin | {"Offhook-Customer": customer}
        assert (await client.get("/calls", headers=headers)).status_code == status


async def test_nobody_else_does(client, make_key):
    headers = await make_key(Scope.OPERATOR, "other")
    for customer, status in [("other", 200), ("default", 403), ("nobody", 403)]:
        answer = await client.get(
            "/calls", headers=headers | {"Offhook-Customer": customer}
        )
        assert answer.status_code == status


async def test_a_database_that_is_away_locks_nobody_out(app, make_key):
    headers = await make_key()
    await app.state.database.close()
    with browse(app, "192.0.2.7", headers=headers) as client:
        assert (await client.get("/metrics")).status_code == 200


@pytest.mark.parametrize("headers", [{}, BEARER])
async def test_keys_that_could_not_be_read_yet_open_nothing(app, client, headers):
    app.state.keys = type("Unread", (NoKeys,), {"known": False})()
    answer = await client.get("/calls", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_away")
    app.state.operator_token = "s3cret"
    assert (await client.get("/calls", headers=BEARER)).status_code == 200


async def test_a_token_is_not_guessed_but_a_key_opens_always(app, client, make_key):
    app.state.operator_token = "s3cret"
    app.state.limits = Limits(ApiLimits(wrong_per_minute=2))
    wrong = {"Authorization": "Bearer guess"}
    statuses = [
        (await client.get("/metrics", headers=headers)).status_code
        for headers in (wrong, BEARER, wrong, wrong, BEARER)
    ]
    assert statuses == [401, 200, 401, 429, 429]
    key = await make_key()
    assert (await client.get("/metrics", headers=key)).status_code == 200
    with browse(app, "192.0.2.7", headers=BEARER) as elsewhere:
        assert (await elsewhere.get("/metrics")).status_code == 200


@pytest.mark.parametrize(
    ("token", "keys", "warned"),
    [("", {}, 1), ("t", {}, 0), ("", {"any": True}, 0), ("", {"known": False}, 0)],
)
def test_an_open_installation_is_told_of(token, keys, warned, warnings):
    warn_if_open(token, type("Some", (NoKeys,), keys)())
    assert len(warnings) == warned
    assert all("offhook keys create" in each for each in warnings)
