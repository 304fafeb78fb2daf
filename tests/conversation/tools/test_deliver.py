"""What is typed while nobody may know it, on its way to the operator's system."""

import json

import httpx
import pytest
from loguru import logger

from agent.calls.toolbox import HttpTool

from .setup import Desk, ai

NUMBER = "4111111111111111"
KEYS = {"type": "string", "pattern": "^[0-9]{13,19}$"}
CARD = HttpTool(
    "card",
    "",
    "https://pay.example/cards/{variable:order}",
    parameters={"properties": {"keys": KEYS}, "required": ["keys"]},
    secret="OFFHOOK_SECRET_PAY",
)
PAYS = ai(tool_names=("pause_recording",), http_tools=(CARD,), keys_to="card")


def desk(answer="fine"):
    made = Desk(PAYS, answer=answer, secrets={"OFFHOOK_SECRET_PAY": "s3cret"})
    made.toolbox.check(PAYS)
    made.control.variables["order"] = "17"
    return made


@pytest.fixture
def log():
    lines: list[str] = []
    sink = logger.add(lines.append, level=0)
    yield lines
    logger.remove(sink)


async def deliver(desk, keys):
    return await desk.toolbox.deliver(PAYS, desk.control, keys)


async def test_it_arrives_and_the_model_cannot_use_the_tool(log):
    at = desk()
    assert await deliver(at, NUMBER)
    (request,) = at.requests
    assert str(request.url) == "https://pay.example/cards/17"
    assert request.headers["Authorization"] == "Bearer s3cret"
    assert json.loads(request.content) == {"keys": NUMBER}
    assert list(at.toolbox.tools(PAYS)) == ["pause_recording"]
    assert at.uses == [] and NUMBER not in "".join(log)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(402, text=f"{NUMBER} has expired"),
        httpx.ConnectError("nobody there"),
        httpx.InvalidURL(f"what is {NUMBER}?"),
    ],
)
async def test_what_goes_wrong_tells_nobody_the_number(log, answer):
    assert not await deliver(desk(answer), NUMBER)
    assert log and NUMBER not in "".join(log)


async def test_what_cannot_be_one_is_not_sent(log):
    at = desk()
    assert not await deliver(at, "4111")
    assert at.requests == [] and "4111" not in "".join(log)
