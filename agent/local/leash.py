"""Ties a program to the process that starts it: `leash.py PARENT NICE PROGRAM ARG...`

The kernel kills the program when its parent dies, be it by kill -9: a model server
left behind would keep its memory and its port. What prctl sets survives exec, so this
runs first and becomes the program; a preexec_fn can deadlock where there are threads.
"""

import contextlib
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
OOM_SCORE = "500"
"""Out of memory, the kernel shall take this, which is restarted, and not the agent."""


def main() -> None:
    parent, nice, *program = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != int(parent):
        sys.exit(f"ERROR: process {parent} died before {program[0]} could start")
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write(OOM_SCORE)
    os.nice(int(nice))
    try:
        os.execvp(program[0], program)
    except OSError as error:
        sys.exit(f"ERROR: cannot run {program[0]}: {error}")


if __name__ == "__main__":
    main()
