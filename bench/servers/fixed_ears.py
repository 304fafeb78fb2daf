"""`offhook serve` with ears that always need 100 ms; all else is the real thing.

    python -m bench.servers.fixed_ears LOG

Each time they are asked a line joins LOG: the fingerprint of what they were given, and
when they were asked and answered, on the machine's monotonic clock.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from agent.conversation import whisper
from agent.conversation.seams import Transcript
from bench.speech_corpus import fingerprint

SECONDS = 0.1
TEXT = "I would like to book a table for tomorrow evening."


class FixedEars:
    """In Whisper's place, before anybody has imported it by name."""

    name = "local.fixed"
    waiting = 0
    log: TextIO

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def decode(self, pcm: bytes, rate: int, language: str) -> Transcript:
        return Transcript(TEXT, "en", SECONDS)

    async def transcribe(
        self, pcm: bytes, rate: int, language: str, *_: Any, **__: Any
    ) -> Transcript:
        asked = time.monotonic()
        of = fingerprint(pcm)
        await asyncio.sleep(asked + SECONDS - time.monotonic())
        line = {"of": of, "asked": asked, "began": time.monotonic()}
        self.log.write(json.dumps(line) + "\n")
        return Transcript(TEXT, "en", SECONDS)

    def close(self) -> None: ...


if __name__ == "__main__":
    FixedEars.log = Path(sys.argv[1]).open("w", buffering=1)
    whisper.Whisper = FixedEars  # type: ignore[misc,assignment]
    from agent.__main__ import main

    sys.argv = ["offhook", "serve"]
    main()
