"""A real Asterisk, a real agent and a real phone, with a fault between them; and what
`offhook explain` and `scripts/follow-call` say of the call afterwards, who are told
nothing but its id and where the logs are."""

import argparse
import asyncio
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agent.explain import command
from agent.explain.sources import AgentConfig
from agent.phone.line import Line
from agent.phone.sip import SipConfig, SipPhone
from tests.fakes.faulty import FaultyProvider
from tests.interop.asterisk import ROOT, TRUNK, Asterisk, eventually
from tests.interop.offhook import Offhook

QUESTION = (ROOT / "tests" / "data" / "question.ulaw").read_bytes()
AIS = """
[ai.desk]
greeting = "Hello."
prompt = "You are the receptionist."
tool_names = []
filler_seconds = 0
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    status: int
    cause: str
    sentence: str
    besides: tuple[str, ...]


class Stage:
    def __init__(
        self,
        folder: Path,
        asterisk: Asterisk,
        sipp: Path,
        provider: FaultyProvider,
        url: str,
        port: int | None = None,
        ais: str = AIS,
        ears_too: bool = False,
        **settings: str,
    ) -> None:
        """`url`: the provider's. `port`: the agent's, if not where Asterisk looks for
        it. `ears_too`: the provider hears, not this machine. `settings`: above those
        that every stage has."""
        if ears_too:
            settings |= {"OFFHOOK_STT": "openai.mock"}
            settings |= {"OFFHOOK_STT_BASE_URL": f"{url}/v1"}
        (folder / "ais.toml").write_text(ais)
        self.folder, self.asterisk, self.provider = folder, asterisk, provider
        self._sipp = sipp
        self.settings = {
            "OFFHOOK_AIS": str(folder / "ais.toml"),
            "OFFHOOK_MONITOR": str(asterisk.recordings),
            "OFFHOOK_SPOOL": str(asterisk.spool),
            "OFFHOOK_STT_MODEL": "whisper-base",
            "OFFHOOK_DRAIN_SECONDS": "1",
            "OFFHOOK_TTS_BASE_URL": f"{url}/v1",
            "OPENAI_BASE_URL": f"{url}/v1",
            "OPENAI_API_KEY": "none",
            "OPENAI_MODEL": "mock",
            **settings,
        }
        self.offhook = Offhook(
            folder,
            port or asterisk.agent_port,
            asterisk.agent_password,
            **self.settings,
        )

    async def up(self) -> None:
        await asyncio.to_thread(self.offhook.up)

    async def down(self) -> None:
        await asyncio.to_thread(self.offhook.down)

    @property
    def logs(self) -> tuple[Path, Path]:
        return self.offhook.log, self.asterisk.folder / "log" / "full"

    def phone(self, **config: Any) -> SipPhone:
        return SipPhone(
            SipConfig(sipp=self._sipp, **{"local_address": TRUNK, **config})
        )

    @asynccontextmanager
    async def call(
        self, number: str = "1000", **config: Any
    ) -> AsyncIterator[tuple[Line, str]]:
        """A call that has heard the greeting to its end, and its id."""
        uri = self.asterisk.uri(number)
        async with await self.phone(**config).dial(uri) as line:
            await line.hear_sound(within=20)
            await line.hear_silence(1, within=20)
            yield line, await self.newest()

    async def newest(self) -> str:
        calls = await self.get("/calls?limit=1")
        return str(calls["calls"][0]["id"])

    async def get(self, path: str) -> Any:
        return await asyncio.to_thread(self.offhook.get, path)

    async def put(self, path: str, **body: Any) -> None:
        """By the API."""
        request = urllib.request.Request(
            self.offhook.url + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
            method="PUT",
        )
        with await asyncio.to_thread(urllib.request.urlopen, request, timeout=20):
            pass

    async def live(self) -> float:
        """Calls that the agent believes to be up."""
        return await asyncio.to_thread(self.offhook.metric, "offhook_calls_live")

    def log_of(self, call: str) -> list[str]:
        """The agent's lines that name the call."""
        lines = self.offhook.log.read_text(errors="replace").splitlines()
        return [line for line in lines if call in line]

    async def record(self, call: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.get(f"/calls/{call}")
        return found

    async def over(self, call: str) -> None:
        """Until its record has an end. It is there a moment after the call began."""
        async with asyncio.timeout(30):
            while not await self._has_end(call):
                await asyncio.sleep(0.1)

    async def _has_end(self, call: str) -> bool:
        try:
            return (await self.record(call))["end_reason"] is not None
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return False

    async def troubled(self, call: str) -> None:
        """Until its record tells of a failure."""
        async with asyncio.timeout(30):
            while not (await self.record(call))["troubles"]:
                await asyncio.sleep(0.1)

    def newest_in_asterisk(self) -> str:
        """For calls that the agent never had: the UNIQUEID of the trunk's last call."""
        begun = [each for each in self.asterisk.log.splitlines() if "Call " in each]
        return begun[-1].rpartition("Call ")[2].partition(":")[0].split()[0]

    async def logged(self, words: str, within: float = 10.0) -> None:
        """Until it stands in a log."""
        await eventually(
            lambda: any(words in log.read_text(errors="replace") for log in self.logs),
            within,
        )

    async def explain(self, call: str, *options: str, later: float = 0) -> Verdict:
        """`later`: by so many seconds it is asked than now."""
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        agent, asterisk = map(str, self.logs)
        said: list[str] = []
        status = await command.run(
            parser.parse_args(
                [call, "--json", "--log", agent, "--asterisk", asterisk, *options]
            ),
            AgentConfig(self.offhook.url),
            "",
            datetime.now(UTC) + timedelta(seconds=later),
            lambda words: said.append(str(words)),
        )
        found = json.loads(said[0])
        return Verdict(
            status,
            found["cause"],
            found["sentence"],
            tuple(each["sentence"] for each in found["besides"]),
        )

    async def followed(self, call: str) -> str:
        """What scripts/follow-call says, timeline and all."""
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, ROOT / "scripts" / "follow-call", call, *self.logs],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode in (0, 1), done.stderr
        return done.stdout


Staged = Callable[..., AbstractAsyncContextManager[Stage]]
"""conftest.py makes them."""
