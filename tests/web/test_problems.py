import json

import pytest
from fastapi import HTTPException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from agent.storage.errors import StorageError
from agent.web.problems import MEDIA_TYPE, Refusal, problem

from .conftest import browse

JSON = {"Content-Type": "application/json"}


class Order(BaseModel):
    sugar: int
    notes: dict[str, int] = {}


@pytest.fixture
def broken(app):
    """The app, with a few routes that go wrong."""

    @app.get("/teapot")
    async def teapot():
        raise HTTPException(418, "short and stout", {"X-Tea": "none"})

    @app.put("/teapot")
    async def fill(order: Order):
        raise Refusal(409, "full", "it is full", {"X-Tea": "much"}, available=["cup"])

    @app.get("/bug")
    async def bug():
        raise KeyError("the password is geheim")

    @app.get("/storage")
    async def storage():
        raise StorageError("could not read /var/geheim.db")

    @app.get("/number/{number}")
    async def number(number: int, size: int):
        return number * size

    return app


@pytest.mark.parametrize(
    ("path", "status", "code", "title", "detail"),
    [
        ("/teapot", 418, "im_a_teapot", "I'm a Teapot", "short and stout"),
        ("/nowhere", 404, "not_found", "Not Found", "Not Found"),
        ("/bug", 500, "unexpected", "Internal Server Error", "log tells more"),
        ("/storage", 503, "database_away", "Service Unavailable", "just now"),
        (
            "/number/x",
            422,
            "invalid_request",
            "Unprocessable Entity",
            "path.number: ",
        ),
    ],
)
async def test_every_error_is_a_problem(
    broken, client, path, status, code, title, detail
):
    answer = await client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["type"], body["status"]) == ("about:blank", status)
    assert (body["code"], body["title"]) == (code, title)
    assert detail in body["detail"]
    assert "geheim" not in answer.text


async def test_a_refusal_says_more(broken, client):
    answer = await client.put("/teapot", json={"sugar": 1})
    assert answer.status_code == 409
    assert answer.headers["x-tea"] == "much"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "code": "full",
        "detail": "it is full",
        "available": ["cup"],
    }


async def test_headers_of_an_error_are_kept(broken, client):
    assert (await client.get("/teapot")).headers["x-tea"] == "none"


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/teapot", "GET, PUT"),
        ("/calls/17.5", "DELETE, GET"),
        ("/recordings/token", "GET, HEAD"),
        ("/calls", "GET"),
    ],
)
@pytest.mark.parametrize("method", ["PATCH", "OPTIONS", "TRACE", "BREW"])
async def test_a_wrong_method_is_told_the_right_ones(
    broken, client, method, path, allowed
):
    answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json()["code"] == "wrong_method"


async def test_each_wrong_value_is_named(broken, client):
    errors = (await client.get("/number/x", params={"size": "y"})).json()["errors"]
    assert [error["where"] for error in errors] == ["path.number", "query.size"]
    assert all("valid integer" in error["what"] for error in errors)


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b'{"sugar": 1}', JSON, 409, "full"),
        (b'{"sugar": 1}', {"Content-Type": "application/tea+json"}, 409, "full"),
        (b"{", JSON, 400, "bad_json"),
        (b'{"sugar": "\xff"}', JSON, 400, "bad_json"),
        (b"[" * 100_000, JSON, 400, "bad_json"),
        (b'{"sugar": 1' + b"0" * 5000 + b"}", JSON, 400, "bad_json"),
        (b"", JSON, 422, "invalid_request"),
        (b"", {}, 422, "invalid_request"),
        (b"[]", JSON, 422, "invalid_request"),
        (b"null", JSON, 422, "invalid_request"),
        (b'{"sugar": NaN}', JSON, 422, "invalid_request"),
        (b'{"sugar": 1, "notes": {"\\ud800": "x"}}', JSON, 422, "invalid_request"),
        (b'{"sugar": 1}', {}, 415, "wrong_content_type"),
        (b'{"sugar": 1}', {"Content-Type": "text/plain"}, 415, "wrong_content_type"),
        (b"sugar=1", {"Content-Type": b"\xff"}, 415, "wrong_content_type"),
    ],
)
async def test_bodies(broken, client, content, headers, status, code):
    answer = await client.put("/teapot", content=content, headers=headers)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=50,
)
@given(st.text(st.characters(exclude_categories=[])), st.text())
def test_whatever_is_wrong_can_be_written(detail, more):
    told = json.loads(bytes(problem(422, "c", detail, errors=more).body))
    assert told["errors"] == more
    assert len(told["detail"]) == len(detail)


def test_openapi_tells_of_problems(app):
    described = app.openapi()
    assert described is app.openapi()
    secured = {"401", "403", "404", "429", "500", "503"}
    for path, method, statuses in [
        ("/calls", "get", {"200", "422", *secured}),
        ("/calls/{call_id}", "get", {"200", "422", *secured}),
        ("/calls/{call_id}/hold", "post", {"202", "409", "413", "422", *secured}),
        ("/keys", "post", {"201", "400", "413", "415", "422", *secured}),
        ("/readyz", "get", {"200", "500", "503"}),
        ("/metrics", "get", {"200", *secured}),
    ]:
        responses = described["paths"][path][method]["responses"]
        assert set(responses) == statuses
        for status in statuses:
            if int(status) >= 400:
                assert responses[status]["content"] == {
                    MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}
                }
    hang_up = described["paths"]["/calls/{call_id}"]["delete"]
    assert {"202", "404", "409"} <= set(hang_up["responses"])
    assert "content" not in hang_up["responses"]["202"]
    assert hang_up["security"] == [{"key": []}]
    assert hang_up["operationId"] == "hang_up"
    assert "HTTPValidationError" not in json.dumps(described)


async def test_openapi_can_be_had(app):
    with browse(app, "192.0.2.7") as client:
        told = (await client.get("/openapi.json")).json()
    assert told["openapi"].startswith("3.1")
