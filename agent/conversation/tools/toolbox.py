"""What the tools of all calls share: senders, documents, MCP sessions, the last hour.

One for the process. `check` an AI before it answers calls; `tools` is what it has then.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NoReturn

import httpx
from loguru import logger

from agent.calls.ai import AI, AIError
from agent.calls.control import CallControl
from agent.calls.toolbox import McpServer
from agent.conversation import policy
from agent.conversation.messages import Emails, Messages
from agent.conversation.seams import Knowledge

from . import http as http_tools
from .builtin import TOOLS
from .mcp import McpConnection, callable_name
from .tool import Reach, Tool, ToolError, fitted

ALL = "all"
CHANNELS = ("voice", "chat")
RECORDING = ("record_stop", "record_start", "pause_recording")


class Toolbox:
    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        emails: Emails | None = None,
        messages: Messages | None = None,
        knowledge: Knowledge | None = None,
        secrets: Mapping[str, str] | None = None,
        region: str = "",
        recorder: bool = False,
        guarded: httpx.AsyncClient | None = None,
    ) -> None:
        """`secrets`: what `secret` in HTTP tools and MCP servers is the name of.
        `region`: ISO 3166, of numbers without their country code. `recorder`: whether
        recordings can be stopped and paused. `guarded`: reaches public addresses only
        (net/outside.py), for AIs that may reach no others; without it these have
        neither HTTP tools nor MCP servers."""
        if region and region not in policy.COUNTRIES:
            raise ValueError(f"{region!r} is no country, ISO 3166")
        self.region = region
        self._http = http
        self._guarded = guarded
        self._emails = emails
        self._messages = messages
        self._knowledge = knowledge
        self._secrets = secrets or {}
        self._recorder = recorder
        self._servers: dict[tuple[McpServer, bool], McpConnection] = {}
        """By what they are and whether they must be outside of this house."""
        self._opening: set[asyncio.Task[None]] = set()
        self._recent: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)

    async def open(self, ais: Iterable[AI]) -> None:
        """Reaches for their MCP servers, at the start and when an AI is saved."""
        servers = {server for ai in ais for server in self._servers_of(ai)}
        await asyncio.gather(*(each.open() for each in servers if not each.busy))

    async def close(self) -> None:
        await asyncio.gather(*(server.close() for server in self._servers.values()))
        if self._opening:
            await asyncio.wait(self._opening)

    def check(self, ai: AI) -> None:
        """An AIError says what is wrong with this AI's tools, and which there are."""
        self._check_policy(ai)
        self._check_own(ai)
        known, qualified = self._known(ai)
        for name in ai.tool_names:
            if name in known or name in qualified or name == ALL:
                continue
            if name in TOOLS:
                _refuse(ai, f"{name} needs {self._lacking(ai)[name]}")
            if self._may_come(ai, name):
                continue
            listed = ", ".join([*known, ALL])
            _refuse(ai, f"no tool is called {name!r}; there are: {listed}")

    def tools(self, ai: AI, channel: str = "voice") -> dict[str, Tool]:
        """By the names that the model of this AI knows them by, in this channel."""
        if channel not in CHANNELS:
            raise ValueError(f"{channel!r} is none of {', '.join(CHANNELS)}")
        known, qualified = self._known(ai)
        if ALL in ai.tool_names:
            wanted = known
        else:
            everything = qualified | known
            wanted = {n: everything[n] for n in ai.tool_names if n in everything}
        return {
            name: tool
            for name, tool in wanted.items()
            if channel == "voice" or not tool.voice_only
        }

    def reach(self, ai: AI, control: CallControl) -> Reach:
        return Reach(
            control, self._emails, self._messages, self._knowledge, ai.knowledge
        )

    async def deliver(self, ai: AI, control: CallControl, keys: str) -> bool:
        """Gives what was typed in a pause to the tool that the operator has named for
        it; whether it was accepted. Nothing of it is logged or kept."""
        (config,) = (tool for tool in ai.http_tools if tool.name == ai.keys_to)
        tool = self._http_tools(ai).get(config.name)
        if tool is None:
            return False
        try:
            await tool.run(self.reach(ai, control), **fitted(tool, {"keys": keys}))
        except ToolError:
            return False
        except Exception as error:  # noqa: BLE001 - the call goes on, without the number
            logger.error("[TOOL] {} failed: {}", config.name, type(error).__name__)
            return False
        return True

    def wake(self, ai: AI) -> None:
        """Tries again, behind the scenes, the servers that were never reached."""
        for server in self._servers_of(ai):
            if not server.tools and not server.busy:
                task = asyncio.create_task(server.open())
                self._opening.add(task)
                task.add_done_callback(self._opening.discard)

    def recent(self, customer: str, ai: AI, now: float) -> deque[float]:
        """When this AI of theirs last reached somebody outside, in all of its calls."""
        uses = self._recent[customer, ai.name]
        while uses and uses[0] <= now - policy.HOUR:
            uses.popleft()
        return uses

    def _servers_of(self, ai: AI) -> list[McpConnection]:
        return [
            self._server(config, outside=ai.outside_only and bool(config.url))
            for config in ai.mcp_servers
            if config.command or self._client(ai) is not None
        ]

    def _server(self, config: McpServer, *, outside: bool) -> McpConnection:
        key = (config, outside)
        if key not in self._servers:
            token = self._secrets.get(config.secret, "")
            guarded = self._guarded if outside else None
            self._servers[key] = McpConnection(config, token, guarded)
        return self._servers[key]

    def _http_tools(self, ai: AI) -> dict[str, Tool]:
        client = self._client(ai)
        if client is None:
            return {}
        return {
            config.name: http_tools.http_tool(
                config, client, self._secrets.get(config.secret, "")
            )
            for config in ai.http_tools
        }

    def _client(self, ai: AI) -> httpx.AsyncClient | None:
        return self._guarded if ai.outside_only else self._http

    def _known(self, ai: AI) -> tuple[dict[str, Tool], dict[str, Tool]]:
        """All that the AI could have, and its MCP tools by their servers' names too."""
        lacking = self._lacking(ai)
        known = {name: TOOLS[name] for name in TOOLS if name not in lacking}
        known |= self._http_tools(ai)
        listed = [
            (server.config.name, tool)
            for server in self._servers_of(ai)
            for tool in server.tools
        ]
        names = Counter([*TOOLS, *known, *(tool.name for _, tool in listed)])
        qualified: dict[str, Tool] = {}
        for server, tool in listed:
            name = f"{server}_{tool.name}"[:64]
            # Nothing that a server calls its tools takes the place of ours.
            if not names[name] and name not in qualified:
                qualified[name] = replace(tool, name=name)
            if names[tool.name] == 1:
                known[tool.name] = tool
            elif name in qualified:
                known[name] = qualified[name]
        return known, qualified

    def _lacking(self, ai: AI) -> dict[str, str]:
        """Tools that the AI cannot have, and what they would need."""
        needs = {
            "send_email": ("OFFHOOK_SMTP_HOST", self._emails),
            "send_message": ("OFFHOOK_MESSAGE_URL", self._messages),
            "search_knowledge": ("`knowledge`", ai.knowledge and self._knowledge),
            **dict.fromkeys(RECORDING, ("OFFHOOK_AMI_PASSWORD", self._recorder)),
        }
        return {name: what for name, (what, there) in needs.items() if not there}

    def _may_come(self, ai: AI, name: str) -> bool:
        """Whether a server that was not reached yet could have a tool of that name."""
        for server in self._servers_of(ai):
            bare = name.removeprefix(f"{server.config.name}_")
            named = [callable_name(tool) for tool in server.config.tools]
            if not server.tools and (not named or bare in named):
                return True
        return False

    def _check_policy(self, ai: AI) -> None:
        if why := policy.mistake(ai.policy):
            _refuse(ai, why)

    def _check_own(self, ai: AI) -> None:
        taken = set(TOOLS) | {ALL}
        for tool in ai.http_tools:
            if tool.name in taken:
                _refuse(ai, f"http_tools: {tool.name!r} is there already")
            taken.add(tool.name)
            if why := http_tools.mistake(tool):
                _refuse(ai, f"http_tools: {tool.name}: {why}")
            if tool.name == ai.keys_to and (why := http_tools.keyless(tool)):
                _refuse(ai, f"keys_to: {tool.name}: {why}")
        if ai.keys_to and ai.keys_to not in taken - set(TOOLS) - {ALL}:
            _refuse(ai, f"keys_to is {ai.keys_to!r}, which is none of its http_tools")
        for server in ai.mcp_servers:
            if server.url and (why := http_tools.no_address(server.url)):
                _refuse(ai, f"mcp_servers: {server.name}: url {why}")
        servers = [server.name for server in ai.mcp_servers]
        if len(set(servers)) < len(servers):
            _refuse(ai, "mcp_servers: two have the same name")
        secrets = {tool.secret: tool.name for tool in ai.http_tools}
        secrets |= {server.secret: server.name for server in ai.mcp_servers}
        for secret, name in secrets.items():
            if secret and not self._secrets.get(secret):
                _refuse(ai, f"{name}: {secret} is no OFFHOOK_SECRET_* that is set")


def _refuse(ai: AI, why: str) -> NoReturn:
    raise AIError(f"AI {ai.name!r}: {why}")
