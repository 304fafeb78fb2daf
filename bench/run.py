"""`make bench`: capacity and turns beside others, barge-in, waits, drift, churn;
twenty minutes.

    python -m bench.run [--undisturbed]

Each is a command of its own, too; the results are kept in bench/results.
"""

import subprocess
import sys

MEASUREMENTS = (
    ("capacity", "--seconds", "8"),
    ("barge_in", "--onsets", "40", "--noises", "4"),
    ("turns", "--every", "4"),
    ("own_share", "--seconds", "30"),
    ("voice_to_voice", "--questions", "10"),
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
