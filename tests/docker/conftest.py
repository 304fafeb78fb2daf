"""The real Docker Compose, which needs no Docker to check a file."""

import os
import subprocess
from pathlib import Path

import pytest

from .files import ROOT


@pytest.fixture(scope="session")
def docker_compose() -> Path:
    done = subprocess.run(
        [ROOT / "scripts" / "tool-compose"], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture
def config(docker_compose, tmp_path):
    """Runs `docker compose config` on a compose file with this .env and no other."""

    def run(file: Path, variables: dict[str, str], *arguments: str):
        env = tmp_path / "env"
        env.write_text(
            "".join(f"{name}={value}\n" for name, value in variables.items())
        )
        clean = {name: os.environ[name] for name in ("PATH", "HOME")}
        return subprocess.run(
            [docker_compose, "--file", file, "--project-directory", ROOT]
            + ["--env-file", env, *arguments[:-1], "config", arguments[-1]],
            capture_output=True,
            text=True,
            timeout=60,
            env=clean,
        )

    return run
