import asyncio
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest

from agent.calls.ai import AIError
from agent.calls.toolbox import HttpTool, McpServer
from agent.conversation.tools.mcp import McpConnection
from agent.conversation.tools.offers import Offer, Outcome
from agent.conversation.tools.tool import Reach, ToolError
from agent.conversation.tools.toolbox import Toolbox
from agent.net import outside
from tests.fakes import mcp_server
from tests.fakes.control import FakeControl

from .setup import ai

PROGRAM = (sys.executable, str(Path(mcp_server.__file__)))
REACH = Reach(FakeControl())


@asynccontextmanager
async def connected(config, token=""):
    connection = McpConnection(config, token)
    await connection.open()
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def over(transport, **more):
    more = {"timeout": 10.0, **more}
    if transport == "stdio":
        yield McpServer("crm", command=PROGRAM, **more)
    else:
        async with mcp_server.HttpServer() as server:
            yield McpServer("crm", url=server.url, **more)


def by_name(connection):
    return {tool.name: tool for tool in connection.tools}


@pytest.mark.parametrize("transport", ["http", "stdio"])
async def test_tools_are_listed_and_used(transport):
    async with over(transport) as config, connected(config) as connection:
        tools = by_name(connection)
        assert {"find", "book", "count_all", "fail", "hang"} <= set(tools)
        find = tools["find"]
        assert find.description == "Find a customer."
        assert find.properties["name"]["description"] == "Who"
        assert find.required == ("name",)
        book = tools["book"]
        assert book.properties["entry"]["properties"]["hours"]["type"] == "integer"
        assert (await find.run(REACH, name="Ann")).startswith("Ann is number 7.")
        booked = await book.run(REACH, entry={"title": "Visit", "hours": 2})
        assert booked == "Visit for 2"
        assert await tools["count_all"].run(REACH) == {"customers": 3}
        with pytest.raises(ToolError, match="the calendar is full"):
            await tools["fail"].run(REACH)
        assert (await find.run(REACH, name="Bo")).startswith("Bo is")


async def test_only_those_that_the_operator_wants():
    async with over("http", tools=("find", "count.all")) as config:
        async with connected(config) as connection:
            assert list(by_name(connection)) == ["find", "count_all"]


async def test_a_bearer_token():
    async with mcp_server.HttpServer() as server:
        config = McpServer("crm", url=server.url, secret="CRM_KEY", timeout=10)
        async with connected(config, "s3cret"):
            pass
        assert server.authorizations == {"Bearer s3cret"}


async def test_a_program_is_given_its_secret_and_no_other(monkeypatch):
    monkeypatch.setenv("OFFHOOK_TOKEN", "the operator's")
    async with over("stdio", secret="CRM_KEY") as config:
        async with connected(config, "s3cret") as connection:
            assert await by_name(connection)["secret"].run(REACH) == "s3cret"


async def test_a_program_ends_with_its_session():
    async with over("stdio") as config:
        async with connected(config) as connection:
            pid = await by_name(connection)["pid"].run(REACH)
            os.kill(pid, 0)
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_server_that_was_restarted_is_found_again():
    server = mcp_server.HttpServer()
    async with server:
        config = McpServer("crm", url=server.url, timeout=10)
        connection = McpConnection(config, "")
        await connection.open()
        find = by_name(connection)["find"]
        assert "number 7" in await find.run(REACH, name="Ann")
    try:
        with pytest.raises(ToolError, match=r"crm (failed|does not answer)"):
            await find.run(REACH, name="Ann")
        assert "find" in by_name(connection), "it is offered for when it is back"
        async with server:
            assert "number 7" in await find.run(REACH, name="Ann")
            await connection.close()
    finally:
        await connection.close()


async def test_a_program_that_died_is_started_again():
    async with over("stdio") as config, connected(config) as connection:
        tools = by_name(connection)
        first = await tools["pid"].run(REACH)
        with pytest.raises(ToolError, match="crm failed"):
            await tools["die"].run(REACH)
        second = await tools["pid"].run(REACH)
        assert first != second


@pytest.mark.parametrize("transport", ["http", "stdio"])
async def test_a_use_that_hangs_ends_and_disturbs_no_other(transport):
    async with over(transport) as config, connected(config) as connection:
        tools = by_name(connection)
        connection.config = replace(config, timeout=0.3)
        hanging, quick = await asyncio.gather(
            tools["hang"].run(REACH),
            tools["find"].run(REACH, name="Ann"),
            return_exceptions=True,
        )
        assert str(hanging) == "crm does not answer"
        assert "number 7" in quick
        connection.config = config
        assert "number 7" in await tools["find"].run(REACH, name="Ann")


async def test_an_interrupted_use_does_not_end_the_session():
    async with over("stdio") as config, connected(config) as connection:
        tools = by_name(connection)
        pid = await tools["pid"].run(REACH)
        task = asyncio.create_task(tools["hang"].run(REACH))
        await tools["find"].run(REACH, name="Ann")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await tools["pid"].run(REACH) == pid


@pytest.mark.parametrize(
    "config",
    [
        McpServer("crm", url="http://127.0.0.1:9/mcp"),
        McpServer("crm", command=("/no/such/program",)),
        McpServer("crm", command=(sys.executable, "-c", "print('hello')")),
        McpServer("crm", command=("sleep", "60"), timeout=0.2),
    ],
    ids=["nobody listens", "no program", "no MCP", "silence"],
)
async def test_a_server_that_is_not_there_keeps_nobody_from_starting(config):
    async with connected(config) as connection:
        assert connection.tools == ()
        assert not connection.busy


@asynccontextmanager
async def toolbox(*ais):
    async with httpx.AsyncClient(verify=False) as http:
        made = Toolbox(http)
        await made.open(ais)
        try:
            yield made
        finally:
            await made.close()


async def test_two_servers_with_tools_of_the_same_name():
    async with (
        mcp_server.HttpServer("find book") as one,
        mcp_server.HttpServer("find fail") as other,
    ):
        both = ai(
            mcp_servers=(
                McpServer("crm", url=one.url, timeout=10),
                McpServer("erp", url=other.url, timeout=10),
            )
        )
        async with toolbox(both) as box:
            names = list(box.tools(both))[-4:]
            assert names == ["crm_find", "book", "erp_find", "fail"]
            by_server = replace(both, tool_names=("erp_find", "crm_book", "book"))
            box.check(by_server)
            assert list(box.tools(by_server)) == ["erp_find", "crm_book", "book"]
            with pytest.raises(AIError, match="no tool is called 'find'; there are: "):
                box.check(replace(both, tool_names=("find",)))


async def test_a_server_cannot_take_the_place_of_our_tools():
    async with mcp_server.HttpServer("find") as server:
        shop = HttpTool("find", "Look up an order.", "https://shop.example")
        taken = ai(http_tools=(shop,), mcp_servers=(McpServer("crm", url=server.url),))
        async with toolbox(taken) as box:
            tools = box.tools(taken)
            assert tools["find"].description == "Look up an order."
            assert tools["crm_find"].description == "Find a customer."


async def test_a_use_is_written_down_like_any_other():
    async with mcp_server.HttpServer() as server:
        known = ai(mcp_servers=(McpServer("crm", url=server.url, timeout=10),))
        async with toolbox(known) as box:
            uses = []
            offer = Offer(known, box, FakeControl(), uses.append)
            good = await offer.use("find", {"name": "Ann"})
            bad = await offer.use("find", {"names": "Ann"})
            ugly = await offer.use("fail", {})
    assert good.outcome is Outcome.DONE
    assert (bad.outcome, ugly.outcome) == (Outcome.INVALID, Outcome.FAILED)
    assert [use.name for use in uses] == ["find", "find", "fail"]
    assert uses[1].result == "wrong arguments: 'name' is a required property"


async def test_a_server_that_comes_later_is_there_for_the_next_call():
    server = mcp_server.HttpServer()
    async with server:
        known = ai(mcp_servers=(McpServer("crm", url=server.url, timeout=10),))
    async with toolbox(known) as box:
        assert "find" not in Offer(known, box, FakeControl(), print).tools
        async with server:
            async with asyncio.timeout(10):
                while "find" not in Offer(known, box, FakeControl(), print).tools:
                    await asyncio.sleep(0.01)
            await box.close()


@asynccontextmanager
async def guarded(*networks):
    async with outside.client(map(ip_network, networks)) as client:
        yield client


async def test_outside_only_means_nowhere_inside():
    async with over("http") as config, guarded() as client:
        connection = McpConnection(config, "", client)
        await connection.open()
        assert connection.tools == ()
        with pytest.raises(ToolError, match="is 127.0.0.1, which is not a public"):
            await connection.use("find", {"name": "Ann"})
        await connection.close()


async def test_outside_only_and_the_operator_allows_this_place():
    async with over("http") as config, guarded("127.0.0.0/8", "::1/128") as client:
        connection = McpConnection(config, "", client)
        await connection.open()
        assert "find" in by_name(connection)
        assert "Ann" in await connection.use("find", {"name": "Ann"})
        with pytest.raises(ToolError):
            await connection.use("fail", {})
        await connection.close()


async def test_an_ai_that_must_stay_outside_shares_no_session():
    async with over("http") as config, guarded() as client:
        async with httpx.AsyncClient(verify=False) as http:
            made = Toolbox(http, guarded=client)
            inside = ai(mcp_servers=(config,), tool_names=("find",))
            strangers = replace(inside, outside_only=True)
            await made.open([inside, strangers])
            assert list(made.tools(inside)) == ["find"]
            assert list(made.tools(strangers)) == []
            await made.close()
