"""Where documented commands are run: a copy of the tree, a home that has nothing but
the caches, loopback ports that are free, and what a command's placeholders stand for.

Real: the shell, `make`, the agent with the models of this machine, Asterisk, the SIP
phone, PostgreSQL, git. Not real: the providers on `gpu`, the bucket on `s3`, and what
is behind Docker's own daemon (tests/documented/docker).
"""

import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import Request
from moto.server import ThreadedMotoServer

from agent.local.process import free_port
from tests.fakes.provider import FakeProvider
from tests.storage import postgres

from .reading import ROOT

READY = "The agent answers calls"
LONGEST = 300.0
"""Seconds that a command may take; on a busy machine."""


@dataclass(frozen=True, slots=True)
class Act:
    """A command of the docs, and what must come of it."""

    command: str
    says: str = ""
    """An expression that is found in what it prints."""
    exits: int | tuple[int, ...] = 0
    until: str = ""
    """It runs for ever: Ctrl-C once it has printed this."""
    swaps: Mapping[str, str] = field(default_factory=dict)
    """What is written otherwise here than in the docs, besides the stage's words."""
    as_typed: str = ""
    """What makes a command of it, where it is only a part of one."""
    where: str = ""
    learns: Mapping[str, str] = field(default_factory=dict)
    """Words that stand for something from here on: the group of an expression."""
    environment: Mapping[str, str] = field(default_factory=dict)
    documented: bool = True
    """False: not in the docs, it only makes ready for the next ones."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Acts that need one another, in this order."""

    name: str
    acts: tuple[Act, ...]
    where: str = "offhook"
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    typed: str
    exits: int
    printed: str
    says: tuple[str, ...] = ()
    """What should be found in it."""

    def fault(self, act: Act) -> str:
        """Why it is not as it must be; empty if it is."""
        allowed = (act.exits,) if isinstance(act.exits, int) else act.exits
        last = self.printed[-3000:]
        if not act.until and self.exits not in allowed:
            return f"exit status {self.exits} of: {self.typed}\n{last}"
        for words in self.says:
            if not re.search(words, self.printed, re.MULTILINE):
                return f"nothing of {words!r} from: {self.typed}\n{last}"
        return ""


class Stage:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree = folder / "offhook"
        for tree in ("offhook", "variants", "alone", "containers"):
            copy_of_the_tree(folder / tree)
        for where in ("cloned", "opt/offhook", "backup", "etc/asterisk"):
            (folder / where).mkdir(parents=True)
        for where in ("systemd/system", "sysusers.d", "tmpfiles.d", "offhook/secrets"):
            (folder / "etc" / where).mkdir(parents=True)
        self._open = ExitStack()
        self.words = self._words()
        self.environment = self._environment()

    def close(self) -> None:
        """Nothing that was begun here goes on, not even after a fault."""
        state = "home/.local/state/offhook/asterisk"
        for each in ("offhook/var/asterisk", "variants/var/asterisk", "second", state):
            subprocess.run(
                [ROOT / "scripts" / "asterisk", "down"],
                env=self.environment | {"OFFHOOK_ASTERISK": str(self.folder / each)},
                timeout=60,
            )
        self._open.close()

    def play(self, scene: Scene) -> list[tuple[Act, Done]]:
        return [(act, self._perform(act, scene)) for act in scene.acts]

    def _perform(self, act: Act, scene: Scene) -> Done:
        text = act.as_typed or act.command
        for written, meant in act.swaps.items():
            assert written in text, f"{written!r} is not in {text!r}"
            text = text.replace(written, meant)
        text = self.spoken(text)
        environment = self.environment | {
            name: self.spoken(value)
            for name, value in {**scene.environment, **act.environment}.items()
        }
        where = self.folder / (act.where or scene.where)
        if act.until:
            done = until(text, where, environment, self.spoken(act.until))
        else:
            done = at_once(text, where, environment)
        for word, expression in act.learns.items():
            if found := re.search(expression, done.printed):
                self.words[word] = found[1]
        return replace(done, says=(self.spoken(act.until), self.spoken(act.says)))

    def spoken(self, text: str) -> str:
        """With what its placeholders and ports stand for here."""
        longest = sorted(self.words, key=len, reverse=True)
        expression = "|".join(map(re.escape, longest))
        return re.sub(
            rf"(?<![\w-])(?:{expression})(?![\w-])",
            lambda found: self.words[found[0]],
            text,
        )

    @contextmanager
    def going_on(self, scene: Scene) -> Iterator[list[tuple[Act, Done]]]:
        """The only act of a scene, until the block is left."""
        (act,) = scene.acts
        text, log = self.spoken(act.command), self.folder / f"{scene.name}.out"
        with running(text, self.tree, self.environment, log) as process:
            wait_for(act.until, log, process)
            yield [(act, Done(text, 0, log.read_text(), (act.until,)))]

    def _words(self) -> dict[str, str]:
        """What the docs say, and what it is here."""
        folder, tree = self.folder, self.tree
        bucket = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        bucket.start()
        self._open.callback(bucket.stop)
        gpu = self._open.enter_context(provider())
        agent = f"127.0.0.1:{free_port()}"
        logs = f"{tree}/var/asterisk/log/full {tree}/agent.log"
        free = ["5060", "5070", "7870", "8005", "8088", "8089", "5038", "5039", "9000"]
        free += [f"FREE_{n}" for n in range(1, 15)]
        return {name: str(free_port()) for name in free} | {
            "<this repository>": str(ROOT),
            "URL": str(ROOT),
            "127.0.0.1:7860": agent,
            "agent:7860": agent,
            "127.0.0.1:7861": f"127.0.0.1:{free_port()}",
            "gpu:8000": gpu,
            "gpu:8001": gpu,
            "gpu:8081": gpu,
            "gpu:8880": gpu,
            "s3:9000": "{}:{}".format(*bucket.get_host_and_port()),
            "FILE...": logs,
            "FILE": f"{folder}/backup/offhook-of-systemd.db",
            "/tmp/second": f"{folder}/second",
            "/opt/offhook": f"{folder}/opt/offhook",
            "/srv/offhook.db": f"{tree}/var/offhook.db",
            "/backup/offhook.db": f"{folder}/backup/offhook.db",
            "/etc/asterisk": f"{folder}/etc/asterisk",
            "/etc/offhook": f"{folder}/etc/offhook",
            "/etc/systemd/system": f"{folder}/etc/systemd/system",
            "/etc/sysusers.d": f"{folder}/etc/sysusers.d",
            "/etc/tmpfiles.d": f"{folder}/etc/tmpfiles.d",
            "/var/lib/offhook": f"{tree}/var",
            "/var/log/asterisk/full": f"{tree}/var/asterisk/log/full",
            "/var/spool/asterisk/monitor": f"{folder}/away/monitor",
            "/var/spool/offhook": f"{folder}/away/spool",
            "POSTGRES": f"postgresql://offhook@/offhook?host={self._postgres()}",
            "MODELS": str(models()),
            "STAGE": str(folder),
        }

    def _postgres(self) -> str:
        """The folder of its socket."""
        server = self._open.enter_context(postgres.server(tool("postgres")))
        server.execute("CREATE ROLE offhook SUPERUSER LOGIN")
        server.execute("CREATE DATABASE offhook OWNER offhook")
        return server.url.partition("host=")[2]

    def _environment(self) -> dict[str, str]:
        home, bin = self.folder / "home", self.folder / "bin"
        (home / ".cache").mkdir(parents=True)
        bin.mkdir()
        own = Path.home() / ".cache"
        for cache in ("offhook", "uv"):
            (home / ".cache" / cache).symlink_to(own / cache)
        for name in ("offhook", "python"):
            (bin / name).symlink_to(ROOT / ".venv" / "bin" / name)
        (bin / "docker").symlink_to(Path(__file__).parent / "docker")
        (bin / "asterisk").write_text(
            f"#!/bin/sh\nexport OFFHOOK_ASTERISK={self.tree}/var/asterisk\n"
            f'exec {self.tree}/scripts/asterisk cli "$2"\n'
        )
        (bin / "asterisk").chmod(0o755)
        given = {
            name: os.environ[name]
            for name in ("OFFHOOK_CACHE", "OFFHOOK_MODELS", "XDG_CACHE_HOME")
            if name in os.environ
        }
        system = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        return given | {
            "PATH": f"{bin}:{system}:{tool('postgres')}",
            "HOME": str(home),
            "UV_OFFLINE": "1",  # what is not here cannot be fetched by a test
            "OFFHOOK_PORT": self.words["127.0.0.1:7860"].partition(":")[2],
            "OFFHOOK_WORK_PORT": self.words["127.0.0.1:7861"].partition(":")[2],
            "SIP_PORT": self.words["5060"],
            "ASTERISK_HTTP_PORT": self.words["8088"],
            "OFFHOOK_AMI_PORT": self.words["5038"],
            "PGHOST": self.words["POSTGRES"].partition("host=")[2],
            "PGUSER": "offhook",
            "STAGE_COMPOSE": str(tool("tool-compose")),
            "STAGE_TREE": str(self.tree),
        }


def copy_of_the_tree(to: Path) -> None:
    """What git has or would take, as it is now: a clone, committed or not."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    shutil.copy(to / "agent/default-ais.toml", to / "my-ais.toml")
    (to / ".venv").symlink_to(ROOT / ".venv")


def models() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    offhook = Path(os.environ.get("OFFHOOK_CACHE") or cache / "offhook")
    return Path(os.environ.get("OFFHOOK_MODELS") or offhook / "models")


def tool(script: str) -> Path:
    done = subprocess.run(
        [ROOT / "scripts" / script], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def at_once(text: str, where: Path, environment: Mapping[str, str]) -> Done:
    try:
        done = subprocess.run(
            ["sh", "-c", text],
            cwd=where,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LONGEST,
        )
    except subprocess.TimeoutExpired as late:
        return Done(text, -1, (late.stdout or b"").decode() + f"\nafter {LONGEST} s")
    return Done(text, done.returncode, done.stdout.decode(errors="replace"))


def until(text: str, where: Path, environment: Mapping[str, str], words: str) -> Done:
    log = where / f".until-{threading.get_ident()}-{time.monotonic_ns()}"
    with running(text, where, environment, log) as process:
        with suppress(AssertionError):
            wait_for(words, log, process)
    return Done(text, process.returncode, log.read_text(errors="replace"))


@contextmanager
def running(
    text: str, where: Path, environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as to:
        process = subprocess.Popen(
            ["sh", "-c", text],
            cwd=where,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=to,
            stderr=to,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        # To all of them, as Ctrl-C in a terminal does.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(words: str, log: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + LONGEST
    while not re.search(words, log.read_text(errors="replace"), re.MULTILINE):
        assert process.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.1)


@contextmanager
def provider() -> Iterator[str]:
    """A language model, a voice and embeddings, in a thread: HOST:PORT."""
    app = FakeProvider().app()

    @app.get("/v1/models")
    async def models() -> Any:
        return {"object": "list", "data": [{"id": "qwen3-14b", "object": "model"}]}

    @app.post("/v1/embeddings")
    async def embeddings(request: Request) -> Any:
        asked = (await request.json())["input"]
        many = [asked] if isinstance(asked, str) else asked
        return {
            "object": "list",
            "model": "bge-m3",
            "data": [
                {"object": "embedding", "index": n, "embedding": [1.0, float(n), 0.5]}
                for n in range(len(many))
            ],
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        }

    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield f"{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()
