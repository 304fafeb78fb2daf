"""Tools of servers that speak the Model Context Protocol.

One session a server for the whole process. When a use fails, the session is given up as
soon as nobody else is in it, and the next use opens another.
"""

import asyncio
import contextvars
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Self, TypeVar

import httpx
import httpx2
from loguru import logger
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent
from mcp_types import Tool as Listed

from agent.calls.toolbox import McpServer

from .tool import Reach, Tool, ToolError, schema_mistake, shortened

PAGES = 20
"""Of a list of tools; who has more is not listed to the end."""
DESCRIPTION = 1000
"""Characters of a tool's, which every turn of every call pays for."""
DEPTH = 5
"""Of definitions within definitions that a model is shown."""
CLOSE_DEADLINE = 8.0
"""A program that does not end by itself is killed by the SDK before that."""

_T = TypeVar("_T")


class McpConnection:
    def __init__(
        self, config: McpServer, token: str, guarded: httpx.AsyncClient | None = None
    ) -> None:
        """`guarded`: by which its `url` is asked, instead of a client of its own."""
        self.config = config
        self._token = token
        self._guarded = guarded
        self._session: _Session | None = None
        self._sessions: set[_Session] = set()
        """Also those given up that somebody is still in."""
        self._listed: _Session | None = None
        """The one that `tools` are from."""
        self.tools: tuple[Tool, ...] = ()
        """As last listed; empty: it was never reached."""

    @property
    def busy(self) -> bool:
        """It is being opened, or is open."""
        return self._session is not None and not self._session.task.done()

    async def open(self) -> None:
        """Tries. A server that is down must not keep the agent from starting."""
        try:
            await self._in_session(_nothing)
        except ToolError as error:
            logger.warning("[MCP] {}", error)

    async def close(self) -> None:
        await asyncio.gather(*(session.close() for session in self._sessions))

    async def use(self, name: str, arguments: Mapping[str, Any]) -> Any:
        async def call(client: Client) -> CallToolResult:
            return await client.call_tool(name, dict(arguments))

        result = await self._in_session(call)
        text = "\n".join(
            part.text for part in result.content if isinstance(part, TextContent)
        )
        if result.is_error:
            raise ToolError(text[:300] or f"{name} failed")
        if not text and result.structured_content is not None:
            text = json.dumps(result.structured_content, ensure_ascii=False)
        return shortened(text or "done")

    async def _in_session(self, do: Callable[[Client], Awaitable[_T]]) -> _T:
        name = self.config.name
        if self._session is None or not self.busy:
            self._session = _Session(self.config, self._token, self._guarded)
            self._sessions.add(self._session)
            self._session.task.add_done_callback(self._forget)
        with self._session as session:
            try:
                async with asyncio.timeout(self.config.timeout):
                    # Others may wait for the same session: the first to lose patience
                    # must not end it.
                    client, listed = await asyncio.shield(session.ready)
                    if session is not self._listed:
                        self._listed = session
                        self._list(listed)
                    return await do(client)
            except TimeoutError as error:
                self._give_up(session)
                raise ToolError(f"{name} does not answer") from error
            except (MCPError, NotThereError) as error:
                self._give_up(session)
                raise ToolError(f"{name} failed: {str(error)[:300]}") from error
            except Exception:
                self._give_up(session)
                raise

    def _give_up(self, session: "_Session") -> None:
        session.retire()
        if self._session is session:
            self._session = None

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._sessions = {each for each in self._sessions if each.task is not task}

    def _list(self, listed: Sequence[Listed]) -> None:
        wanted = self.config.tools
        tools = [
            self._tool(each) for each in listed if each.name in (wanted or [each.name])
        ]
        self.tools = tuple(tool for tool in tools if tool is not None)

    def _tool(self, listed: Listed) -> Tool | None:
        schema = _whole(listed.input_schema)
        if why := schema_mistake(schema):
            logger.warning("[MCP] {}.{}: {}", self.config.name, listed.name, why)
            return None

        async def run(_: Reach, /, **arguments: Any) -> Any:
            return await self.use(listed.name, arguments)

        return Tool(
            callable_name(listed.name),
            (listed.description or listed.name).strip()[:DESCRIPTION],
            run,
            schema.get("properties", {}),
            tuple(schema.get("required", ())),
            schema=schema,
            deadline=self.config.timeout + 1,
        )


class NotThereError(Exception):
    """No session could be opened; says why."""


class _Session:
    """Opened and closed by a task of its own, because the SDK wants one task for both.
    `with` it for a use; it ends when it was given up and nobody is in it."""

    def __init__(
        self, config: McpServer, token: str, guarded: httpx.AsyncClient | None
    ) -> None:
        self._config = config
        self._token = token
        self._guarded = guarded
        self._users = 0
        self._retired = False
        self._over = asyncio.Event()
        self.ready: asyncio.Future[tuple[Client, list[Listed]]] = (
            asyncio.get_running_loop().create_future()
        )
        # Its log lines are not those of the call that happened to open it.
        self.task = asyncio.create_task(self._run(), context=contextvars.Context())

    def __enter__(self) -> Self:
        self._users += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._users -= 1
        self._end_if_unused()

    def retire(self) -> None:
        self._retired = True
        self._end_if_unused()

    async def close(self) -> None:
        self._over.set()
        done, _ = await asyncio.wait([self.task], timeout=CLOSE_DEADLINE)
        if not done:
            self.task.cancel()
            await asyncio.wait([self.task], timeout=1)

    def _end_if_unused(self) -> None:
        if self._retired and not self._users:
            self._over.set()
            if not self.ready.done():
                self.task.cancel()

    async def _run(self) -> None:
        try:
            async with AsyncExitStack() as house:
                client = await house.enter_async_context(await self._client(house))
                listed = await _listed(client)
                if not self.ready.done():
                    self.ready.set_result((client, listed))
                logger.info("[MCP] {}: {} tools", self._config.name, len(listed))
                await self._over.wait()
        except Exception as error:  # noqa: BLE001 - told to whoever wants to use it
            cause = _cause(error)
            if self.ready.done():
                logger.warning("[MCP] {} is gone: {!r}", self._config.name, cause)
            else:
                self.ready.set_exception(NotThereError(str(cause) or repr(cause)))
                # Seen, in case that nobody waits any more.
                self.ready.exception()
        finally:
            self.ready.cancel()

    async def _client(self, house: AsyncExitStack) -> Client:
        config = self._config
        if config.command:
            program, *arguments = config.command
            secret = {config.secret: self._token} if config.secret else {}
            return Client(
                StdioServerParameters(command=program, args=arguments, env=secret),
                cache=None,
            )
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        # In a thread: it reads the system's certificates.
        http = await asyncio.to_thread(
            httpx2.AsyncClient,
            headers=headers,
            timeout=config.timeout,
            trust_env=False,
            transport=_Guarded(self._guarded) if self._guarded else None,
        )
        await house.enter_async_context(http)
        return Client(streamable_http_client(config.url, http_client=http), cache=None)


class _Guarded(httpx2.AsyncBaseTransport):
    """The SDK's kind of client by way of ours."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        # Made here and not by the client, which would add its cookies.
        asked = httpx.Request(
            request.method,
            str(request.url),
            headers=request.headers.raw,
            content=await request.aread(),
            extensions={"timeout": request.extensions.get("timeout", {})},
        )
        try:
            answer = await self._http.send(asked, stream=True, follow_redirects=False)
        except httpx.HTTPError as error:
            raise httpx2.ConnectError(str(error) or repr(error)) from error
        return httpx2.Response(
            answer.status_code, headers=answer.headers.raw, stream=_Stream(answer)
        )


class _Stream(httpx2.AsyncByteStream):
    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._answer.aiter_raw():
                yield part
        except httpx.HTTPError as error:
            raise httpx2.ReadError(str(error) or repr(error)) from error

    async def aclose(self) -> None:
        await self._answer.aclose()


def callable_name(name: str) -> str:
    """As models may call it: providers take no other characters, and no more."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:64]


async def _nothing(_: Client) -> None:
    """To see whether the server is there."""


async def _listed(client: Client) -> list[Listed]:
    listed: list[Listed] = []
    cursor = None
    for _ in range(PAGES):
        page = await client.list_tools(cursor=cursor)
        listed += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return listed


def _cause(error: Exception) -> Exception:
    """The first real one of what the SDK's task groups wrap."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _whole(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Without "$ref" to its own "$defs": models are shown properties alone."""
    definitions = schema.get("$defs", {})

    def inlined(part: Any, depth: int) -> Any:
        if isinstance(part, list):
            return [inlined(each, depth) for each in part]
        if not isinstance(part, dict):
            return part
        name = str(part.get("$ref", "")).removeprefix("#/$defs/")
        if name in definitions and depth < DEPTH:
            return inlined(definitions[name], depth + 1)
        return {
            key: inlined(each, depth)
            for key, each in part.items()
            if key != "$defs" and key != "$ref"
        }

    whole: dict[str, Any] = inlined(dict(schema), 0)
    return whole
