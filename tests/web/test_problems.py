import pytest
from fastapi import HTTPException

from agent.storage.errors import StorageError


@pytest.fixture
def broken(app):
    """The app, with a few routes that go wrong."""

    @app.get("/teapot")
    async def teapot():
        raise HTTPException(418, "short and stout", {"X-Tea": "none"})

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
    ("path", "status", "title", "detail"),
    [
        ("/teapot", 418, "I'm a Teapot", "short and stout"),
        ("/nowhere", 404, "Not Found", "Not Found"),
        ("/bug", 500, "Internal Server Error", "the agent's log tells more"),
        ("/storage", 503, "Service Unavailable", "cannot be reached just now"),
        ("/number/x", 422, "Unprocessable Entity", "path.number: "),
    ],
)
async def test_every_error_is_a_problem(broken, client, path, status, title, detail):
    answer = await client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["type"], body["status"]) == ("about:blank", status)
    assert body["title"] == title
    assert detail in body["detail"]
    assert "geheim" not in answer.text


async def test_headers_of_an_error_are_kept(broken, client):
    assert (await client.get("/teapot")).headers["x-tea"] == "none"
    answer = await client.put("/teapot")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.json()["title"] == "Method Not Allowed"


async def test_each_wrong_value_is_named(broken, client):
    errors = (await client.get("/number/x", params={"size": "y"})).json()["errors"]
    assert [error["where"] for error in errors] == ["path.number", "query.size"]
    assert all("valid integer" in error["what"] for error in errors)


def test_openapi_tells_of_problems(app):
    described = app.openapi()
    assert described is app.openapi()
    for path, method, statuses in [
        ("/calls", "get", {"200", "401", "403", "422", "500", "503"}),
        ("/calls/{call_id}", "get", {"200", "401", "403", "404", "422", "500", "503"}),
        ("/readyz", "get", {"200", "503"}),
        ("/metrics", "get", {"200", "401", "403"}),
    ]:
        responses = described["paths"][path][method]["responses"]
        assert set(responses) == statuses
        for status in statuses - {"200"}:
            assert responses[status]["content"] == {
                "application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/Problem"}
                }
            }
    hang_up = described["paths"]["/calls/{call_id}"]["delete"]
    assert {"202", "404", "409"} <= set(hang_up["responses"])
    assert "content" not in hang_up["responses"]["202"]
    assert hang_up["security"] == [{"HTTPBearer": []}]
    assert "HTTPValidationError" not in described["components"]["schemas"]
