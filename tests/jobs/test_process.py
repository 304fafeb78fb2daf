"""Who watches the worker."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest
from loguru import logger

from agent.jobs import process
from agent.jobs.process import keep_working
from agent.local.process import free_port


@pytest.fixture
def started(monkeypatch):
    """Ports of workers that were started, in place of processes."""
    ports = asyncio.Queue()

    class NoProcess:
        healthy = False

        def __init__(self, server):
            self.port = server.port

        async def start(self):
            ports.put_nowait(self.port)

        async def stop(self):
            pass

    monkeypatch.setattr(process, "Supervised", NoProcess)
    return ports


@pytest.fixture
def lines():
    said = []
    sink = logger.add(lambda line: said.append(line.record["message"]), level="ERROR")
    yield said
    logger.remove(sink)


@asynccontextmanager
async def kept_working(port):
    task = asyncio.create_task(keep_working(port, pause=0.001))
    yield
    task.cancel()
    await asyncio.wait({task})


async def test_a_port_that_is_taken_is_waited_for_and_said_once(started, lines):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        async with kept_working(port):
            while not lines:
                await asyncio.sleep(0)
            await asyncio.sleep(0.02)  # several looks
            assert started.empty()
            other.close()
            assert await asyncio.wait_for(started.get(), 30) == port
    (said,) = lines
    assert said.startswith(f"[WORK] cannot listen on 127.0.0.1:{port} (OFFHOOK_WORK_PO")
    assert "Address already in use" in said


async def test_a_free_port_is_taken_at_once(started, lines):
    port = free_port()
    async with kept_working(port):
        assert await asyncio.wait_for(started.get(), 30) == port
    assert lines == []


async def test_no_port_is_any_port(started):
    async with kept_working(0):
        assert await asyncio.wait_for(started.get(), 30) > 0
