"""docker/asterisk/*, outside of a container: their folders are replaced by ours, and
Asterisk by a script that notes what it is asked."""

import os
import signal
import stat
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from .files import ROOT

SECRETS = {
    "AGENT_PASSWORD": "let me; in",
    "EXTENSION_100_PASSWORD": "a",
    "EXTENSION_101_PASSWORD": "b",
    "ARI_PASSWORD": "c",
    "AMI_PASSWORD": "d",
}

# Runs until it is told, as Asterisk's own command line tells it.
_ASTERISK = """#!/bin/sh
echo "$*" >>{folder}/asked
if [ "$1" = -f ]; then
    echo "on the console"
    echo "in the full log" >>{folder}/log/full
    until [ -e {folder}/stopped ]; do sleep 0.02; done
    exit 3
fi
case $2 in
'core stop gracefully') : >{folder}/stopped ;;
'core waitfullybooted') echo "Asterisk has $(cat {folder}/booted) booted." ;;
'pjsip show transports') cat {folder}/transports ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Image:
    """What an image has, in a folder."""

    folder: Path

    def environment(self, **variables: str) -> dict[str, str]:
        path = f"{self.folder}:{os.environ['PATH']}"
        return {"PATH": path, "TMPDIR": str(self.folder), **variables}

    def run(self, program: str, *arguments: str, **variables: str):
        return subprocess.run(
            ["/bin/sh", self.folder / program, *arguments],
            capture_output=True,
            text=True,
            timeout=30,
            env=self.environment(**variables),
        )

    @property
    def etc(self) -> Path:
        return self.folder / "etc"

    @property
    def asked(self) -> list[str]:
        asked = self.folder / "asked"
        return asked.read_text().splitlines() if asked.exists() else []


@pytest.fixture
def image(tmp_path) -> Image:
    (tmp_path / "log").mkdir()
    replaced = {
        "/opt/offhook": str(ROOT),
        "/etc/asterisk": str(tmp_path / "etc"),
        "/var/log/asterisk": str(tmp_path / "log"),
    }
    for source in (ROOT / "docker" / "asterisk").glob("asterisk-*"):
        text = source.read_text()
        for theirs, ours in replaced.items():
            text = text.replace(theirs, ours)
        (tmp_path / source.name).write_text(text)
    asterisk = tmp_path / "asterisk"
    asterisk.write_text(_ASTERISK.replace("{folder}", str(tmp_path)))
    asterisk.chmod(0o755)
    return Image(tmp_path)


def until(happened) -> None:
    for _ in range(500):
        if happened():
            return
        time.sleep(0.02)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize("missing", SECRETS)
def test_it_refuses_to_start_without_a_password(image, missing):
    given = {name: value for name, value in SECRETS.items() if name != missing}
    done = image.run("asterisk-entrypoint", **given)
    assert done.returncode == 1
    assert f"{missing} has no value" in done.stderr
    assert "not started: set what is named above" in done.stderr
    assert image.asked == []
    assert not image.etc.exists()
    assert not list(image.folder.glob("tmp.*")), "passwords are left behind"


def test_an_empty_variable_is_one_that_is_not_set(image):
    """Compose makes empty ones of those that .env leaves empty."""
    done = image.run("asterisk-entrypoint", **{**SECRETS, "ARI_PASSWORD": ""})
    assert "ARI_PASSWORD has no value" in done.stderr


@pytest.mark.parametrize("content", ["let me; in", "let me; in\n"])
def test_a_password_may_be_in_a_file(image, content):
    file = image.folder / "secret"
    file.write_text(content)
    given = {**SECRETS, "AGENT_PASSWORD": "", "AGENT_PASSWORD_FILE": str(file)}
    # Asterisk is told to stop before it starts.
    (image.folder / "stopped").touch()
    done = image.run("asterisk-entrypoint", **given)
    assert done.returncode == 3, done.stderr
    client = (image.etc / "websocket_client.conf").read_text()
    assert "password = let me\\; in\n" in client


@pytest.mark.parametrize(
    ("content", "plain", "says"),
    [
        ("x\n", "y", "AGENT_PASSWORD and AGENT_PASSWORD_FILE are both set: keep one"),
        ("", "", "AGENT_PASSWORD_FILE: {file} is empty"),
        ("\n", "", "AGENT_PASSWORD_FILE: {file} is empty"),
        ("x\nSIP_PORT=1\n", "", "AGENT_PASSWORD_FILE: {file} has more than one line"),
        (None, "", "AGENT_PASSWORD_FILE: cannot read {file}"),
    ],
)
def test_a_file_without_a_password_is_named(image, content, plain, says):
    file = image.folder / "secret"
    if content is not None:
        file.write_text(content)
    given = {**SECRETS, "AGENT_PASSWORD": plain, "AGENT_PASSWORD_FILE": str(file)}
    done = image.run("asterisk-entrypoint", **given)
    assert done.returncode == 1
    assert f"asterisk-entrypoint: {says.format(file=file)}\n" in done.stderr
    assert image.asked == []
    assert not list(image.folder.glob("tmp.*")), "passwords are left behind"


def test_other_commands_are_just_run(image):
    done = image.run("asterisk-entrypoint", "echo", "hello")
    assert (done.returncode, done.stdout) == (0, "hello\n")
    assert image.asked == []


def test_it_configures_logs_and_stops_gracefully(image):
    given = {**SECRETS, "SIP_PORT": "5070"}
    with subprocess.Popen(
        ["/bin/sh", image.folder / "asterisk-entrypoint"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=image.environment(**given),
    ) as process:
        try:
            until(lambda: image.asked == ["-f"])
            pjsip = (image.etc / "pjsip.conf").read_text()
            assert ":5070\n" in pjsip
            client = (image.etc / "websocket_client.conf").read_text()
            assert "password = let me\\; in\n" in client
            mode = (image.etc / "websocket_client.conf").stat().st_mode
            assert stat.S_IMODE(mode) == 0o600
            assert not list(image.folder.glob("tmp.*")), "passwords are left behind"
            mode = (image.folder / "asked").stat().st_mode
            assert stat.S_IMODE(mode) == 0o600, "so would recordings be"
            process.send_signal(signal.SIGTERM)
            stdout, stderr = process.communicate(timeout=30)
        finally:
            process.kill()
    assert image.asked == ["-f", "-rx core stop gracefully"]
    assert process.returncode == 3, "Asterisk's own status"
    assert stdout == "", "what the console says is in the full log already"
    assert stderr == "in the full log\n"


@pytest.mark.parametrize(
    ("booted", "transports", "well"),
    [
        (
            "fully",
            "Transport:  transport-udp             udp      0      0  0:5060",
            True,
        ),
        ("not fully", "Transport:  transport-udp     udp      0      0  0:5060", True),
        ("fully", "No objects found.", False),
        ("hardly", "Transport:  transport-udp             udp      0      0  0", False),
    ],
)
def test_health(image, booted, transports, well):
    (image.folder / "booted").write_text(booted)
    (image.folder / "transports").write_text(f"{transports}\n")
    assert (image.run("asterisk-healthy").returncode == 0) is well
