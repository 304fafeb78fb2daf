"""systemd/*: what the units say, and what systemd itself makes of them."""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from agent.secret_files import with_files

from .files import ROOT
from .test_env_example import settings

FOLDER = ROOT / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
PAGE = (ROOT / "docs" / "systemd.md").read_text()

pytestmark = pytest.mark.parametrize("unit", UNITS, ids=[each.stem for each in UNITS])


def read(unit: Path) -> Mapping[str, Sequence[str]]:
    """Each directive with all that is said of it, in order."""
    said: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if line and line[0] not in "#[":
            name, value = line.split("=", 1)
            said.setdefault(name, []).append(value)
    return said


def seconds(unit: Path, name: str) -> float:
    return float(read(unit)[name][-1])


def assigned(lines: Sequence[str]) -> Mapping[str, str]:
    pairs = [word.split("=", 1) for line in lines for word in line.split()]
    return dict(pairs)


def example() -> Mapping[str, str]:
    """All of env.example, with what is commented out."""
    text = (FOLDER / "env.example").read_text()
    return dict(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=(\S+)$", text, re.MULTILINE))


def test_what_is_started_is_a_verb_of_ours(unit):
    (command,) = read(unit)["ExecStart"]
    program, verb = command.split()
    assert program == "/opt/offhook/.venv/bin/offhook"
    # scripts/setup makes it there.
    assert ">.venv/bin/offhook" in (ROOT / "scripts" / "setup").read_text()
    known = subprocess.run(
        [sys.executable, "-m", "agent", verb, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert known.returncode == 0, known.stderr


def test_its_settings_are_known(unit):
    given = assigned(read(unit)["Environment"])
    assert set(given) - {"PYTHONUNBUFFERED"} <= settings()
    known = settings()
    assert {name.removesuffix("_FILE") for name in example()} <= known
    assert example(), "or nothing was looked at"


def test_its_folders_may_be_written_to(unit):
    said = read(unit)
    mine = {f"/var/lib/{each}" for each in said["StateDirectory"]}
    mine |= {f"/var/cache/{each}" for each in said.get("CacheDirectory", [])}
    mine |= {
        each.removeprefix("-")
        for line in said["ReadWritePaths"]
        for each in line.split()
    }
    folders = {
        value for value in assigned(said["Environment"]).values() if value[0] == "/"
    }
    for folder in folders:
        assert any(Path(folder).is_relative_to(each) for each in mine), folder
    made = (FOLDER / "offhook.tmpfiles").read_text()
    for folder in mine - {"/var/lib/offhook", "/var/cache/offhook"}:
        assert re.search(rf"^d {folder} ", made, re.MULTILINE), folder
    (secrets,) = {each.partition(":")[2] for each in said["LoadCredential"]}
    assert re.search(rf"^d {secrets} 0700 root root$", made, re.MULTILINE)


def test_its_user_is_made(unit):
    made = (FOLDER / "offhook.sysusers").read_text()
    (user,) = read(unit)["User"]
    assert re.search(rf"^u {user} -", made, re.MULTILINE)
    (group,) = read(unit)["SupplementaryGroups"]
    assert re.search(rf"^m {user} {group}$", made, re.MULTILINE)


def test_the_agent_has_time_to_drain(unit):
    text = (ROOT / "agent" / "settings.py").read_text()
    drain = re.search(r'"OFFHOOK_DRAIN_SECONDS", (\d+)', text)
    assert drain
    if unit.stem == "offhook":
        assert seconds(unit, "TimeoutStopSec") > float(drain[1])
        assert read(unit)["KillMode"] == ["mixed"]


def test_it_comes_back_but_not_for_ever(unit):
    said = read(unit)
    assert said["Restart"] == ["on-failure"]
    tries, within = (
        seconds(unit, "StartLimitBurst"),
        seconds(unit, "StartLimitIntervalSec"),
    )
    assert tries * seconds(unit, "RestartSec") < within
    # Nothing of ours speaks to systemd's watchdog.
    assert "WatchdogSec" not in said
    assert said["Type"] == ["exec"]


def test_credentials_are_where_the_example_says(unit):
    """systemd names the files of a folder ID_NAME."""
    (credential,) = read(unit)["LoadCredential"]
    identity = credential.partition(":")[0]
    folder = f"/run/credentials/{unit.name}"
    text = unit.read_text() + (FOLDER / "env.example").read_text() + PAGE
    assert f"{folder}/{identity}_" in text
    for name, path in example().items():
        if name.endswith("_FILE"):
            plain = name.removesuffix("_FILE")
            assert path == f"/run/credentials/offhook.service/{identity}_{plain}"


def test_the_agent_would_read_them(unit, tmp_path):
    file = tmp_path / "secret"
    file.write_text("hush\n")
    named = [name for name in example() if name.endswith("_FILE")]
    read_there = with_files(dict.fromkeys(named, str(file)))
    assert set(read_there) == {name.removesuffix("_FILE") for name in named}


def test_every_file_is_explained(unit):
    for path in FOLDER.iterdir():
        assert path.name in PAGE, path.name


def systemd_analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def root(tmp_path):
    """A machine on which our units and `offhook` are installed."""
    theirs = Path("/usr/lib/systemd/system")
    if not (theirs / "sysinit.target").exists():
        pytest.skip("systemd's own units are not installed")
    shutil.copytree(theirs, tmp_path / "usr/lib/systemd/system", symlinks=True)
    ours = tmp_path / "etc/systemd/system"
    ours.mkdir(parents=True)
    for path in UNITS:
        shutil.copy(path, ours)
    program = tmp_path / "opt/offhook/.venv/bin/offhook"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return tmp_path


def verified(root: Path, unit: Path) -> list[str]:
    """What systemd has to say about a unit of ours."""
    path = root / "etc/systemd/system" / unit.name
    done = systemd_analyze("verify", "--man=no", f"--root={root}", path)
    return [line for line in done.stderr.splitlines() if unit.stem in line]


def test_systemd_has_nothing_to_say(root, unit):
    assert verified(root, unit) == []


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("ProtectSystem=strict", "ProtectSystem=stricter", "stricter"),
        ("MemoryMax=", "MemoryMost=", "MemoryMost"),
        ("TimeoutStopSec=", "TimeoutStopSec=soon", "soon"),
        ("bin/offhook ", "bin/onhook ", "not executable"),
        ("@system-service", "@sistem-service", "sistem"),
    ],
)
def test_systemd_would_have_noticed(root, unit, right, wrong, says):
    """The check above can fail: each of these is remarked on."""
    path = root / "etc/systemd/system" / unit.name
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, wrong, 1))
    remarks = verified(root, unit)
    assert any(says in line for line in remarks), remarks


def test_systemd_calls_it_well_closed(unit):
    done = systemd_analyze(
        "security", "--offline=true", "--no-pager", "--threshold=20", unit
    )
    assert done.returncode == 0, done.stdout[-300:]


def run_in(root: Path, program: str, *arguments: str | Path) -> None:
    if os.geteuid() != 0 or shutil.which(program) is None:
        pytest.skip(f"{program} is not installed, or we are not root")
    done = subprocess.run(
        [program, f"--root={root}", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_the_user_and_the_folders_are_made(unit, tmp_path):
    """By systemd's own programs, in a root of our own."""
    (tmp_path / "etc").mkdir()
    run_in(tmp_path, "systemd-sysusers", FOLDER / "offhook.sysusers")
    accounts = tmp_path / "etc/passwd"
    with accounts.open("a") as file:
        # Its package makes that one.
        file.write("asterisk:x:560:560::/:/usr/sbin/nologin\n")
    run_in(tmp_path, "systemd-tmpfiles", "--create", FOLDER / "offhook.tmpfiles")
    (user,) = read(unit)["User"]
    assert re.search(rf"^{user}:", accounts.read_text(), re.MULTILINE)
    groups = (tmp_path / "etc/group").read_text()
    assert re.search(rf"^asterisk:.*:{user}$", groups, re.MULTILINE)
    modes = {
        "etc/offhook": 0o750,
        "etc/offhook/secrets": 0o700,
        "var/spool/offhook": 0o2770,
        "var/spool/asterisk/monitor": 0o2770,
    }
    for folder, mode in modes.items():
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == mode, folder
