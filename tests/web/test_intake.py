import pytest
from fastapi import Request

from agent.web.intake import MOST, Intake


@pytest.fixture
def echo(app):
    """The app, with a route that tells how much it was sent."""

    @app.post("/echo")
    async def length(request: Request):
        return len(await request.body())

    return app


async def in_pieces(length):
    for _ in range(length // 1000):
        yield b"x" * 1000
    yield b"x" * (length % 1000)


@pytest.mark.parametrize(("length", "status"), [(0, 200), (MOST, 200), (MOST + 1, 413)])
@pytest.mark.parametrize("make", [lambda length: b"x" * length, in_pieces])
async def test_bodies_that_are_too_large(echo, client, make, length, status):
    answer = await client.post("/echo", content=make(length))
    assert answer.status_code == status
    if status == 413:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "too_large"
    else:
        assert answer.json() == length


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/calls/a%00b", 404, "not_found"),
        ("/calls/%00", 404, "not_found"),
        ("/calls?ai=%00", 422, "invalid_request"),
        ("/calls?ai=%2500", 200, None),
        ("/calls/%ff", 404, "no_call"),
        ("/calls/%ed%a0%80", 404, "no_call"),
        ("/calls?ai=%ff", 200, None),
    ],
)
async def test_what_no_database_takes(client, path, status, code):
    answer = await client.get(path)
    assert (answer.status_code, answer.json().get("code")) == (status, code)


async def test_websockets_pass_by():
    seen = []

    async def app(scope, receive, send):
        seen.append((scope, receive, send))

    scope = {"type": "websocket", "path": "\0"}
    await Intake(app)(scope, test_websockets_pass_by, print)
    assert seen == [(scope, test_websockets_pass_by, print)]
