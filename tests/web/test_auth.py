import pytest

from .conftest import browse

BEARER = {"Authorization": "Bearer s3cret"}


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
async def test_without_a_token_this_machine_is_let_in(app, peer):
    with browse(app, peer) as client:
        assert (await client.get("/calls")).status_code == 200


@pytest.mark.parametrize(
    "peer", ["192.0.2.7", "10.0.0.1", "::ffff:192.0.2.7", "fe80::1", "", "localhost"]
)
@pytest.mark.parametrize("path", ["/calls", "/calls/17.5", "/metrics"])
async def test_without_a_token_nobody_else_is(app, peer, path):
    with browse(app, peer, headers=BEARER) as client:
        answer = await client.get(path)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert "OFFHOOK_TOKEN is not set" in answer.json()["detail"]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
async def test_a_proxy_on_this_machine_does_not_open_it_to_everybody(app, header):
    with browse(app, headers={header: "192.0.2.7"}) as client:
        assert (await client.get("/calls")).status_code == 403


@pytest.mark.parametrize("peer", ["127.0.0.1", "192.0.2.7"])
async def test_with_a_token_who_has_it_is_let_in(app, peer):
    app.state.operator_token = "s3cret"
    with browse(app, peer, headers=BEARER) as client:
        assert (await client.get("/calls")).status_code == 200


@pytest.mark.parametrize(
    ("authorization", "challenge"),
    [
        (None, "Bearer"),
        ("", "Bearer"),
        ("Basic czNjcmV0", "Bearer"),
        ("Bearer", "Bearer"),
        ("Bearer s3cre", 'Bearer error="invalid_token"'),
        ("Bearer S3CRET", 'Bearer error="invalid_token"'),
        (b"Bearer s3cret\xff", 'Bearer error="invalid_token"'),
    ],
)
async def test_with_a_token_nobody_else_is(app, authorization, challenge):
    app.state.operator_token = "s3cret"
    headers = {} if authorization is None else {"Authorization": authorization}
    with browse(app, headers=headers) as client:
        answer = await client.get("/calls")
    assert answer.status_code == 401
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
