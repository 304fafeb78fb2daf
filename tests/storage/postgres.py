"""PostgreSQL for tests: a server of this machine, and a database in it for each test.

A machine without one gets it by scripts/postgres. A folder whose tests want both
databases imports `postgres_server`, `migrated_database` and `database_url` into its
conftest.py, and its tests take the last one.
"""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from agent.storage.database import Database


def programs() -> Path | None:
    """The folder of initdb and pg_ctl: OFFHOOK_POSTGRES, or the machine's own, which
    Debian does not put on the PATH, or what scripts/postgres unpacked."""
    if given := os.environ.get("OFFHOOK_POSTGRES"):
        return Path(given)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    trees = [
        Path(os.environ.get("OFFHOOK_CACHE") or cache / "offhook"),
        Path("/var/cache/offhook"),
    ]
    for root in [Path("/"), *(tree / "trees/postgresql" for tree in trees)]:
        if found := sorted(root.glob("usr/lib/postgresql/*/bin/initdb")):
            return found[-1].parent
    return None


ONLY_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ONLY_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


class Server:
    """A cluster in a folder of its own, that listens on a socket there."""

    def __init__(self, bin: Path, folder: Path) -> None:
        self._bin = bin
        self._folder = folder
        self._cluster = folder / "data"
        self._user = _unprivileged()
        if self._user:
            shutil.chown(folder, **self._user)
        self._run(
            *("initdb", "-D", str(self._cluster), "-A", "trust", "-U", "postgres"),
            *("-E", "UTF8", "--no-locale", "-N"),
        )
        self.url = self.url_of("postgres")

    def url_of(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self._folder}"

    def start(self) -> None:
        options = f"-k {self._folder} -h '' -F -c max_connections=60 -c autovacuum=off"
        log = str(self._folder / "log")
        self._run(
            *("pg_ctl", "start", "-w", "-D", str(self._cluster)),
            *("-o", options, "-l", log),
        )

    def stop(self) -> None:
        """As a crash does."""
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(self._cluster))

    @contextmanager
    def hanging(self) -> Iterator["Hang"]:
        """It takes what is sent, and says nothing."""
        hang = Hang(self._processes)
        hang.again()
        try:
            yield hang
        finally:
            hang.release()

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement)

    @contextmanager
    def copy_of(self, template: str) -> Iterator[str]:
        name = f"test_{uuid4().hex}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        yield self.url_of(name)
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _processes(self) -> list[int]:
        """The postmaster first: stopped, it begets no more."""
        try:
            first = int((self._cluster / "postmaster.pid").read_text().split()[0])
        except FileNotFoundError:
            return []
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return [first, *map(int, children)]

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._bin / program, *arguments],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            **self._user,
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"


class Hang:
    def __init__(self, processes: Callable[[], list[int]]) -> None:
        self._processes = processes

    def again(self) -> None:
        self._signal(signal.SIGSTOP)

    def release(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, signal: int) -> None:
        for process in self._processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal)


@contextmanager
def server(bin: Path) -> Iterator[Server]:
    """It runs at first; stop and start it as you like."""
    folder = Path(tempfile.mkdtemp(prefix="pg", dir=_memory()))
    try:
        running = Server(bin, folder)
        running.start()
        try:
            yield running
        finally:
            if (folder / "data/postmaster.pid").exists():
                running.stop()
    finally:
        shutil.rmtree(folder)


def _memory() -> str | None:
    """Where files cost a tenth of the time, if there is room for a few databases."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2**30
    return str(memory) if roomy and os.access(memory, os.W_OK) else None


def _unprivileged() -> dict[str, str | int]:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": name, "group": found.pw_gid}
    raise RuntimeError("neither postgres nor nobody is a user of this machine")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    if (bin := programs()) is None:
        pytest.skip("PostgreSQL is not tested: scripts/postgres fetches it")
    with server(bin) as running:
        yield running


@pytest.fixture(scope="session")
def migrated_database(request, tmp_path_factory) -> Callable[[str], str]:
    """Returns the URL of one, of a kind, that is never used itself: copying it takes
    a tenth of the time."""
    made: dict[str, str] = {}

    def empty(kind: str) -> str:
        if kind not in made:
            if kind == "sqlite":
                folder = tmp_path_factory.mktemp("migrated")
                made[kind] = f"sqlite:///{folder}/offhook.db"
            else:
                running = request.getfixturevalue("postgres_server")
                running.execute("CREATE DATABASE migrated")
                made[kind] = running.url_of("migrated")
            asyncio.run(_migrate(made[kind]))
        return made[kind]

    return empty


async def _migrate(url: str) -> None:
    database = Database(url)
    await database.open()
    await database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path, migrated_database) -> Iterator[str]:
    """Of a database with today's tables, of one kind and then of the other."""
    migrated = migrated_database(request.param)
    if request.param == "sqlite":
        shutil.copy(migrated.removeprefix("sqlite:///"), tmp_path)
        yield f"sqlite:///{tmp_path}/offhook.db"
    else:
        running = request.getfixturevalue("postgres_server")
        with running.copy_of("migrated") as url:
            yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request, tmp_path) -> Iterator[str]:
    """The same, without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/offhook.db"
    else:
        running = request.getfixturevalue("postgres_server")
        with running.copy_of("template0") as url:
            yield url
