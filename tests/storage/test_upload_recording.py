"""scripts/upload-recording.sh, run as MixMonitor runs it."""

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.storage.spool import Spool

SCRIPT = Path(__file__).parents[2] / "scripts" / "upload-recording.sh"


def upload(spool, *arguments, **environment):
    return subprocess.run(
        [SCRIPT, *arguments],
        env={"PATH": os.environ["PATH"], "OFFHOOK_SPOOL": str(spool), **environment},
        capture_output=True,
        text=True,
        timeout=20,
    )


def test_it_leaves_a_job_that_the_agent_can_read(tmp_path):
    spool = tmp_path / "not" / "there" / "yet"
    done = upload(spool, "site-17.5", "abc", "prod")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in spool.iterdir()] == ["site-17.5.job"]
    job = Spool(spool).read(spool / "site-17.5.job")
    assert (job.recording, job.call, job.environment) == ("site-17.5", "abc", "prod")
    assert abs(datetime.now(UTC) - job.closed_at) < timedelta(minutes=1)
    assert "recording site-17.5 of call abc" in done.stderr


def test_the_environment_may_be_left_out(tmp_path):
    assert upload(tmp_path, "17.5", "abc").returncode == 0
    assert Spool(tmp_path).read(tmp_path / "17.5.job").environment == "prod"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".hidden",
        "a..b",
        "a/b",
        "a b",
        "a\nb",
        '"',
        "$(id)",
        "ä",
        "a" * 65,
    ],
)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_it_trusts_no_argument(tmp_path, name, position):
    arguments = ["17.5", "abc", "prod"]
    arguments[position] = name
    done = upload(tmp_path, *arguments)
    assert done.returncode == 1
    assert ("UNIQUEID", "CALL_ID", "ENVIRONMENT")[position] in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["17.5"], ["17.5", "abc", "prod", "more"]])
def test_it_wants_two_or_three(tmp_path, arguments):
    done = upload(tmp_path, *arguments)
    assert done.returncode == 1
    assert f"got {len(arguments)} arguments" in done.stderr


def test_a_spool_that_is_a_file(tmp_path):
    (tmp_path / "spool").write_text("")
    done = upload(tmp_path / "spool", "17.5", "abc", "prod")
    assert done.returncode == 1
    assert "recording 17.5: cannot make the folder" in done.stderr


def test_a_disk_that_is_full(tmp_path):
    """A file of no blocks is allowed: as if there was no room for the first byte."""
    done = subprocess.run(
        ["sh", "-c", f"ulimit -f 0; trap '' XFSZ; exec '{SCRIPT}' 17.5 abc prod"],
        env={"PATH": os.environ["PATH"], "OFFHOOK_SPOOL": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 1
    assert "recording 17.5: cannot write to" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_it_tells_syslog_as_well(tmp_path):
    heard = tmp_path / "heard"
    logger = tmp_path / "bin" / "logger"
    logger.parent.mkdir()
    logger.write_text(f'#!/bin/sh\necho "$@" >>{heard}\n')
    logger.chmod(0o755)
    path = f"{logger.parent}:{os.environ['PATH']}"
    upload(tmp_path / "spool", "17.5", "abc", "prod", PATH=path)
    assert heard.read_text().startswith(
        "-t upload-recording -- recording 17.5 of call abc: left"
    )


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_any_posix_shell_runs_it(tmp_path, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    done = subprocess.run(
        [shell, SCRIPT, "17.5", "abc"], env={"OFFHOOK_SPOOL": str(tmp_path)}
    )
    assert done.returncode == 0
    assert (tmp_path / "17.5.job").exists()
