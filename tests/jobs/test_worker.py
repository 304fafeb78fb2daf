"""The process as its parent sees it, and a small form of bench/webhooks.py."""

import asyncio
import random
import signal
import socket
import sys

import httpx
import pytest

from agent.jobs.config import WorkConfig
from agent.jobs.process import worker as worker_process
from agent.jobs.worker import CannotListen, State, Worker
from agent.local.process import free_port
from bench.webhooks import measure
from tests.fakes.receiver import Receiver

from .webhooks import HURRIED, add_webhook, in_states, tell, until


async def get(port: int, path: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"http://127.0.0.1:{port}{path}")


class Quiet:
    """A job without work."""

    def __init__(self, database):
        self.runs = asyncio.Event()

    async def run(self):
        self.runs.set()
        await asyncio.Event().wait()


async def test_a_worker_from_birth_to_end(small, small_url):
    port = free_port()
    config = WorkConfig(small_url, port, HURRIED)
    jobs = []

    def make(database):
        jobs.append(Quiet(database))
        return jobs[0]

    worker = Worker(config, [make])
    second = Worker(WorkConfig(small_url, free_port(), HURRIED))
    async with Receiver() as receiver:
        await add_webhook(small, receiver.url())
        await tell(small, 1)
        work = asyncio.create_task(worker.work())
        await in_states(small, "delivered")
        assert jobs[0].runs.is_set()
        health = await get(port, "/healthz")
        assert (health.status_code, health.text) == (200, "working")
        told = (await get(port, "/metrics")).text
        assert 'offhook_webhook_deliveries_total{outcome="delivered"}' in told
        assert (await get(port, "/elsewhere")).status_code == 404
        standing_by = asyncio.create_task(second.work())
        await until(lambda: second.state is State.STANDING_BY)
        for task in (standing_by, work):
            task.cancel()
            await asyncio.wait({task})
            assert task.cancelled()


async def test_a_port_that_is_taken_is_named(small_url):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"{port} \(OFFHOOK_WORK_PORT\): "):
            await Worker(WorkConfig(small_url, port)).work()


async def test_it_waits_for_a_database_that_is_away(tmp_path):
    port = free_port()
    worker = Worker(WorkConfig(f"postgresql://nobody@/none?host={tmp_path}", port))
    work = asyncio.create_task(worker.work())

    async def healthy() -> bool:
        try:
            return (await get(port, "/healthz")).text == State.WAITING.value
        except httpx.TransportError:
            return False

    await until(healthy)
    work.cancel()
    await asyncio.wait({work})
    assert work.cancelled()


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01", b"GET\r\n\r\n", b""])
async def test_who_speaks_no_http_is_no_trouble(tmp_path, garbage):
    port = free_port()
    worker = Worker(WorkConfig(f"postgresql://nobody@/none?host={tmp_path}", port))
    work = asyncio.create_task(worker.work())

    async def connected() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return False
        writer.write(garbage)
        writer.close()
        await writer.wait_closed()
        return True

    await until(connected)
    assert (await get(port, "/healthz")).status_code == 200
    work.cancel()
    await asyncio.wait({work})
    assert work.cancelled()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_postgresql_restarts_and_the_worker_ends_for_its_parent(
    postgres_server, database_url
):
    """DBOS would wait in threads that nothing can end; a new process starts at once."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "ignore", "-m", "bench.webhooks"),
        *("--work", database_url, "--port", str(port := free_port())),
    )

    async def working() -> bool:
        try:
            return (await get(port, "/healthz")).text == "working"
        except httpx.TransportError:
            return False

    try:
        await until(working, within=60)
        postgres_server.stop()
        try:
            assert await asyncio.wait_for(process.wait(), 60) == 1
        finally:
            postgres_server.start()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()


async def test_nothing_is_lost_by_kills(database_url):
    figures = await measure(database_url, 150, 2, 3, random.Random(5))
    assert figures.right, figures
    assert figures.requests > 150


def test_the_parent_knows_how_to_start_it():
    server = worker_process(7861)
    assert server.command[1:] == ("-m", "agent", "work", "--port", "7861")
    assert server.health == "http://127.0.0.1:7861/healthz"
