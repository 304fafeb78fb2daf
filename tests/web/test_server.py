import asyncio
import signal
from datetime import UTC, datetime

import pytest
import uvicorn
from fastapi import FastAPI

from agent.calls.call import Call, Direction
from agent.session import LiveCalls
from agent.web.server import Server


class Up:
    """A call that somebody is in."""

    def __init__(self) -> None:
        self.call = Call("17.1", "", "", Direction.INBOUND, "desk", datetime.now(UTC))
        self.asked_to_end = False

    def end(self, *_: object) -> None:
        self.asked_to_end = True


@pytest.fixture
async def running():
    live = LiveCalls(10)
    config = uvicorn.Config(FastAPI(), port=0, log_level="error", lifespan="off")
    server = Server(config, live, drain_seconds=0.3)
    server.install_signal_handlers = lambda: None
    serving = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.005)
    yield server, live, serving
    server.should_exit = server.force_exit = True
    await serving


async def test_with_nobody_on_the_line_it_stops_at_once(running):
    server, _, serving = running
    server.handle_exit(signal.SIGTERM, None)
    async with asyncio.timeout(2):
        await asyncio.shield(serving)


async def test_a_call_may_finish_and_a_new_one_is_refused(running):
    server, live, serving = running
    up = Up()
    live.add(up)
    server.handle_exit(signal.SIGTERM, None)
    await asyncio.sleep(0.1)
    assert not server.should_exit
    assert live.refusal("17.2") == "shutting_down"
    assert not up.asked_to_end
    live.remove(up)
    async with asyncio.timeout(2):
        await asyncio.shield(serving)


async def test_a_call_that_does_not_finish_is_ended(running):
    server, live, _ = running
    up = Up()
    live.add(up)
    server.handle_exit(signal.SIGTERM, None)
    await asyncio.sleep(0.5)
    assert up.asked_to_end
    live.remove(up)


async def test_a_second_signal_does_not_wait(running):
    server, live, serving = running
    live.add(Up())
    server.handle_exit(signal.SIGTERM, None)
    await asyncio.sleep(0.05)
    assert not server.should_exit
    server.handle_exit(signal.SIGTERM, None)
    assert server.should_exit
