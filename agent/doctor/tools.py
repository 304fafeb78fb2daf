"""Tools of the AIs: what each needs is set, or the agent does not start."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import httpx

from agent.calls.ai import AI, AIError
from agent.settings import Settings

from .finding import Finding, error, ok
from .site import Site

if TYPE_CHECKING:  # pipecat takes its time to import
    from agent.conversation.tools.toolbox import Toolbox

_FREE = frozenset({"end_call", "connect_call"})
"""Which need nothing."""


async def tools(site: Site) -> list[Finding]:
    settings = site.settings
    if settings is None:
        return []
    ais = [ai for ai in settings.ais.by_name.values() if _has_any(ai)]
    if not ais:
        return []
    async with httpx.AsyncClient() as http:
        toolbox = await asyncio.to_thread(_toolbox, settings, http)
        found = list(_refused(toolbox, ais))
        await toolbox.close()
    return found or [ok("the tools of the AIs have what they need")]


def _has_any(ai: AI) -> bool:
    return bool(
        set(ai.tool_names) - _FREE or ai.http_tools or ai.mcp_servers or ai.keys_to
    )


def _toolbox(settings: Settings, http: httpx.AsyncClient) -> "Toolbox":
    """As the agent has it, of things that are never used."""
    from agent.conversation.tools.toolbox import Toolbox

    there: Any = object()
    return Toolbox(
        http,
        emails=there if settings.smtp else None,
        messages=there if settings.sender else None,
        knowledge=there,
        secrets=settings.secrets,
        region=settings.country,
        recorder=settings.ami is not None,
        guarded=http,
    )


def _refused(toolbox: "Toolbox", ais: Iterable[AI]) -> Iterator[Finding]:
    for ai in ais:
        try:
            toolbox.check(ai)
        except AIError as refusal:
            yield error(
                f"the agent does not start: {refusal}",
                "OFFHOOK_AIS",
                "Set what it names, or take that tool from the AI.",
            )
