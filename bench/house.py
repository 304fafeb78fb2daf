"""The agent on models of fixed slowness, as processes."""

import json
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from agent.local.process import free_port
from bench.capacity import LOAD_CORE, SERVER_CORE
from bench.process import running
from bench.server import PASSWORD

FIRST_TOKEN_MS, FIRST_BYTE_MS = 150, 80


class House:
    """Ears that need 100 ms (servers/fixed_ears.py, in the agent's process), a language
    model and a voice (servers/models.py)."""

    def __init__(
        self,
        held: ExitStack,
        folder: Path,
        calls: int,
        ais: str,
        *,
        pinned: bool = False,
        **settings: str,
    ) -> None:
        """`pinned`: the agent has a core to itself. `settings`: of the agent, too."""
        self._held, self._folder, self._pinned = held, folder, pinned
        self._port, self._models = free_port(), free_port()
        (folder / "ais.toml").write_text(ais)
        held.enter_context(
            running(
                "bench.servers.models",
                *map(str, (self._models, FIRST_TOKEN_MS, FIRST_BYTE_MS)),
                ready=f"http://127.0.0.1:{self._models}/health",
                log=folder / "models.log",
                core=LOAD_CORE if pinned else None,
            )
        )
        models = f"http://127.0.0.1:{self._models}/v1"
        self._settings = {
            "OFFHOOK_PORT": str(self._port),
            "OFFHOOK_WORK_PORT": str(free_port()),
            "OFFHOOK_DATA": str(folder),
            "OFFHOOK_MEDIA_PASSWORD": PASSWORD,
            "OFFHOOK_AIS": str(folder / "ais.toml"),
            "OFFHOOK_MAX_CALLS": str(calls),
            "OFFHOOK_MAX_LAG_SECONDS": "10",
            "OFFHOOK_TTS_BASE_URL": models,
            "OPENAI_BASE_URL": models,
            "OPENAI_API_KEY": "none",
            "OPENAI_MODEL": "mock",
            **settings,
        }
        self._started = 0

    @property
    def sockets(self) -> str:
        return f"ws://127.0.0.1:{self._port}/telephony/ws"

    def start(self) -> int:
        """The agent's process id, once it is ready."""
        self._started += 1
        return self._held.enter_context(
            running(
                *("bench.servers.fixed_ears", str(self._ears)),
                ready=f"http://127.0.0.1:{self._port}/readyz",
                log=self._folder / f"agent-{self._started}.log",
                core=SERVER_CORE if self._pinned else None,
                **self._settings,
            )
        )

    def get(self, path: str) -> Any:
        return _get(self._port, path)

    def asked(self) -> Any:
        """What the model and the voice were asked, and when."""
        return _get(self._models, "/log")

    def heard(self) -> list[Any]:
        """What the ears were given, and when."""
        return [json.loads(line) for line in self._ears.read_text().splitlines()]

    @property
    def _ears(self) -> Path:
        return self._folder / "ears.jsonl"


def _get(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return json.load(answer)
