import asyncio
import json

import httpx
import pytest

from agent.calls.toolbox import HttpTool
from agent.conversation.tools.http import http_tool, mistake
from agent.conversation.tools.offers import Outcome
from agent.conversation.tools.tool import Reach, ToolError
from tests.fakes.control import FakeControl

from .setup import Desk, ai

ORDER = {
    "type": "object",
    "properties": {
        "order": {"type": "string", "pattern": "^[A-F]?[0-9F /.?#&%ü-]+$"},
        "full": {"type": "boolean"},
        "size": {"enum": ["S", "M"]},
        "count": {"type": "integer", "minimum": 1},
    },
    "required": ["order"],
}


def shop(url="https://shop.example/orders/{order}", method="GET", **more):
    return HttpTool("order_status", "Look up an order.", url, method, ORDER, **more)


async def asked(tool, arguments, answer="fine", secrets=None, variables=None):
    desk = Desk(ai(http_tools=(tool,)), answer=answer, secrets=secrets or {})
    desk.control.variables.update(variables or {})
    told = await desk.use(tool.name, **arguments)
    return told, desk


@pytest.mark.parametrize(
    ("tool", "arguments", "line", "body"),
    [
        (shop(), {"order": "A12"}, "GET https://shop.example/orders/A12", ""),
        (shop(), {"order": 12}, "GET https://shop.example/orders/12", ""),
        (
            shop(),
            {"order": "1/2", "full": True},
            "GET https://shop.example/orders/1%2F2?full=true",
            "",
        ),
        (
            shop("https://shop.example/{order}?key=7"),
            {"order": "1?2#3&4%2F", "full": False},
            "GET https://shop.example/1%3F2%233%264%252F?key=7&full=false",
            "",
        ),
        (
            shop("https://shop.example/orders?id={order}"),
            {"order": "1&2 3ü"},
            "GET https://shop.example/orders?id=1%262%203%C3%BC",
            "",
        ),
        (
            shop("https://shop.example/orders", "POST"),
            {"order": "A12", "count": "2"},
            "POST https://shop.example/orders",
            {"order": "A12", "count": 2},
        ),
        (
            shop("https://shop.example/{order}/cancel", "PUT"),
            {"order": "A12", "size": "S", "admin": True},
            "PUT https://shop.example/A12/cancel",
            {"size": "S"},
        ),
        (
            shop("https://shop.example/{variable:tenant}/{order}", "DELETE"),
            {"order": "1"},
            "DELETE https://shop.example/a%2Fb/1",
            "",
        ),
    ],
)
async def test_what_is_asked(tool, arguments, line, body):
    told, desk = await asked(tool, arguments, variables={"tenant": "a/b"})
    assert told.outcome is Outcome.DONE, told.result
    (request,) = desk.requests
    assert f"{request.method} {request.url}" == line
    assert (json.loads(request.content) if request.content else "") == body


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "'order' is a required property"),
        ({"order": "abc"}, "order: 'abc' does not match"),
        ({"order": ["1"]}, "order: ['1'] is not of type 'string'"),
        ({"order": None}, "order: None is not of type 'string'"),
        ({"order": "1", "size": "XL"}, "size: 'XL' is not one of ['S', 'M']"),
        ({"order": "1", "count": "many"}, "count: 'many' is not of type 'integer'"),
        ({"order": "1", "count": 0}, "count: 0 is less than the minimum of 1"),
        ({"order": "1", "full": "perhaps"}, "full: 'perhaps' is not of type"),
    ],
)
async def test_wrong_arguments_are_told_and_nothing_is_sent(arguments, says):
    told, desk = await asked(shop(), arguments)
    assert told.outcome is Outcome.INVALID
    assert says in told.result
    assert desk.requests == []
    assert says in desk.uses[0].result and desk.uses[0].failed


@pytest.mark.parametrize("order", [".", "..", " ", ".. "])
async def test_an_argument_cannot_lead_elsewhere(order):
    told, desk = await asked(shop(), {"order": order})
    assert told.outcome in (Outcome.FAILED, Outcome.INVALID)
    assert desk.requests == []


async def test_a_variable_that_is_not_known():
    tool = shop("https://shop.example/{variable:tenant}/{order}")
    told, desk = await asked(tool, {"order": "1"})
    assert (told.outcome, told.result) == (Outcome.FAILED, "tenant is ''")
    assert desk.requests == []


async def test_the_model_cannot_set_what_the_address_depends_on():
    tool = shop("https://shop.example/{variable:tenant}/{order}")
    desk = Desk(ai(http_tools=(tool,)))
    desk.control.variables["tenant"] = "ours"
    told = await desk.use("set_variables", variables={"tenant": "theirs"})
    assert told.outcome is Outcome.REFUSED
    assert desk.control.variables == {"tenant": "ours"}


async def test_the_secret_is_sent_and_never_told():
    told, desk = await asked(
        shop(secret="SHOP_KEY", headers={"X-Shop": "7"}),
        {"order": "1"},
        answer=httpx.Response(403, text="go away"),
        secrets={"SHOP_KEY": "s3cret"},
    )
    assert desk.requests[0].headers["authorization"] == "Bearer s3cret"
    assert desk.requests[0].headers["x-shop"] == "7"
    assert told.result == "the other system says 403: go away"
    assert "s3cret" not in f"{told} {desk.uses} {desk.offer.tools}"


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        ('{"status": "shipped", "n": [1]}', {"status": "shipped", "n": [1]}),
        ("shipped", "shipped"),
        ("", ""),
        ("x" * 5000, "x" * 4096 + " [cut]"),
        ("[" + "1," * 5000 + "1]", ("[" + "1," * 5000)[:4096] + " [cut]"),
        (httpx.Response(201, content=b"caf\xe9"), "caf\ufffd"),
    ],
)
async def test_what_is_told(answer, result):
    told, _ = await asked(shop(), {"order": "1"}, answer)
    assert (told.outcome, told.result) == (Outcome.DONE, result)


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (httpx.Response(404, text="no such order"), "says 404: no such order"),
        (httpx.Response(500, text="x" * 9999), f"says 500: {'x' * 300}"),
        (httpx.Response(302, headers={"location": "http://169.254.0.1"}), "says 302"),
        (httpx.ConnectError("no"), "could not be reached"),
        (httpx.ReadTimeout("slow"), "does not answer"),
    ],
)
async def test_a_failure_is_told_as_such(answer, result):
    told, desk = await asked(shop(), {"order": "1"}, answer)
    assert told.outcome is Outcome.FAILED
    assert told.result.startswith("the other system ") and result in told.result
    assert len(desk.requests) == 1, "a redirect was followed"


async def test_an_endless_answer_is_not_read_to_its_end():
    read = 0

    async def endless():
        nonlocal read
        while True:
            read += 1000
            yield b"x" * 1000

    http = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, content=endless()))
    )
    result = await http_tool(shop(), http, "").run(Reach(FakeControl()), order="1")
    assert len(result) < 4200
    assert read < 20_000


async def test_whoever_dawdles_is_given_up():
    async def slow(_):
        await asyncio.Event().wait()

    http = httpx.AsyncClient(transport=httpx.MockTransport(slow))
    tool = http_tool(shop(timeout=0.02), http, "")
    with pytest.raises(ToolError, match="did not answer within 0.02 s"):
        await tool.run(Reach(FakeControl()), order="1")


async def test_no_call_gets_the_cookies_of_another():
    cookie = httpx.Response(200, headers={"set-cookie": "session=ann"})
    desk = Desk(ai(http_tools=(shop(),)), answer=lambda _: cookie)
    await desk.use("order_status", order="1")
    await desk.use("order_status", order="2")
    assert "cookie" not in desk.requests[1].headers


@pytest.mark.parametrize(
    ("tool", "says"),
    [
        (shop("https://{order}.example/"), "url: who is asked cannot be an argument"),
        (shop("https://x@{order}/"), "url: who is asked cannot be an argument"),
        (
            shop("https://shop.example/{item}"),
            "url has {item}, and parameters.properties has no item",
        ),
        (
            HttpTool("a", "", "https://x.example", parameters={"type": "string"}),
            "parameters: its type is not object",
        ),
        (
            HttpTool("a", "", "https://x.example", parameters={"properties": []}),
            "parameters: its properties are not a table",
        ),
        (
            HttpTool(
                "a",
                "",
                "https://x.example",
                parameters={"properties": {"x": {"type": "text"}}},
            ),
            "parameters: 'text' is not valid under any of the given schemas",
        ),
        (shop(), ""),
        (HttpTool("a", "", "https://x.example/{variable:y}"), ""),
        (HttpTool("a", "", "https://[x"), "url is no address: Invalid IPv6 URL"),
        (HttpTool("a", "", "https:///x"), "url names no host"),
        (
            HttpTool("a", "", "https://x:y/"),
            "url is no address: Invalid port: 'y'",
        ),
    ],
)
def test_mistakes_of_the_operator(tool, says):
    assert mistake(tool) == says


async def test_a_schema_that_points_elsewhere_is_not_fetched():
    tool = HttpTool(
        "a",
        "",
        "https://x.example",
        parameters={"properties": {"x": {"$ref": "https://evil.example/schema"}}},
    )
    told, desk = await asked(tool, {"x": 1})
    assert told.outcome is Outcome.INVALID
    assert desk.requests == []
