import asyncio
import os
import re
import signal
import subprocess
import sys
import textwrap
import time

from agent.observe.watchdog import EXIT_STATUS, Watchdog


def run(body: str, patience: float = 1.0) -> subprocess.Popen[str]:
    program = f"""
import asyncio, time
from agent.observe.watchdog import Watchdog
async def main():
    beating = asyncio.create_task(Watchdog({patience}).run())
    await asyncio.sleep(0.3)
    print("up", flush=True)
{textwrap.indent(textwrap.dedent(body), "    ")}
asyncio.run(main())
"""
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_stuck_loop_ends_the_process_and_says_where():
    process = run("time.sleep(30)")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == EXIT_STATUS
    assert "stuck" in errors
    assert "in main" in errors


def test_a_stopped_process_that_goes_on_is_not_stuck():
    process = run("await asyncio.sleep(1.5)")
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(2)
    os.kill(process.pid, signal.SIGCONT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    (told,) = re.findall(r"\[SERVE\] the agent stood still for (\S+) s: (.*)", errors)
    assert 1.5 < float(told[0]) and told[1].startswith("its process was stopped")


def test_a_busy_loop_is_told_of_and_not_taken_for_a_stopped_process():
    process = run("time.sleep(1.2)\nawait asyncio.sleep(0.2)", patience=20)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "s: something in it kept the event loop busy" in errors


async def test_it_knows_how_late_the_loop_was_lately():
    watchdog = Watchdog()
    beating = asyncio.create_task(watchdog.run())
    await asyncio.sleep(0.05)
    time.sleep(0.3)
    await asyncio.sleep(0.15)
    assert 0.15 < watchdog.lag < 0.5
    beating.cancel()
