import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from agent.local.process import (
    LocalServer,
    LocalServerError,
    Pace,
    Supervised,
    free_port,
)

QUICK = Pace(
    poll=0.02,
    check_every=0.05,
    answer_within=5,
    failures=2,
    first_pause=0.02,
    longest_pause=0.04,
    settled_after=60,
    stop_grace=10,
)

SERVER = """
import http.server, os, signal, sys, time

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/die":
            os._exit(3)
        if self.path == "/hang":
            time.sleep(1000)
        self.send_response(STATUS)
        self.end_headers()

    def log_message(self, *_):
        pass

STATUS = int(os.environ.get("STATUS", 200))
print("INFO: the server is up", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


def server(code: str = SERVER, *, deadline: float = 60, nice: int = 0) -> LocalServer:
    argv = (sys.executable, "-c", code, "{port}")
    return LocalServer(
        "toy", argv, free_port(), start_deadline=deadline, nice=nice, memory_mib=1
    )


@pytest.fixture
async def supervise() -> AsyncIterator[Callable[..., Supervised]]:
    everyone: list[Supervised] = []

    def make(server: LocalServer, pace: Pace = QUICK, **more) -> Supervised:
        everyone.append(Supervised(server, pace, **more))
        return everyone[-1]

    yield make
    for supervised in everyone:
        await supervised.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def poke(supervised: Supervised, path: str) -> None:
    """Asks the toy for something that it does not answer."""
    url = f"http://127.0.0.1:{supervised.server.port}{path}"
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:
        with pytest.raises(httpx.HTTPError):
            await http.get(url, timeout=0.3)


def alive(pid: int) -> bool:
    """A zombie that nobody reaps is dead too."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except FileNotFoundError:
        return False


def test_the_port_is_put_into_arguments_and_urls():
    toy = LocalServer(
        "toy", ("serve", "--port={port}", "{x}"), 81, "http://h:{port}/ok"
    )
    assert toy.command == ("serve", "--port=81", "{x}")
    assert toy.health == "http://h:81/ok"
    assert toy.url == "http://127.0.0.1:81/v1"


def test_a_free_port_can_be_bound():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))


async def test_it_is_healthy_once_started_and_gone_once_stopped(supervise):
    toy = supervise(server())
    assert not toy.healthy
    await toy.start()
    pid = toy.pid
    assert toy.healthy and alive(pid)
    await toy.stop()
    assert not toy.healthy and not alive(pid)
    assert toy.restarts == 0


async def test_it_runs_nicer_than_we_do(supervise):
    toy = supervise(server(nice=4))
    await toy.start()
    assert os.getpriority(os.PRIO_PROCESS, toy.pid) == min(os.nice(0) + 4, 19)


async def test_a_terminals_ctrl_c_does_not_reach_it(supervise):
    toy = supervise(server())
    await toy.start()
    assert os.getpgid(toy.pid) == toy.pid != os.getpgid(0)


async def test_one_that_dies_comes_back_on_the_same_port(supervise):
    toy = supervise(server())
    await toy.start()
    first = toy.pid
    await poke(toy, "/die")
    await until(lambda: toy.healthy and toy.pid != first)
    assert toy.restarts == 1
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:
        assert (await http.get(toy.server.health)).status_code == 200


async def test_one_that_hangs_is_killed_and_comes_back(supervise):
    toy = supervise(server(), replace(QUICK, answer_within=0.3))
    await toy.start()
    first = toy.pid
    await poke(toy, "/hang")
    await until(lambda: toy.restarts > 0)
    assert not alive(first)
    await until(lambda: toy.healthy)


async def test_starts_that_fail_are_tried_again(supervise, tmp_path):
    """It works, dies, then fails twice for want of a file that we put there."""
    needed = tmp_path / "needed"
    code = f"import os\nassert os.path.exists({str(needed)!r}), 'no file'\n" + SERVER
    needed.touch()
    toy = supervise(server(code))
    await toy.start()
    needed.unlink()
    await poke(toy, "/die")
    await until(lambda: toy.restarts >= 3)
    assert not toy.healthy
    needed.touch()
    await until(lambda: toy.healthy)


async def test_what_comes_after_a_start_comes_after_each(supervise):
    seen: list[int] = []

    async def after_start() -> None:
        seen.append(toy.pid)

    toy = supervise(server(), after_start=after_start)
    await toy.start()
    await poke(toy, "/die")
    await until(lambda: len(seen) == 2)
    assert seen[0] != seen[1] == toy.pid


async def test_one_that_ends_at_once_is_an_error_with_its_last_words(supervise):
    code = "import sys; print('loading', flush=True); sys.exit('no such model')"
    toy = supervise(server(code))
    with pytest.raises(LocalServerError) as failure:
        await toy.start()
    assert str(failure.value) == (
        "toy: ended before it was ready (exit status 1);"
        " its last lines:\nloading\nno such model"
    )
    assert not toy.healthy


async def test_one_that_is_never_healthy_is_an_error_and_is_ended(supervise):
    toy = supervise(server(SERVER.replace("200", "503"), deadline=2))
    with pytest.raises(
        LocalServerError, match="did not answer 200 within 2 s"
    ) as failure:
        await toy.start()
    assert str(failure.value).endswith("INFO: the server is up")
    assert not alive(toy.pid)


async def test_a_program_that_is_not_there_is_an_error(supervise):
    toy = supervise(LocalServer("toy", ("/no/such/program",), 1))
    with pytest.raises(LocalServerError, match="cannot run /no/such/program"):
        await toy.start()


async def test_a_start_that_is_given_up_leaves_no_process(supervise):
    toy = supervise(server("import time; time.sleep(1000)"))
    starting = asyncio.create_task(toy.start())
    await until(lambda: toy.pid is not None)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not alive(toy.pid)


async def test_one_that_ignores_sigterm_is_killed(supervise):
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER
    toy = supervise(server(deaf), replace(QUICK, stop_grace=0.1))
    await toy.start()
    await toy.stop()
    assert not alive(toy.pid)


PARENT = """
import asyncio, sys
from agent.local.process import LocalServer, Supervised

async def main():
    argv = (sys.executable, "-c", sys.argv[1], "{port}")
    toy = Supervised(LocalServer("toy", argv, int(sys.argv[2])))
    await toy.start()
    print(toy.pid, flush=True)
    await asyncio.sleep(1000)

if sys.argv[3] == "uvloop":
    import uvloop
    uvloop.run(main())
else:
    asyncio.run(main())
"""


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_a_parent_that_is_killed_leaves_no_orphan(loop):
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, deaf, str(free_port()), loop],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with parent:
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        assert alive(pid)
        parent.send_signal(signal.SIGKILL)
        await until(lambda: not alive(pid))
