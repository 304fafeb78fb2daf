"""Connections that say nothing are closed; those that speak are not."""

import asyncio

import pytest
from fastapi import FastAPI

from agent.web import http_protocol
from agent.web.http_protocol import HttpProtocol
from tests.fakes.log import written
from tests.fakes.provider import Running

WHOLE = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
async def port(monkeypatch):
    monkeypatch.setattr(http_protocol, "DEADLINE", 0.05)
    monkeypatch.setattr(http_protocol, "_TELL_AFTER", 0.05)
    app = FastAPI()

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(0.2)
        return "well"

    async with Running(app, http=HttpProtocol) as url:
        yield int(url.rpartition(":")[2])


async def answer(port: int, *pieces: bytes) -> bytes:
    """All that comes until it is closed, after each piece a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    came = b""
    try:
        for piece in pieces:
            writer.write(piece)
            async with asyncio.timeout(5):
                came += await reader.read(65536)
    except ConnectionError:
        pass
    finally:
        writer.close()
    return came


@pytest.mark.parametrize("piece", [b"", b"G", WHOLE[:-2]])
async def test_who_says_nothing_or_half_is_shown_the_door(port, piece):
    assert await answer(port, piece) == b""


async def test_who_speaks_may_wait_for_his_answer(port):
    assert b"200 OK" in await answer(port, WHOLE)


async def test_half_of_a_second_request_is_no_better(port):
    came = await answer(port, WHOLE, WHOLE[:-2])
    assert came.count(b"200 OK") == 1


async def test_many_are_one_line(port):
    with written() as log:
        await asyncio.gather(*(answer(port, b"") for _ in range(20)))
        async with asyncio.timeout(5):
            while "said nothing" not in log.getvalue():
                await asyncio.sleep(0.01)
    assert "[SERVE] 20 connections said nothing" in log.getvalue()
    assert log.getvalue().count("said nothing") == 1
