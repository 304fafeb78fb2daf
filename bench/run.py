"""`make bench`: capacity beside others, barge-in, drift, churn; ten minutes.

    python -m bench.run [--undisturbed]

Each is a command of its own, too; the results are kept in bench/results.
"""

import subprocess
import sys

MEASUREMENTS = (
    ("capacity", "--seconds", "8"),
    ("barge_in", "--onsets", "40", "--noises", "4"),
    ("stalls", "--stalls", "150"),
    ("churn", "--calls", "2000"),
)


def main() -> int:
    failed = 0
    for name, *options in MEASUREMENTS:
        print(f"== {name} {' '.join(options)}", flush=True)
        if name == "capacity":
            options += sys.argv[1:]
        command = [sys.executable, "-m", f"bench.{name}", *options]
        failed |= subprocess.run(command).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main())
