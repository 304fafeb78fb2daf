"""What holds for every route of the agent, whoever wrote it."""

from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from agent.app import create_app
from agent.settings import read_settings
from agent.storage.customers import Customers, Keys
from agent.storage.database import Database
from agent.web import auth
from agent.web.config import ApiLimits
from agent.web.idempotency import IdempotentRoute
from agent.web.limits import Limits
from agent.web.problems import MEDIA_TYPE

from .conftest import browse

# Without a key. The last ones have a password or a signature of their own.
OPEN = {
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/docs",
    "/docs/oauth2-redirect",
    "/redoc",
    "/recordings/{token}",
    "/telephony/ws",
    "/telephony/ws/{call_id}/next",
    "/telephony/ws/{call_id}/over",
    "/events/ws",  # asks by itself: browsers send no Authorization there
}
# The answer holds what is kept nowhere; and what Asterisk tells with no such key.
NOT_KEPT = {"/keys", "/telephony/ws/{call_id}/over"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """As `offhook serve` has it, and not opened."""
    data = tmp_path_factory.mktemp("data")
    return create_app(read_settings({"OFFHOOK_DATA": str(data)}))


@pytest.fixture
async def closed(whole, tmp_path):
    """Nobody has its token."""
    database = Database(f"sqlite:///{tmp_path}/never-opened.db")
    whole.state.operator_token = "s3cret"
    whole.state.keys = Keys(Customers(database))
    whole.state.limits = Limits(ApiLimits(wrong_per_minute=1000))
    return whole


def routes(app) -> Iterator[RouteContext]:
    found = list(iter_route_contexts(app.routes))
    assert len(found) > 20
    return iter(found)


def asked(dependant) -> Iterator[object]:
    """All that is called before the route itself."""
    for each in dependant.dependencies:
        yield each.call
        yield from asked(each)


def test_each_route_asks_who_it_is_or_is_known_to_be_open(whole):
    opened = {
        route.path
        for route in routes(whole)
        if not isinstance(route.original_route, APIRoute)
        or auth.asking not in asked(route.dependant)
    }
    assert opened <= OPEN


def test_each_post_can_be_sent_twice(whole):
    posts = [route for route in routes(whole) if "POST" in (route.methods or ())]
    assert len(posts) > 6
    for route in posts:
        if route.path not in NOT_KEPT:
            assert isinstance(route.original_route, IdempotentRoute), route.path


def test_each_operation_is_described(whole):
    described = whole.openapi()
    names = []
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            names.append(operation["operationId"])
            secured = path not in OPEN
            assert bool(operation.get("security")) is secured, (method, path)
            if secured:
                assert {"401", "403", "429"} <= set(operation["responses"]), path
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert set(response["content"]) == {MEDIA_TYPE}, (path, status)
                    assert response["description"]
    assert len(names) == len(set(names))
    assert all(name.isidentifier() for name in names)
    assert not any(path.startswith(("/telephony", "/ledger")) for path in described)


async def test_each_refusal_is_a_problem(closed):
    refused = 0
    with browse(closed, "192.0.2.7") as client:
        for route in routes(closed):
            if route.path in OPEN:
                continue
            for method in route.methods:
                path = route.path.replace("{track}", "mix")
                answer = await client.request(method, path)
                assert answer.status_code == 401, (method, path, answer.text)
                assert answer.headers["content-type"] == MEDIA_TYPE
                assert answer.json()["code"] == "key_needed"
                refused += 1
            answer = await client.request("BREW", path)
            assert (answer.status_code, answer.json()["code"]) == (405, "wrong_method")
            assert set(answer.headers["allow"].split(", ")) >= route.methods
    assert refused > 15
