import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import APIRouter, HTTPException, Response
from pydantic import BaseModel
from sqlalchemy import update

from agent.calls.customer import Scope
from agent.storage.errors import StorageError
from agent.storage.tables import PostedRow
from agent.web.auth import Operator
from agent.web.idempotency import IdempotentRoute
from agent.web.problems import Refusal

K = {"Idempotency-Key": "k"}


class Order(BaseModel):
    what: str


@pytest.fixture
def shop(app):
    """Where each order that is carried out is counted, and some go wrong."""
    router = APIRouter(route_class=IdempotentRoute)
    app.state.orders = orders = []
    app.state.busy = asyncio.Event()
    app.state.may_end = asyncio.Event()
    outcomes = {
        "refused": Refusal(409, "sold_out", "there is none left"),
        "bare": HTTPException(404, "nowhere"),
        "away": StorageError("away"),
        "bug": KeyError("bug"),
        "teapot": Refusal(503, "teapot", "short and stout"),
    }

    @router.post("/orders", status_code=201)
    async def order(who: Operator, order: Order, response: Response, note: str = ""):
        orders.append((who.customer, order.what))
        if order.what in outcomes:
            raise outcomes[order.what]
        if order.what == "slow":
            app.state.busy.set()
            await app.state.may_end.wait()
        response.headers["Location"] = f"/orders/{len(orders)}"
        response.headers["X-Secret"] = "s"
        return {"number": len(orders), "note": "schön"}

    app.include_router(router)
    return app


async def post(client, what="tea", headers=K, **options):
    return await client.post("/orders", json={"what": what}, headers=headers, **options)


async def test_what_is_sent_twice_is_done_once(shop, client):
    first, again = await post(client), await post(client)
    assert shop.state.orders == [("default", "tea")]
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json() == {"number": 1, "note": "schön"}
    assert again.headers["location"] == "/orders/1"
    assert again.headers["content-type"] == "application/json"
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert "x-secret" not in again.headers


async def test_without_a_key_it_is_done_twice(shop, client):
    await post(client, headers={})
    await post(client, headers={})
    assert len(shop.state.orders) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"json": {"what": "coffee"}},
        {"content": b'{"what":  "tea"}'},
        {"json": {"what": "tea"}, "params": {"note": "x"}},
    ],
)
async def test_a_key_is_for_one_request(shop, client, other):
    await post(client)
    answer = await client.post(
        "/orders", headers=K | {"Content-Type": "application/json"}, **other
    )
    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency_key_reused"
    assert len(shop.state.orders) == 1


async def test_each_customer_has_keys_of_its_own(shop, client, make_key):
    for customer in ("default", "other"):
        headers = K | await make_key(Scope.OPERATOR, customer)
        assert (await post(client, headers=headers)).status_code == 201
    assert shop.state.orders == [("default", "tea"), ("other", "tea")]


@pytest.mark.parametrize(
    ("what", "status", "times"),
    [
        ("refused", 409, 1),
        ("bare", 404, 1),
        ("away", 503, 2),
        ("bug", 500, 2),
        ("teapot", 503, 2),
    ],
)
async def test_a_refusal_stays_and_a_failure_does_not(
    shop, client, what, status, times
):
    first, again = await post(client, what), await post(client, what)
    assert first.status_code == again.status_code == status
    assert first.json() == again.json()
    assert again.headers["content-type"] == "application/problem+json"
    assert len(shop.state.orders) == times


async def test_who_may_not_do_it_may_do_it_later(shop, client, make_key):
    headers = K | await make_key(Scope.READ)
    assert (await post(client, headers=headers)).status_code == 403
    headers = K | await make_key(Scope.OPERATOR)
    assert (await post(client, headers=headers)).status_code == 201


async def test_it_is_being_done(shop, client):
    first = asyncio.create_task(post(client, "slow"))
    await shop.state.busy.wait()
    second = await post(client, "slow")
    assert (second.status_code, second.json()["code"]) == (409, "in_progress")
    assert second.headers["retry-after"] == "1"
    shop.state.may_end.set()
    assert (await first).status_code == 201
    assert (await post(client, "slow")).json() == (await first).json()
    assert len(shop.state.orders) == 1


async def test_a_claim_of_a_process_that_died_is_taken_over(shop, client):
    first = asyncio.create_task(post(client, "slow"))
    await shop.state.busy.wait()
    first.cancel()
    await asyncio.wait([first])
    assert (await post(client, "slow")).status_code == 409
    async with shop.state.database.session("let a minute go by") as session:
        past = datetime.now(UTC) - timedelta(seconds=61)
        await session.execute(update(PostedRow).values(at=past))
    shop.state.may_end.set()
    assert (await post(client, "slow")).status_code == 201


async def test_an_answer_that_cannot_be_kept_is_given_all_the_same(shop, client):
    first = asyncio.create_task(post(client, "slow"))
    await shop.state.busy.wait()
    await shop.state.database.close()
    shop.state.may_end.set()
    assert (await first).status_code == 201
    # What cannot be claimed is not begun.
    assert (await post(client)).status_code == 503
    assert len(shop.state.orders) == 1


@pytest.mark.parametrize("key", ["", "a b", "ä".encode(), "k" * 256, "a\tb"])
async def test_what_is_no_key(shop, client, key):
    answer = await post(client, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert shop.state.orders == []


async def test_calls_are_held_once(app, client):
    app.state.live.up = {"17.5"}
    for _ in range(2):
        answer = await client.post("/calls/17.5/hold", headers=K)
        assert (answer.status_code, answer.content) == (202, b"")
    assert app.state.live.done == [("hold", "17.5")]
