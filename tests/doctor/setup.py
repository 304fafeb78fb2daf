"""A sound set-up in a folder, for tests to break: Asterisk's files as rendered, an
environment, and what runs beside them, on loopback and faked."""

import asyncio
import json
import secrets
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from agent.doctor.checks import findings
from agent.doctor.finding import Finding, Severity
from agent.doctor.site import Machine, look
from tests.fakes.provider import FakeProvider, Running

ROOT = Path(__file__).parent.parent.parent
MEDIA_PASSWORD = "a password of the media"
AMI_PASSWORD = "a password of the AMI"
VERSION = "22.10.1~dfsg+~cs6.17-1"


@dataclass
class Beside:
    """What runs beside the files; a test changes how it answers."""

    ready: int = 200
    behind: int = 0
    working: str = "working"
    models: list[str] | None = field(default_factory=lambda: ["fake", "ears", "tts-1"])
    """None: the server does not say what it has."""
    chat_status: int = 0
    """0: it answers."""
    speech_status: int = 200
    hearing_status: int = 200
    version: str = VERSION
    ami_secret: str = AMI_PASSWORD
    ami_may: bool = True


@dataclass
class SetUp:
    folder: Path
    environment: dict[str, str]
    site: dict[str, str]
    """Values of the site file."""
    beside: Beside
    provider: str
    open_files: int = 65536
    free_bytes: int = 2**40
    spool_of_asterisk: str | None = None
    """Its OFFHOOK_SPOOL; None: nobody may look into its environment."""
    before_start: bool = False
    also: list[tuple[str, str, str]] = field(default_factory=list)
    """Replacements in rendered files."""
    gone: list[str] = field(default_factory=list)
    """Rendered files that are deleted."""

    @property
    def conf(self) -> Path:
        return self.folder / "etc"

    def edit(self, file: str, old: str, new: str) -> None:
        self.also.append((file, old, new))

    def render(self) -> None:
        done = subprocess.run(
            [
                ROOT / "scripts" / "render-asterisk-conf",
                self.conf,
                *(f"{name}={value}" for name, value in self.site.items()),
            ],
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
        for name, old, new in self.also:
            path = self.conf / name
            text = path.read_text()
            assert old in text, f"{name} has no {old!r}"
            path.write_text(text.replace(old, new))
        for name in self.gone:
            (self.conf / name).unlink()

    async def examined(self) -> list[Finding]:
        site = await asyncio.to_thread(
            look,
            self.environment,
            self.conf,
            before_start=self.before_start,
            machine=Machine(
                lambda: self.open_files,
                lambda _: self.free_bytes,
                lambda: self.spool_of_asterisk,
            ),
        )
        return await findings(site)

    async def wrong(self) -> list[Finding]:
        found = await self.examined()
        return [each for each in found if each.severity is not Severity.OK]


@asynccontextmanager
async def sound(folder: Path, models: Path, sip_port: int) -> AsyncIterator[SetUp]:
    beside = Beside()
    async with AsyncExitStack() as house:
        agent = await house.enter_async_context(Running(_agent(beside)))
        worker = await house.enter_async_context(Running(_worker(beside)))
        provider = await house.enter_async_context(Running(_provider(beside)))
        ami = await house.enter_async_context(_ami(beside))
        data, monitor = folder / "data", folder / "monitor"
        data.mkdir()
        monitor.mkdir()
        environment = {
            "HOME": str(folder),
            "OFFHOOK_DATA": str(data),
            "OFFHOOK_MODELS": str(models),
            "OFFHOOK_MONITOR": str(monitor),
            "OFFHOOK_PORT": agent.rpartition(":")[2],
            "OFFHOOK_WORK_PORT": worker.rpartition(":")[2],
            "OFFHOOK_MEDIA_PASSWORD": MEDIA_PASSWORD,
            "OFFHOOK_AMI_PASSWORD": AMI_PASSWORD,
            "OFFHOOK_AMI_PORT": str(ami),
            "OPENAI_BASE_URL": f"{provider}/v1",
            "OPENAI_MODEL": "fake",
            "OFFHOOK_STT": "openai.ears",
            "OFFHOOK_STT_BASE_URL": f"{provider}/v1",
            "OFFHOOK_TTS_BASE_URL": f"{provider}/v1",
        }
        site = {
            "ASTERISK_ETC": str(folder / "etc"),
            "SIP_ADDRESS": "127.0.0.1",
            "SIP_PORT": str(sip_port),
            "AGENT_URL": f"{agent.replace('http', 'ws')}/telephony/ws",
            "AGENT_PASSWORD": MEDIA_PASSWORD,
            "AMI_PORT": str(ami),
            "AMI_PASSWORD": AMI_PASSWORD,
            "ARI_PASSWORD": secrets.token_hex(8),
            "EXTENSION_100_PASSWORD": secrets.token_hex(8),
            "EXTENSION_101_PASSWORD": secrets.token_hex(8),
            "RECORDINGS": str(monitor),
            "UPLOAD_HOOK": str(ROOT / "scripts" / "upload-recording.sh"),
        }
        yield SetUp(folder, environment, site, beside, provider)


@contextmanager
def named_asterisk() -> Iterator[int]:
    """A program of that name, and the port that it has of UDP and of TCP."""
    code = (
        "import socket,sys; s=socket.socket(type=socket.SOCK_DGRAM);"
        "s.bind(('127.0.0.1',0)); port=s.getsockname()[1];"
        "t=socket.create_server(('127.0.0.1',port)); print(port, flush=True);"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        ["asterisk", "-c", code],
        executable=sys.executable,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        yield int(program.stdout.readline())
        program.communicate()


@contextmanager
def somebody(kind: socket.SocketKind) -> Iterator[int]:
    """Has a port that we want."""
    with socket.socket(type=kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        yield taken.getsockname()[1]


def _agent(beside: Beside) -> FastAPI:
    app = FastAPI()

    @app.get("/readyz")
    async def readyz() -> Response:
        if beside.ready == 200:
            return JSONResponse({"status": "ready"})
        problem = {"detail": "speech: no answer", "not_ready": {"speech": "no answer"}}
        return JSONResponse(problem, beside.ready)

    @app.get("/metrics")
    async def metrics() -> Response:
        return PlainTextResponse(f"offhook_facts_behind {beside.behind}.0\n")

    return app


def _worker(beside: Beside) -> FastAPI:
    app = FastAPI()

    @app.get("/healthz")
    async def healthz() -> Response:
        return PlainTextResponse(beside.working)

    return app


def _provider(beside: Beside) -> FastAPI:
    fake = FakeProvider(reply=lambda _: beside.chat_status or "Yes.")
    app = fake.app()

    @app.middleware("http")
    async def status(request: Request, further: Any) -> Any:
        fake.speech_status = beside.speech_status
        return await further(request)

    @app.get("/v1/models")
    async def models() -> Response:
        if beside.models is None:
            return JSONResponse({"detail": "Not Found"}, 404)
        return JSONResponse({"data": [{"id": name} for name in beside.models]})

    @app.post("/v1/audio/transcriptions")
    async def transcribe() -> Response:
        return JSONResponse({"text": "", "language": "en"}, beside.hearing_status)

    return app


@asynccontextmanager
async def _ami(beside: Beside) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        try:
            while message := await _message(reader):
                writer.write(_answer(beside, message))
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def _message(reader: asyncio.StreamReader) -> dict[str, str]:
    message = {}
    while line := (await reader.readline()).decode().strip():
        name, _, value = line.partition(": ")
        message[name] = value
    return message


def _answer(beside: Beside, message: dict[str, str]) -> bytes:
    if message["Action"] == "Login" and message["Secret"] != beside.ami_secret:
        return b"Response: Error\r\nMessage: Authentication failed\r\n\r\n"
    if message["Action"] != "Login" and not beside.ami_may:
        return b"Response: Error\r\nMessage: Permission denied\r\n\r\n"
    return f"Response: Success\r\nAsteriskVersion: {beside.version}\r\n\r\n".encode()


def as_text(found: list[Finding]) -> str:
    return json.dumps([f"{e.severity} {e.where}: {e.what}" for e in found], indent=1)
