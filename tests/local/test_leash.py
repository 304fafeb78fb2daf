import os
import subprocess
import sys
from pathlib import Path

import agent.local.leash

LEASH = Path(agent.local.leash.__file__)


def leashed(
    parent: int, nice: int, *program: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(LEASH), str(parent), str(nice), *program],
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_the_program_runs_in_its_place_with_its_niceness():
    code = "import os; print(os.nice(0), open('/proc/self/oom_score_adj').read())"
    done = leashed(os.getpid(), 3, sys.executable, "-c", code)
    assert done.stdout.split() == [str(min(os.nice(0) + 3, 19)), "500"]
    assert done.returncode == 0


def test_a_parent_that_is_already_dead_leaves_no_program():
    done = leashed(os.getpid() + 1, 0, sys.executable, "-c", "print('runs')")
    assert done.stdout == ""
    assert f"process {os.getpid() + 1} died before" in done.stderr
    assert done.returncode == 1


def test_a_program_that_is_not_there_is_named():
    done = leashed(os.getpid(), 0, "/no/such/program")
    assert "ERROR: cannot run /no/such/program" in done.stderr
    assert done.returncode == 1
