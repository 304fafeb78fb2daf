"""What keeps the facts of a call, and what tells others of it: the database and its
disk, webhooks, the worker. The database is SQLite; test_database.py has PostgreSQL."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from agent.local.process import free_port
from tests.fakes.receiver import Receiver, Reply, Rude
from tests.interop.asterisk import eventually

from .machine import disk, needs_mount, worker
from .stage import Stage, Staged

pytestmark = [
    pytest.mark.asterisk,
    pytest.mark.models,
    pytest.mark.asyncio(loop_scope="module"),
]
LATER = 120.0
"""Seconds after the call, by which it should be known everywhere."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(
    staged: Staged, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    data = folder / "data"  # apart: the log is to be readable when it is full
    data.mkdir()
    settings = {
        "OFFHOOK_DATA": str(data),
        "OFFHOOK_WEBHOOK_ALLOW": "127.0.0.1/32",
        "OFFHOOK_WORK_PORT": str(free_port()),
    }
    with disk(data, "size=64m") if os.getuid() == 0 else nullcontext():
        async with staged(folder, **settings) as stage:
            yield stage


async def a_call(stage: Stage) -> str:
    async with stage.call() as (_, call):
        pass
    await stage.over(call)
    return call


async def a_kept_call(stage: Stage) -> str:
    """And its recording is where it belongs."""
    call = await a_call(stage)
    async with asyncio.timeout(30):
        while True:
            tracks = (await stage.record(call))["recordings"]
            if [each["state"] for each in tracks] == ["stored"] * 3:
                return call
            await asyncio.sleep(0.2)


async def behind(stage: Stage, some: bool) -> None:
    """Until facts wait, or none."""
    metric = "offhook_facts_behind"
    async with asyncio.timeout(60):
        while bool(await asyncio.to_thread(stage.offhook.metric, metric)) is not some:
            await asyncio.sleep(0.2)


# 22, 26: the database.


@pytest.mark.fault("26", "another process locks the database")
async def test_the_database_is_locked(stage: Stage):
    locker = sqlite3.connect(
        Path(stage.settings["OFFHOOK_DATA"]) / "offhook.db", isolation_level=None
    )
    async with stage.call() as (line, call):
        locker.execute("BEGIN EXCLUSIVE")
        await line.hear_silence(1, within=10)
    await stage.logged("keep facts of calls: database is locked")
    verdict = await stage.explain(call)
    locker.execute("ROLLBACK")
    locker.close()
    await behind(stage, False)
    await stage.over(call)
    assert "locked" in "\n".join((verdict.sentence, *verdict.besides))


@pytest.mark.fault("26", "the database is locked from before the call on")
async def test_the_database_was_locked_before(stage: Stage):
    locker = sqlite3.connect(
        Path(stage.settings["OFFHOOK_DATA"]) / "offhook.db", isolation_level=None
    )
    locker.execute("BEGIN EXCLUSIVE")
    async with await stage.phone().dial(stage.asterisk.uri()) as line:
        await line.hear_sound(within=20)
        await line.hear_silence(1, within=20)
    call = stage.newest_in_asterisk()
    seen = stage.offhook.log.read_text().count("calls: database is locked")
    await eventually(
        lambda: stage.offhook.log.read_text().count("calls: database is locked") > seen
    )
    verdict = await stage.explain(call)
    locker.execute("ROLLBACK")
    locker.close()
    await behind(stage, False)
    await stage.over(call)
    assert "locked" in "\n".join((verdict.sentence, *verdict.besides))


@needs_mount
@pytest.mark.fault("22", "the agent's disk is full")
async def test_the_agents_disk_is_full(stage: Stage):
    filler = Path(stage.settings["OFFHOOK_DATA"]) / "filler"
    try:
        async with stage.call() as (line, call):
            with filler.open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    # To the last byte: what is written may be short.
                    file.write(bytes(65536))
            await line.hear_silence(1, within=10)
        await stage.logged("database or disk is full", within=30)
        verdict = await stage.explain(call)
    finally:
        filler.unlink()
    await behind(stage, False)
    await stage.over(call)
    assert "disk of the agent's database is full" in "\n".join(
        (verdict.sentence, *verdict.besides)
    )


# 32, 33: webhooks.


def post(stage: Stage, path: str, **body: Any) -> Any:
    request = urllib.request.Request(
        stage.offhook.url + path,
        json.dumps(body).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


@asynccontextmanager
async def told(stage: Stage, url: str) -> AsyncIterator[str]:
    """A webhook; its id."""
    made = await asyncio.to_thread(post, stage, "/webhooks", url=url)
    try:
        yield made["id"]
    finally:
        await asyncio.to_thread(stage.offhook.delete, f"/webhooks/{made['id']}")


async def tried(stage: Stage, webhook: str) -> None:
    """Until a delivery failed."""
    async with asyncio.timeout(30):
        while True:
            found = await stage.get(f"/webhooks/{webhook}/deliveries")
            if any(each["attempts"] for each in found["deliveries"]):
                return
            await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        pytest.param(
            Reply(500, b"out of order"),
            "its receiver answers, and fails: 500",
            marks=pytest.mark.fault("32", "the webhook's receiver answers 500"),
        ),
        pytest.param(
            Reply(429, b"", {"retry-after": "60"}),
            "its receiver wants fewer requests: 429",
            marks=pytest.mark.fault("32", "the webhook's receiver answers 429"),
        ),
        pytest.param(
            Reply(302, b"", {"location": "http://127.0.0.1:9/"}),
            "its receiver redirects, which is not followed: 302",
            marks=pytest.mark.fault("32", "the webhook's receiver redirects"),
        ),
        pytest.param(
            Rude.SILENT,
            "its receiver takes it and does not answer",
            marks=pytest.mark.fault("32", "the webhook's receiver hangs"),
        ),
        pytest.param(
            Rude.GARBLED,
            "closed the connection without an answer in HTTP",
            marks=pytest.mark.fault("32", "the webhook's receiver speaks no HTTP"),
        ),
    ],
)
async def test_a_receiver(stage: Stage, behaviour: Reply | Rude, said: str):
    async with Receiver(lambda arrival: behaviour) as receiver:
        async with told(stage, receiver.url()) as webhook:
            call = await a_kept_call(stage)
            await tried(stage, webhook)
            verdict = await stage.explain(call, later=LATER)
    assert said in verdict.sentence


@pytest.mark.fault("32", "nobody listens at the webhook's address")
async def test_nobody_listens(stage: Stage):
    async with Receiver() as receiver:
        url = receiver.url()
    async with told(stage, url) as webhook:
        call = await a_kept_call(stage)
        await tried(stage, webhook)
        verdict = await stage.explain(call, later=LATER)
    assert "its receiver could not be reached" in verdict.sentence


@pytest.mark.fault("32", "the webhook's certificate is not to be trusted")
async def test_a_bad_certificate(stage: Stage, tmp_path: Path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    made += ["-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(
        lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context
    )
    port = server.sockets[0].getsockname()[1]
    async with server, told(stage, f"https://127.0.0.1:{port}/hook") as webhook:
        call = await a_kept_call(stage)
        await tried(stage, webhook)
        verdict = await stage.explain(call, later=LATER)
    assert "the certificate of its receiver is not to be trusted" in verdict.sentence


@pytest.mark.fault("33", "the webhook's name leads into the network")
async def test_a_name_that_leads_inside(stage: Stage):
    # 127.0.0.2, in a spelling that only the resolver knows.
    async with told(stage, "http://127.2:9/hook") as webhook:
        call = await a_kept_call(stage)
        await tried(stage, webhook)
        verdict = await stage.explain(call, later=LATER)
    assert "OFFHOOK_WEBHOOK_ALLOW" in verdict.sentence


# The worker.


async def taken(port: int) -> socket.socket:
    """Before the worker is back, which takes it two seconds."""
    while True:
        try:
            return socket.create_server(("127.0.0.1", port))
        except OSError:
            await asyncio.sleep(0.02)


@pytest.mark.fault("34", "the worker's port is taken")
async def test_the_workers_port_is_taken(stage: Stage):
    pid = worker(stage)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with await taken(int(stage.settings["OFFHOOK_WORK_PORT"])):
        await stage.logged("[WORK] cannot listen on")
        call = await a_call(stage)
        verdict = await stage.explain(call, later=LATER)
    assert "the worker, `offhook work`, is not up" in verdict.sentence
    assert "(OFFHOOK_WORK_PORT): " in verdict.sentence
