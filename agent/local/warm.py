"""Lets the local language model read an AI's instructions before anybody calls.

A prompt of 300 tokens with tools takes 2 s on two cores; llama.cpp keeps what it has
read, so the first caller waits as little as the second.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from loguru import logger


async def warm_llm(
    base_url: str,
    model: str,
    system: str,
    tools: Sequence[Mapping[str, Any]] = (),
    *,
    at_once: int = 1,
    deadline: float = 60.0,
) -> bool:
    """`tools` as OpenAI's API has them and as the calls will send them: they are read
    with the instructions. `at_once`: so many calls side by side shall find it warm.
    A failure is logged: the first caller waits longer, and that is all.
    """
    request: dict[str, Any] = {
        "model": model,
        "max_tokens": 1,
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": "Hello"},
        ],
    }
    if tools:
        request["tools"] = list(tools)
    began = time.monotonic()
    try:
        async with (
            asyncio.timeout(deadline),
            httpx.AsyncClient(trust_env=False, verify=False, timeout=deadline) as http,
        ):
            answers = await asyncio.gather(
                *(
                    http.post(f"{base_url}/chat/completions", json=request)
                    for _ in range(at_once)
                )
            )
            for answer in answers:
                answer.raise_for_status()
    except (httpx.HTTPError, TimeoutError) as error:
        logger.warning("[LLM] not warmed: {!r}", error)
        return False
    logger.info("[LLM] warmed in {:.1f} s", time.monotonic() - began)
    return True
