import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from agent.calls.customer import Scope
from agent.storage.tables import PostedRow

from .conftest import browse


async def made(client, **asked):
    answer = await client.post("/keys", json={"scope": "read", "name": "n"} | asked)
    assert answer.status_code == 201, answer.text
    return answer.json()


def bearing(key):
    return {"Authorization": f"Bearer {key['key']}"}


async def test_the_first_key_closes_the_door(app, client):
    key = await made(client, scope="admin", name="Ada")
    assert key["key"].startswith(key["hint"]) and key["hint"].startswith("ok_")
    assert (await client.get("/keys")).status_code == 401
    with browse(app, "192.0.2.7", headers=bearing(key)) as ada:
        listed = (await ada.get("/keys")).json()["keys"]
    assert listed == [{name: key[name] for name in key if name != "key"}]
    assert (key["customer"], key["scope"], key["name"]) == ("default", "admin", "Ada")


async def test_a_key_that_is_revoked(client):
    admin = await made(client, scope="admin")
    client.headers.update(bearing(admin))
    reader = await made(client)
    assert (await client.get("/calls", headers=bearing(reader))).status_code == 200
    for _ in range(2):
        answer = await client.delete(f"/keys/{reader['id']}")
        assert (answer.status_code, answer.content) == (204, b"")
    assert (await client.get("/calls", headers=bearing(reader))).status_code == 401
    listed = {key["id"]: key for key in (await client.get("/keys")).json()["keys"]}
    assert listed[reader["id"]]["revoked_at"] is not None
    assert listed[admin["id"]]["revoked_at"] is None
    answer = await client.delete("/keys/key_0")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_key")


async def test_customers(client, make_key):
    admin = await make_key()
    new = {"id": "acme", "name": "Acme Ltd"}
    answer = await client.post("/customers", json=new, headers=admin)
    assert answer.status_code == 201
    assert answer.json() | new == answer.json()
    again = await client.post("/customers", json=new, headers=admin)
    assert (again.status_code, again.json()["code"]) == (409, "customer_exists")
    listed = (await client.get("/customers", headers=admin)).json()["customers"]
    assert [each["id"] for each in listed] == ["acme", "default"]
    # It is there at once, for whoever acts for it.
    theirs = admin | {"Offhook-Customer": "acme"}
    assert (await client.get("/calls", headers=theirs)).status_code == 200
    client.headers.update(theirs)
    assert (await made(client))["customer"] == "acme"
    assert (await made(client, customer="default"))["customer"] == "default"


async def test_no_answer_with_a_key_is_kept(app, client):
    headers = {"Idempotency-Key": "k"} | bearing(await made(client, scope="admin"))
    asked = {"scope": "read", "name": "n"}
    first, second = [
        (await client.post("/keys", json=asked, headers=headers)).json()["key"]
        for _ in range(2)
    ]
    assert first != second
    async with app.state.database.session("look", read_only=True) as session:
        assert (await session.scalars(select(PostedRow))).all() == []


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"scope": "god"}, 422, "invalid_request"),
        ({"name": "n" * 201}, 422, "invalid_request"),
        ({"name": "\ud800"}, 422, "invalid_request"),
        ({"expires_at": "soon"}, 422, "invalid_request"),
        ({"expires_at": 5}, 422, "invalid_request"),
        ({"customer": "nobody"}, 404, "no_customer"),
        ({"customer": "a\0"}, 404, "no_customer"),
        ({"expires_at": "2126-11-21T12:00:00Z"}, 201, None),
    ],
)
async def test_keys_that_are_not_made(client, asked, status, code):
    written = json.dumps({"scope": "read", "name": "n"} | asked)
    kind = {"Content-Type": "application/json"}
    answer = await client.post("/keys", content=written, headers=kind)
    assert (answer.status_code, answer.json().get("code")) == (status, code)


@pytest.mark.parametrize("id", ["", "a b", "ä", "a" * 65, "a\n", "a/b", None, 5])
async def test_customers_that_cannot_be(client, id):
    answer = await client.post("/customers", json={"id": id})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_key_that_ends(client):
    soon = datetime.now(UTC) - timedelta(seconds=1)
    key = await made(client, scope=Scope.ADMIN, expires_at=soon.isoformat())
    assert (await client.get("/calls", headers=bearing(key))).status_code == 401
