"""/numbers as its clients see it."""

import pytest

from agent.calls.customer import Scope

from .ais import furnish

TO_FILED = {"target": {"ai": "filed"}}


@pytest.fixture(autouse=True)
async def furnished(app):
    providers = await furnish(app)
    yield
    await providers.close()


@pytest.fixture
async def desk(client):
    await client.post("/ais", json={"name": "desk", "prompt": "You answer."})


async def test_from_its_making_to_its_end(app, client, desk):
    path = "/numbers/+49 30 1234567"
    made = await client.put(path, json={"target": {"ai": "desk"}, "label": "Desk"})
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    assert made.headers["Location"] == "/numbers/%2B49301234567"
    body = made.json()
    assert (body["number"], body["label"]) == ("+49301234567", "Desk")
    assert body["target"] == {"ai": "desk"}
    for spelling in ("+49301234567", "%2B49301234567", "030 1234567"):
        assert (await client.get(f"/numbers/{spelling}")).json() == body
    assert app.state.directory.answering("", "0301234567", "").ai.name == "desk"

    put = await client.put(path, json=TO_FILED)
    assert (put.status_code, put.headers["ETag"]) == (200, '"2"')
    assert put.json()["label"] == ""
    patched = await client.patch(path, json={"label": "Shop"})
    assert (patched.json()["target"], patched.json()["label"]) == (
        {"ai": "filed"},
        "Shop",
    )
    patched = await client.patch(path, json=TO_FILED | {"label": None})
    assert patched.json()["label"] == ""
    assert app.state.directory.answering("", "0301234567", "").ai.name == "filed"
    assert (await client.delete(path)).status_code == 204
    for method in ("GET", "DELETE", "PATCH"):
        body = {"json": {}} if method == "PATCH" else {}
        answer = await client.request(method, path, **body)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_number")


async def test_pages_in_their_order(client, desk):
    for number in ("300", "*98", "sales"):
        await client.put(f"/numbers/{number}", json=TO_FILED)
    await client.put("/numbers/%231", json={"target": {"ai": "desk"}})
    page = (await client.get("/numbers?limit=3")).json()
    rest = (await client.get("/numbers", params={"after": page["next"]})).json()
    found = [each["number"] for each in (*page["numbers"], *rest["numbers"])]
    assert found == ["#1", "*98", "300", "sales"]
    assert rest["next"] is None
    only = (await client.get("/numbers?ai=desk")).json()
    assert [each["number"] for each in only["numbers"]] == ["#1"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_nobody_overwrites_what_he_has_not_seen(client, method):
    body = {} if method == "DELETE" else {"json": TO_FILED | {"label": "x"}}
    stale = {"If-Match": '"1"'}
    gone = await client.request(method, "/numbers/100", headers=stale, **body)
    assert gone.status_code == (412 if method == "PUT" else 404)
    await client.put("/numbers/100", json=TO_FILED)
    await client.patch("/numbers/100", json={"label": "y"})
    answer = await client.request(method, "/numbers/100", headers=stale, **body)
    assert (answer.status_code, answer.json()["code"]) == (412, "changed_meanwhile")
    fresh = {"If-Match": '"2"'}
    answer = await client.request(method, "/numbers/100", headers=fresh, **body)
    assert answer.is_success


async def test_only_a_new_one(client):
    new = {"If-None-Match": "*"}
    assert (
        await client.put("/numbers/100", json=TO_FILED, headers=new)
    ).status_code == 201
    answer = await client.put("/numbers/100", json=TO_FILED, headers=new)
    assert (answer.status_code, answer.json()["code"]) == (412, "exists_already")


@pytest.mark.parametrize(
    ("number", "body", "code"),
    [
        ("100", {"target": {"ai": "nobody"}}, "no_such_ai"),
        ("100", {"target": {"ai": "a\0b"}}, "no_such_ai"),
        ("100", {"target": {"ai": "x" * 5000}}, "no_such_ai"),
        ("100", {"target": {"flow": "x"}}, None),
        ("100", {"target": None}, None),
        ("100", {}, None),
        ("100", TO_FILED | {"label": 3}, None),
        ("100", TO_FILED | {"label": "x" * 201}, None),
        ("100", TO_FILED | {"color": "red"}, None),
        ("a b", TO_FILED, "bad_number"),
        ("+49", TO_FILED, "bad_number"),
        ("12345678901x", TO_FILED, "bad_number"),
    ],
)
async def test_what_cannot_be_put(client, number, body, code):
    answer = await client.put(f"/numbers/{number}", json=body)
    assert answer.status_code == 422
    if code:
        assert answer.json()["code"] == code
    assert (await client.get("/numbers")).json()["numbers"] == []


async def test_somebody_has_to_answer(client):
    await client.put("/numbers/100", json=TO_FILED)
    answer = await client.patch("/numbers/100", json={"target": None})
    assert (answer.status_code, answer.json()["code"]) == (422, "no_target")


async def test_another_customers(client, make_key):
    ours, acme = await make_key(Scope.ADMIN), await make_key(Scope.OPERATOR, "acme")
    await client.put("/numbers/100", json=TO_FILED, headers=ours)
    for method in ("GET", "DELETE", "PATCH"):
        body = {"json": {}} if method == "PATCH" else {}
        answer = await client.request(method, "/numbers/100", headers=acme, **body)
        assert answer.status_code == 404
    answer = await client.put("/numbers/100", json=TO_FILED, headers=acme)
    assert (answer.status_code, answer.json()["code"]) == (409, "number_taken")
    assert "default" not in answer.text
    answer = await client.put("/numbers/200", json=TO_FILED, headers=acme)
    assert answer.json()["code"] == "no_such_ai"


async def test_who_may_read_may_not_write(client, make_key):
    reader = await make_key(Scope.READ)
    answer = await client.put("/numbers/100", json=TO_FILED, headers=reader)
    assert answer.status_code == 403
    assert (await client.get("/numbers", headers=reader)).status_code == 200
