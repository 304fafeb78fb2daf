import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from agent.local.process import free_port
from agent.local.warm import warm_llm


class Listener:
    """Remembers what it is asked, and answers with a status, or not at all."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict]] = []
        self.status: int | None = 200

    async def serve(self, reader, writer) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].split()[0])
        body = json.loads(await reader.readexactly(length))
        self.requests.append((head.split()[1], body))
        if self.status is not None:
            writer.write(
                f"HTTP/1.1 {self.status} x\r\nContent-Length: 2\r\n"
                "Connection: close\r\n\r\n{}".encode()
            )
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        else:
            await reader.read()  # until the other side gives up
            writer.close()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    listener = Listener()
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0)
    listener.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield listener


TOOL = {"type": "function", "function": {"name": "end_call"}}


async def test_the_model_reads_instructions_and_tools_and_says_next_to_nothing(
    listener,
):
    assert await warm_llm(listener.url, "qwen", "You are Ann.", [TOOL])
    [(path, body)] = listener.requests
    assert path == "/v1/chat/completions"
    assert body["model"] == "qwen"
    assert body["max_tokens"] == 1
    assert body["messages"][0] == {"role": "system", "content": "You are Ann."}
    assert body["tools"] == [TOOL]


async def test_without_tools_none_are_mentioned(listener):
    assert await warm_llm(listener.url, "qwen", "You are Ann.")
    assert "tools" not in listener.requests[0][1]


async def test_each_of_those_who_may_call_at_once_finds_it_warm(listener):
    assert await warm_llm(listener.url, "qwen", "You are Ann.", at_once=3)
    assert len(listener.requests) == 3


async def test_a_refusal_is_no_disaster(listener):
    listener.status = 400
    assert not await warm_llm(listener.url, "qwen", "You are Ann.")


async def test_a_server_that_is_not_there_is_no_disaster():
    assert not await warm_llm(f"http://127.0.0.1:{free_port()}/v1", "qwen", "Hi.")


async def test_nobody_waits_longer_than_the_deadline(listener):
    listener.status = None
    async with asyncio.timeout(60):
        assert not await warm_llm(listener.url, "qwen", "Hi.", deadline=0.05)
