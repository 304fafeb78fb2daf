"""The recording of a call does not come to its bucket, or not as it should."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop.asterisk import ROOT, eventually

from .bucket import (
    LIFE,
    TOO_SKEWED,
    Damages,
    Door,
    Fault,
    Holds,
    Refuses,
    Resets,
    door,
)
from .machine import disk, needs_mount, worker
from .stage import Stage, Staged

pytestmark = [
    pytest.mark.asterisk,
    pytest.mark.models,
    pytest.mark.asyncio(loop_scope="module"),
]
LATER = 120.0
"""Seconds after the call, by which a recording should have come."""


@pytest.fixture(scope="module")
def bucket() -> Iterator[Door]:
    with door() as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(staged: Staged, bucket: Door) -> AsyncIterator[Stage]:
    s3 = {**LIFE, "S3_ENDPOINT_URL": bucket.url, "S3_CREATE_BUCKET": "no"}
    async with staged(**s3) as stage:
        yield stage


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def well_again(stage: Stage, bucket: Door) -> AsyncIterator[None]:
    hook = stage.asterisk.folder / "hook.sh"
    kept = hook.read_text()
    yield
    hook.write_text(kept)
    hook.chmod(0o755)
    bucket.fault = None
    bucket.open_again()


@dataclass(frozen=True, slots=True)
class Told:
    explained: str
    """All sentences of explain: the caller felt nothing of these."""
    missing: str
    """What scripts/missing-recording says."""


async def told(stage: Stage, call: str, *logs: Path) -> Told:
    """By those who know nothing but the call's id and the logs."""
    more = [word for log in logs for word in ("--log", str(log))]
    explained = await stage.explain(call, *more, later=LATER)
    script = ROOT / "scripts" / "missing-recording"
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, script, call, *stage.logs, *logs],
        capture_output=True,
        text=True,
        timeout=60,
    )
    sentences = "\n".join((explained.sentence, *explained.besides))
    return Told(sentences, done.stdout.splitlines()[0])


async def has(stage: Stage, call: str, state: str) -> None:
    """Until the record says so of a track."""
    async with asyncio.timeout(40):
        while True:
            tracks = (await stage.record(call))["recordings"]
            if any(each["state"] == state for each in tracks):
                return
            await asyncio.sleep(0.2)


async def all_stored(stage: Stage, call: str) -> None:
    async with asyncio.timeout(60):
        while True:
            tracks = (await stage.record(call))["recordings"]
            if [each["state"] for each in tracks] == ["stored"] * 3:
                return
            await asyncio.sleep(0.2)


async def a_call(stage: Stage) -> str:
    async with stage.call() as (_, call):
        pass
    await stage.over(call)
    return call


async def closed(stage: Stage, call: str) -> None:
    """Until the hook has run."""
    ran = re.compile(rf"Executing \[\S+ {re.escape(call)} .*[\s\S]*End MixMonitor")
    await eventually(lambda: ran.search(stage.asterisk.log))


def fault(number: str, words: str, *more: object) -> object:
    return pytest.param(*more, marks=pytest.mark.fault(number, words), id=words)


SLOW_DOWN = Refuses(503, "SlowDown", "Please reduce your request rate.")
NO_BUCKET = Refuses(404, "NoSuchBucket", "The specified bucket does not exist")
DENIED = Refuses(403, "AccessDenied", "Access Denied")
BAD_KEY = Refuses(403, "SignatureDoesNotMatch", "Check your key and signing method.")
FULL = Refuses(507, "EntityTooLarge", "Insufficient storage")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        fault("20", "the bucket's server is down", None, "the store is not reachable"),
        fault("20", "the bucket asks to slow down", SLOW_DOWN, "asks us to slow down"),
        fault("20", "the upload breaks at its half", Resets(), "broke in the middle"),
        fault("20", "the bucket keeps other bytes", Damages(), "kept something else"),
        fault("20", "the bucket is full", FULL, "the store is full"),
        fault("21", "there is no bucket", NO_BUCKET, "the bucket does not exist"),
        fault("21", "the key has no rights", DENIED, "has no right to do that"),
        fault("21", "the key is wrong", BAD_KEY, "does not know the key"),
        fault("21", "the clock is an hour behind", TOO_SKEWED, "set this machine's"),
    ],
)
async def test_the_bucket(stage: Stage, bucket: Door, fault: Fault | None, said: str):
    if fault is None:
        bucket.shut()
    bucket.fault = fault
    call = await a_call(stage)
    await has(stage, call, "failing")
    verdict = await told(stage, call)
    assert said in verdict.explained
    assert said in verdict.missing
    bucket.fault = None
    bucket.open_again()
    await all_stored(stage, call)
    assert "recording" not in (await told(stage, call)).explained


# The disks.


@needs_mount
@pytest.mark.fault("22", "the disk is full during the recording")
async def test_the_disk_is_full(stage: Stage):
    with disk(stage.asterisk.recordings, "size=128k"):
        async with stage.call() as (line, call):
            await line.hear_silence(2, within=20)
        await stage.over(call)
        await all_stored(stage, call)
        verdict = await told(stage, call)
    assert "Asterisk's disk was full" in verdict.explained
    assert "may lack its end: the disk of" in verdict.explained


@needs_mount
@pytest.mark.fault("22", "the recordings' folder is read-only")
async def test_the_disk_is_read_only(stage: Stage):
    with disk(stage.asterisk.recordings, "ro"):
        call = await a_call(stage)
        await has(stage, call, "waiting")
        verdict = await told(stage, call)
    assert "MixMonitor could not record" in verdict.explained
    assert "Read-only file system" in verdict.explained


@pytest.mark.fault("22", "Asterisk records into another folder")
async def test_another_folder(stage: Stage, tmp_path: Path):
    stage.asterisk.cli(f"dialplan set global RECORDINGS {tmp_path}")
    try:
        call = await a_call(stage)
        await has(stage, call, "waiting")
    finally:
        folder = stage.asterisk.recordings
        stage.asterisk.cli(f"dialplan set global RECORDINGS {folder}")
    verdict = await told(stage, call)
    assert (
        f"Asterisk writes to {tmp_path} and the agent looks into" in verdict.explained
    )


@needs_mount
@pytest.mark.fault("22", "the spool is read-only")
async def test_the_spool_is_read_only(stage: Stage):
    console = stage.asterisk.folder / "log" / "console"
    with disk(stage.asterisk.spool, "ro"):
        call = await a_call(stage)
        await eventually(lambda: f"{call}: cannot write" in console.read_text())
        verdict = await told(stage, call, console)
    assert "the upload hook failed" in verdict.explained
    assert f"cannot write to {stage.asterisk.spool}" in verdict.explained


# The files, and the hook.


def hooked(stage: Stage, *lines: str, then: str = "") -> None:
    """The hook does this before it does what it should; `then`: instead."""
    real = f'exec {ROOT}/scripts/upload-recording.sh "$@"'
    told = ["#!/bin/sh", f"cd {stage.asterisk.recordings}", *lines, then or real]
    (stage.asterisk.folder / "hook.sh").write_text("\n".join(told) + "\n")


PUT = 'printf "\\\\{0}\\\\0\\\\0\\\\0" | dd of=$1.wav bs=1 seek={1} conv=notrunc; '
HEADER = f"truncate -s 44 $1.wav; {PUT.format('044', 4)}{PUT.format('000', 40)}"
GROWS = "(sleep 20) >>$1.wav 2>&1 &"


@pytest.mark.parametrize(
    ("line", "state", "said"),
    [
        fault("23", "the file is empty", ": >$1.wav", "waiting", "0 bytes"),
        fault("23", "the file is a header", HEADER, "rejected", "no sound"),
        fault("23", "the file still grows", GROWS, "waiting", "still writes to it"),
        fault("23", "the file is a link", "ln -sf x $1.wav", "rejected", "symbolic"),
        fault("23", "the file is no WAV", "date >$1.wav", "waiting", "never finished"),
        fault("23", "the file was deleted", "rm $1.wav", "waiting", "deleted it"),
    ],
)
async def test_the_file(stage: Stage, line: str, state: str, said: str):
    hooked(stage, line)
    call = await a_call(stage)
    await has(stage, call, state)
    async with asyncio.timeout(20):  # the other tracks' lines come a moment later
        while said not in (verdict := await told(stage, call)).explained:
            print(verdict.explained)
            await asyncio.sleep(0.5)


@pytest.mark.fault("23", "the job leads elsewhere")
async def test_the_job_leads_elsewhere(stage: Stage):
    job = '{"recording": "../../x", "call": "$1", "closed_at": "2026-11-21T10:00:00Z"}'
    hooked(stage, then=f"cat >{stage.asterisk.spool}/$1.job <<E\n{job}\nE")
    call = await a_call(stage)
    await stage.logged(f"{call}.job is moved to rejected")
    assert "'../../x' is not fit to name a file" in (await told(stage, call)).explained


@pytest.mark.fault("23", "the hook may not be executed")
async def test_the_hook_may_not_be_executed(stage: Stage):
    hook = stage.asterisk.folder / "hook.sh"
    hook.chmod(0o644)
    call = await a_call(stage)
    await closed(stage, call)
    verdict = await told(stage, call)
    assert f"{hook} is not executable" in verdict.explained
    assert f"{hook} is not executable" in verdict.missing


@pytest.mark.fault("23", "the hook leaves its jobs elsewhere")
async def test_the_hook_leaves_its_jobs_elsewhere(stage: Stage, tmp_path: Path):
    console = stage.asterisk.folder / "log" / "console"
    hooked(stage, f"export OFFHOOK_SPOOL={tmp_path}")
    call = await a_call(stage)
    await eventually(lambda: (tmp_path / f"{call}.job").exists())
    verdict = await told(stage, call, console)
    assert "its OFFHOOK_SPOOL is another folder" in verdict.explained
    assert "its OFFHOOK_SPOOL is another folder" in verdict.missing


@pytest.mark.fault("23", "the dialplan runs no hook")
async def test_the_dialplan_runs_no_hook(stage: Stage):
    conf = stage.asterisk.folder / "etc" / "extensions.conf"
    kept, hook = conf.read_text(), stage.asterisk.folder / "hook.sh"
    conf.write_text(re.sub(rf",{hook} [^)]*\)", ")", kept))
    stage.asterisk.cli("dialplan reload")
    try:
        call = await a_call(stage)
    finally:
        conf.write_text(kept)
        stage.asterisk.cli("dialplan reload")
    verdict = await told(stage, call)
    assert "its third argument is missing in the dialplan" in verdict.explained


# The worker, and whoever erases.


@pytest.mark.fault("24", "the worker is killed between upload and mark")
async def test_killed_between_upload_and_mark(stage: Stage, bucket: Door):
    bucket.fault = holds = Holds(threading.Event(), threading.Event())
    call = await a_call(stage)
    await eventually(holds.has.is_set, within=30)
    pid = worker(stage)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    bucket.fault = None
    holds.released.set()
    await all_stored(stage, call)
    assert bucket.kept(f"{call}/mix") == 1
    verdict = await told(stage, call)
    assert "killed by SIGKILL" in verdict.explained
    assert "goes on where it was" in verdict.explained


@pytest.mark.fault("46", "erased while the call is up, and while its upload waits")
async def test_erased_while_its_upload_waits(stage: Stage, bucket: Door):
    path = "/calls/{}/recording?reason=asked"
    bucket.shut()
    async with stage.call() as (_, call):
        with pytest.raises(urllib.error.HTTPError, match="409"):
            await asyncio.to_thread(stage.offhook.delete, path.format(call))
    await stage.over(call)
    await has(stage, call, "failing")
    await asyncio.to_thread(stage.offhook.delete, path.format(call))
    verdict = await told(stage, call)
    assert "the recording was erased on request" in verdict.explained
    assert "erased, by this machine" in verdict.missing
    bucket.open_again()
    job = stage.asterisk.spool / f"{call}.job"
    await eventually(lambda: not job.exists(), within=60)
    assert bucket.kept(call) == 0
