"""What a local server says, line by line, into the agent's log; the last lines kept."""

import asyncio
import re
import sys
from collections import deque

from loguru import logger

KEPT_LINES = 20

# llama.cpp: "0.15.135.857 W slot ...". Its I lines are five a request, and its warnings
# are about itself ("need to evaluate at least 1 token"): nothing to wake anybody for.
_LLAMA = re.compile(r"[\d.]+ ([DIWE]) ")
_LLAMA_LEVELS = {"D": "DEBUG", "I": "DEBUG", "W": "DEBUG", "E": "ERROR"}
# As observe/logs.py writes them: our own worker.
_OURS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 [A-Z]+ |\{\"time\": ")
_NAMED = re.compile(r"\W*(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")


def level_of(line: str, previous: str) -> str:
    """The level that a line names; that of the line before it if it names none."""
    if match := _LLAMA.match(line):
        return _LLAMA_LEVELS[match[1]]
    if match := _NAMED.match(line):
        return match[1]
    if line.startswith("Traceback (most recent call last)"):
        return "ERROR"
    return previous


class Output:
    def __init__(self, name: str) -> None:
        self._name = name
        self._last: deque[str] = deque(maxlen=KEPT_LINES)

    @property
    def last_lines(self) -> str:
        return "\n".join(self._last) or "(it said nothing)"

    async def forward(self, stream: asyncio.StreamReader) -> None:
        """Until the stream ends."""
        level = "INFO"
        while True:
            try:
                raw = await stream.readline()
            except ValueError:
                continue  # longer than the reader's limit, which has dropped it
            if not raw:
                return
            line = raw.decode(errors="replace").rstrip()
            if not line:
                continue
            self._last.append(line)
            if _OURS.match(line):
                # As it is: scripts that follow a call read it.
                sys.stderr.write(f"{line}\n")
                sys.stderr.flush()
                continue
            level = level_of(line, level)
            logger.log(level, "[{}] {}", self._name, line)
