"""Our own server on fakes, run as production runs it."""

import asyncio
import functools
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from agent.calls.ai import read
from agent.session import LiveCalls
from agent.storage.directory import Directory
from agent.web import telephony_ws
from agent.web.config import TelephonyConfig
from agent.web.media_protocol import MediaProtocol
from tests.fakes import provider
from tests.fakes.agent import Agent
from tests.fakes.provider import Running

PASSWORD = "s3cret"
WORDS = " ".join(["word"] * 120)
"""12 s of greeting, in one sentence."""


@pytest.fixture
async def ours(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Its address."""
    # The same 12 s for a hundred calls: no need to compute them each time.
    monkeypatch.setattr(provider, "tone", functools.cache(provider.tone))
    # Who interrupts has something to say; what says nothing is let pass.
    agent.recogniser.otherwise = "I have a question."
    app = FastAPI()
    ais = read(f"[ai.desk]\nprompt = 'x'\ngreeting = '{WORDS}.'")
    app.state.directory = Directory(ais)
    app.state.budgets = telephony_ws.Unlimited()
    app.state.telephony = TelephonyConfig("asterisk", PASSWORD)
    app.state.live = LiveCalls(100)
    app.state.parts = agent.parts
    app.include_router(telephony_ws.router)
    async with Running(
        app, ws=MediaProtocol, ws_per_message_deflate=False, ws_max_size=1 << 20
    ) as url:
        yield url.replace("http", "ws") + "/telephony/ws"
        async with asyncio.timeout(10):
            while len(app.state.live):
                await asyncio.sleep(0.01)
