"""A real S3 server of our own: Ceph's RADOS Gateway on one machine, all in memory.

Needs Debian's packages ceph-mon, ceph-mgr, ceph-osd, radosgw and ceph-common. No root,
no systemd, nothing outside a temporary folder and loopback.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = (
    *("ceph", "ceph-authtool", "ceph-mon", "ceph-mgr", "ceph-osd"),
    *("monmaptool", "radosgw", "radosgw-admin"),
)
CONFIG = """\
[global]
fsid = {fsid}
mon initial members = a
mon host = [v2:127.0.0.1:{mon2}/0,v1:127.0.0.1:{mon1}/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth allow insecure global id reclaim = false
keyring = {folder}/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon data avail warn = 1
mon data avail crit = 1
osd objectstore = memstore
memstore device bytes = 2147483648
osd data = {folder}/osd
mon data = {folder}/mon
mgr data = {folder}/mgr
rgw data = {folder}/rgw
run dir = {folder}/run
log file = {folder}/log/$name.log
admin socket = {folder}/run/$name.asok
pid file = {folder}/run/$name.pid
[osd]
keyring = {folder}/osd/keyring
[mgr]
keyring = {folder}/mgr/keyring
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{port}
"""


class NoCeph(Exception):
    """It cannot be had here. Says why."""


@dataclass(frozen=True, slots=True)
class Gateway:
    port: int
    version: str
    key: str = "OFFHOOKTEST"
    secret: str = "not-much-of-a-secret"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def gateway() -> Iterator[Gateway]:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        raise NoCeph(f"there is no {', '.join(missing)} on this machine")
    with tempfile.TemporaryDirectory(prefix="ceph-") as name:
        folder = Path(name)
        try:
            yield _start(folder)
        finally:
            _stop(folder)


def _start(folder: Path) -> Gateway:
    for each in ("mon", "osd", "mgr", "run", "log", "rgw"):
        (folder / each).mkdir()
    mon1, mon2, port = (_free_port() for _ in range(3))
    fsid, osd = str(uuid.uuid4()), str(uuid.uuid4())
    config = folder / "ceph.conf"
    config.write_text(
        CONFIG.format(folder=folder, fsid=fsid, mon1=mon1, mon2=mon2, port=port)
    )

    def run(program: str, *arguments: str | Path, config: Path | None = config) -> str:
        command = [program, *(["-c", str(config)] if config else []), *arguments]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=60
            )
        except subprocess.TimeoutExpired as error:
            raise NoCeph(f"{program} took longer than a minute") from error
        if done.returncode:
            raise NoCeph(f"{program}: {done.stderr.strip()[-500:]}")
        return done.stdout

    keyring = folder / "keyring"
    run("ceph-authtool", "-C", keyring, config=None)
    for user, *caps in (
        ("mon.", "mon", "allow *"),
        ("client.admin", "mon", "allow *", "osd", "allow *", "mgr", "allow *"),
        ("client.rgw", "mon", "allow rw", "osd", "allow rwx", "mgr", "allow rw"),
    ):
        rights = [
            word
            for pair in zip(caps[::2], caps[1::2], strict=True)
            for word in ("--cap", *pair)
        ]
        run("ceph-authtool", keyring, "--gen-key", "-n", user, *rights, config=None)
    monitors = f"[v2:127.0.0.1:{mon2},v1:127.0.0.1:{mon1}]"
    monmap = folder / "monmap"
    run(
        *("monmaptool", "--create", "--addv", "a", monitors, "--fsid", fsid, monmap),
        config=None,
    )
    run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
    run("ceph-mon", "-i", "a")
    for user, to, *caps in (
        ("mgr.x", "mgr", "mon", "allow profile mgr", "osd", "allow *"),
        (
            "osd.0",
            "osd",
            "mon",
            "allow profile osd",
            "osd",
            "allow *",
            "mgr",
            "allow profile osd",
        ),
    ):
        run("ceph", "auth", "get-or-create", user, *caps, "-o", folder / to / "keyring")
    run("ceph-mgr", "-i", "x")
    run("ceph", "osd", "new", osd)
    secret = (folder / "osd/keyring").read_bytes()
    run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
    (folder / "osd/keyring").write_bytes(secret)
    run("ceph-osd", "-i", "0")
    _wait(lambda: "1 up" in run("ceph", "osd", "stat"), "its disk")
    made = Gateway(port, run("radosgw", "--version", config=None).split(" (")[0])
    run(
        *("radosgw-admin", "user", "create", "--uid=offhook", "--display-name=offhook"),
        *(f"--access-key={made.key}", f"--secret={made.secret}"),
    )
    run("radosgw", "-n", "client.rgw")
    _wait(lambda: _answers(made.url), "its gateway")
    return made


def _stop(folder: Path) -> None:
    pids = [int(path.read_text()) for path in (folder / "run").glob("*.pid")]
    for pid in pids:
        _kill(pid, signal.SIGKILL)
    for pid in pids:
        while _kill(pid, 0):
            time.sleep(0.05)


def _kill(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


def _wait(ready: Callable[[], bool], what: str, within: float = 60.0) -> None:
    deadline = time.monotonic() + within
    while not ready():
        if time.monotonic() > deadline:
            raise NoCeph(f"{what} is not there after {within:.0f} s")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
