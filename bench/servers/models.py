"""A language model and a voice that take exactly as long as they are told to.

    python -m bench.servers.models PORT FIRST_TOKEN_MS FIRST_BYTE_MS

OpenAI's HTTP, without a framework between. The voice is a tone of half a second for
each word. The words of ALPHABET have pitches of their own, so a listener can tell which
word he hears; all others share one. An AI whose prompt says `You are called "bravo
kilo".` answers with its name and the number of its turn, in words, so every answer is
one that nobody has in a cache. GET /log tells when each was asked and when it began to
answer, on the machine's monotonic clock.
"""

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import uvicorn

from bench.servers.telling import Receive, Scope, Send

ALPHABET = (
    "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike"
    " november oscar papa quebec romeo sierra tango uniform victor whiskey yankee zulu"
).split()
LOWEST, STEP, OTHER = 400, 50, 2200
"""Hertz: of the first word, between two, of all words that are not in the alphabet."""
WORD_SECONDS = 0.5
DEFAULT_RATE = 24000
ANSWER = "All right then."
_NAME = re.compile(r'You are called "([^"]+)"')


def pitch(word: str) -> int:
    word = word.strip(".,;:!?").lower()
    return LOWEST + STEP * ALPHABET.index(word) if word in ALPHABET else OTHER


@cache
def tone(hertz: int, rate: int) -> bytes:
    at = np.arange(int(WORD_SECONDS * rate)) / rate
    return bytes((9000 * np.sin(2 * np.pi * hertz * at)).astype("<i2").tobytes())


def answer_to(messages: list[dict[str, Any]]) -> str:
    texts = [json.dumps(message.get("content")) for message in messages]
    name = _NAME.search(" ".join(texts).replace('\\"', '"'))
    if name is None:
        return ANSWER
    turns = sum(message.get("role") == "user" for message in messages)
    return f"{name[1]} {ALPHABET[turns % len(ALPHABET)]} is ready."


@dataclass
class Models:
    first_token: float
    """Seconds."""
    first_byte: float
    log: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        asked = time.monotonic()
        body = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if scope["path"].endswith("/chat/completions"):
            await self._chat(json.loads(body), asked, send)
        elif scope["path"].endswith("/audio/speech"):
            await self._speech(json.loads(body), asked, send)
        elif scope["path"] == "/log":
            log, self.log = self.log, []
            await _whole(send, json.dumps(log).encode())
        else:
            await _whole(send, b'{"object": "list", "data": []}')

    async def _chat(self, request: dict[str, Any], asked: float, send: Send) -> None:
        text = answer_to(request["messages"])
        await _until(asked + self.first_token)
        if not request.get("stream"):
            said = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": said, "finish_reason": "stop"}
            await _whole(send, json.dumps(_named(choices=[choice])).encode())
            return
        await _begin(send, "text/event-stream")
        began = time.monotonic()
        words = [_event({"content": word + " "}) for word in text.split(" ")]
        await _more(send, words[0])
        self._note("mind", text, asked, began)
        rest = b"".join(words[1:]) + _event({}, "stop") + b"data: [DONE]\n\n"
        await _more(send, rest)
        await _more(send, b"", last=True)

    async def _speech(self, request: dict[str, Any], asked: float, send: Send) -> None:
        rate = request.get("sample_rate", DEFAULT_RATE)
        tones = [tone(pitch(word), rate) for word in request["input"].split()]
        await _until(asked + self.first_byte)
        await _begin(send, "audio/pcm")
        began = time.monotonic()
        await _more(send, tones[0])
        self._note("voice", request["input"], asked, began)
        for more in tones[1:]:
            await _more(send, more)
        await _more(send, b"", last=True)

    def _note(self, what: str, text: str, asked: float, began: float) -> None:
        self.log.append({"what": what, "text": text, "asked": asked, "began": began})


async def _until(when: float) -> None:
    await asyncio.sleep(max(0.0, when - time.monotonic()))


async def _whole(send: Send, body: bytes) -> None:
    await _begin(send, "application/json")
    await _more(send, body, last=True)


async def _begin(send: Send, kind: str) -> None:
    headers = [(b"content-type", kind.encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _more(send: Send, body: bytes, *, last: bool = False) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": not last})


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return f"data: {json.dumps(_named(choices=[choice]))}\n\n".encode()


def _named(**more: Any) -> dict[str, Any]:
    chunk = "chat.completion.chunk"
    return {"id": "c", "object": chunk, "created": 0, "model": "mock"} | more


if __name__ == "__main__":
    port, first_token, first_byte = map(int, sys.argv[1:4])
    uvicorn.run(
        Models(first_token / 1000, first_byte / 1000),
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        log_level="error",
        access_log=False,
    )
