import asyncio

import pytest

from agent.evals.outside import Outside
from agent.evals.scenario import Answer


@pytest.mark.parametrize(
    ("method", "path", "status", "says"),
    [
        ("GET", "/orders/12", 200, {"status": "shipped"}),
        ("POST", "/orders/12", 404, {"error": "there is no /orders/12"}),
        ("GET", "/orders/13", 500, {}),
        ("GET", "/orders?id=14", 200, {"status": "new"}),
        ("GET", "/orders/1/2", 404, {"error": "there is no /orders/1/2"}),
    ],
)
async def test_the_first_answer_that_fits(method, path, status, says):
    outside = Outside(
        (
            Answer("/orders/12", method="GET", json={"status": "shipped"}),
            Answer("/orders/1[3-9]", status=500),
            Answer("/orders?id=*", json={"status": "new"}),
        )
    )
    async with outside.http() as http:
        answer = await http.request(method, f"https://shop.example{path}")
    assert (answer.status_code, answer.json()) == (status, says)
    assert outside.asked == [f"{method} {path} {status}"]


async def test_a_slow_answer_can_be_given_up():
    outside = Outside((Answer("/", after=3600),))
    async with outside.http() as http:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await http.get("https://shop.example/")
    assert outside.asked == ["GET / 200"]


async def test_what_was_sent_is_kept():
    outside = Outside(())
    await outside.emails.send("a@b.example", "A call", "Call him back.")
    await outside.messages.send("+15550100", "12 Harbour Street")
    assert [(sent.to, sent.text) for sent in outside.sent] == [
        ("a@b.example", "A call: Call him back."),
        ("+15550100", "12 Harbour Street"),
    ]
