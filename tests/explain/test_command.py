"""The verb, on a running agent's API, on a database, and on logs."""

import argparse
import asyncio
import json
from datetime import timedelta

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse

from agent.calls.call import EndReason
from agent.calls.facts import CallAnswered, CallBegan, TurnTaken
from agent.explain import command
from agent.explain.reading import NotARecord
from agent.explain.reading import record as read
from agent.explain.sources import AgentConfig
from agent.storage.agents import Agents
from agent.storage.calls import apply
from agent.storage.database import Database
from agent.web.schemas import CallDetail
from tests.fakes.provider import Running

from .cases import CASES
from .records import CALL, GOOD, LATER, NOON, at, record, tool, trouble, used


def arguments(*given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args([CALL, *given])


async def explained(*given: str, url: str = "", database: str = "") -> tuple[int, str]:
    said: list[str] = []
    status = await command.run(
        arguments(*given), AgentConfig(url), database, LATER, said.append
    )
    return status, "\n".join(said)


def api(status: int, body: object, facts_behind: int = 0) -> FastAPI:
    app = FastAPI()

    @app.get("/calls/{call_id}")
    def call(call_id: str) -> JSONResponse:
        return JSONResponse(body, status_code=status)

    @app.get("/metrics")
    def metrics() -> PlainTextResponse:
        return PlainTextResponse(f"offhook_facts_behind {facts_behind}.0\n")

    return app


def as_json(of) -> dict:
    return CallDetail.of_record(of).model_dump(mode="json")


@pytest.mark.parametrize("name", CASES)
def test_what_the_api_tells_is_the_record(name):
    of, _, _ = CASES[name]
    assert as_json(read(as_json(of))) == as_json(of)


@pytest.mark.parametrize(
    "given", [{}, {"id": 3}, as_json(record(*GOOD)) | {"end_reason": "tired"}]
)
def test_what_is_no_record_is_refused(given):
    with pytest.raises(NotARecord):
        read(given)


@pytest.mark.parametrize(
    ("of", "status", "cause"),
    [
        (record(*GOOD), 0, "well"),
        (record(*GOOD, reason=EndReason.SHUTDOWN), 1, "shutdown"),
        (
            record(
                *GOOD,
                troubles=(trouble("llm", "timeout", 6),),
                tools=(tool("crm", 7, 1),),
                uses=(used("a.b"),),
            ),
            1,
            "troubled",
        ),
    ],
)
async def test_asks_the_agent(of, status, cause):
    async with Running(api(200, as_json(of))) as url:
        assert (await explained(url=url))[0] == status
        _, said = await explained("--json", url=url)
    assert json.loads(said)["cause"] == cause


async def test_a_database_that_is_away_is_the_cause():
    async with Running(api(503, {"code": "storage"})) as url:
        status, said = await explained(url=url)
    assert status == 1
    assert "its database is not" in said.splitlines()[0]


async def test_facts_that_wait_explain_a_call_that_is_not_there():
    async with Running(api(404, {"code": "no_call"}, facts_behind=7)) as url:
        status, said = await explained(url=url)
    assert status == 1
    assert "7 facts wait" in said


async def test_an_unknown_call():
    async with Running(api(404, {"code": "no_call"})) as url:
        status, said = await explained(url=url)
    assert status == 2
    assert "there is no record" in said


async def test_nobody_answers(capsys):
    status, said = await explained(url="http://127.0.0.1:9")
    assert (status, said) == (2, "")
    assert "with --database" in capsys.readouterr().err


async def test_a_key_that_is_wrong(capsys):
    async with Running(api(401, {"code": "key_needed"})) as url:
        status, _ = await explained(url=url)
    assert status == 2
    assert "answered 401" in capsys.readouterr().err


async def test_a_log_that_is_not_there(capsys, tmp_path):
    status, _ = await explained("--log", str(tmp_path / "none"), url="http://x")
    assert status == 2
    assert "cannot read" in capsys.readouterr().err


async def test_logs_answer_when_no_agent_does(tmp_path):
    log = tmp_path / "agent.log"
    began = at(0).isoformat(timespec="milliseconds")
    ended = at(2).isoformat(timespec="milliseconds")
    log.write_text(
        f"{began} INFO call={CALL} agent.session: [CALL] began: 1 -> 2, AI desk, ulaw\n"
        f"{began} ERROR call={CALL} agent.session: [LLM] a.b throttled: 429\n"
        f"{ended} INFO call={CALL} agent.session: [CALL] ended: provider_failed after"
        " 2.0 s\n"
    )
    status, said = await explained("--log", str(log), url="http://127.0.0.1:9")
    assert status == 1
    assert said.startswith(f"{CALL}: ")


async def test_an_agent_that_was_killed_by_the_database_alone(tmp_path):
    """kill -9 leaves a call without an end; who starts next ends it."""
    url = f"sqlite+aiosqlite:///{tmp_path}/calls.db"
    database = Database(url)
    await database.open()
    facts = [
        CallBegan(record().call),
        CallAnswered(CALL, at(0), "1.1", "ulaw", "json"),
        *(TurnTaken(CALL, turn) for turn in GOOD),
    ]
    async with database.session("apply") as session:
        for fact in facts:
            await apply(session, fact, "a", NOON)
    again = Agents(database, "a", NOON + timedelta(minutes=1))
    await again.beat(NOON + timedelta(minutes=1))
    assert await again.sweep_own(NOON + timedelta(minutes=1)) == 1
    await database.close()
    for given in (["--database"], ["--database", url]):
        status, said = await explained(*given, database=url)
        assert status == 1
        assert "the agent's process was killed or crashed" in said.splitlines()[0]


async def test_nothing_waits_for_ever():
    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        status, _ = await explained(url=f"http://127.0.0.1:{port}")
    assert status == 2
