"""scripts/asterisk, and the files that scripts/render-asterisk-conf makes for it."""

import re
import socket
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from .asterisk import ROOT

SECRETS = [
    f"{name}_PASSWORD=x"
    for name in ("EXTENSION_100", "EXTENSION_101", "AGENT", "ARI", "AMI")
]


def render(out, *values):
    return subprocess.run(
        [ROOT / "scripts" / "render-asterisk-conf", out, *values],
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_every_file_is_filled_in(tmp_path):
    site = tmp_path / "site.conf"
    site.write_text("# ours\nAGENT_PASSWORD=a;b \\1 &c\n\nSIP_PORT=5070\n")
    out = tmp_path / "etc"
    done = render(out, *SECRETS, site, "SIP_PORT=5080")
    assert (done.returncode, done.stderr) == (0, "")
    assert "password = a\\;b \\1 &c\n" in (out / "websocket_client.conf").read_text()
    assert "bind = 0.0.0.0:5080\n" in (out / "pjsip.conf").read_text()
    for template in (ROOT / "asterisk-conf").glob("*.conf"):
        assert "@" not in (out / template.name).read_text().replace("sip:@", "")
    assert (out / "pjsip.conf").stat().st_mode & 0o077 == 0, "passwords are in there"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (SECRETS[1:], "EXTENSION_100_PASSWORD has no value (pjsip-extensions.conf)"),
        ([*SECRETS, "ARI_PASSWORD="], "ARI_PASSWORD is empty"),
        ([*SECRETS, "COLOUR=red"], "no file uses COLOUR"),
        ([*SECRETS, "port=1"], "not NAME=value: 'port=1'"),
        ([*SECRETS, "nowhere.conf"], "no such site file: nowhere.conf"),
    ],
)
def test_a_mistake_is_named_and_nothing_written(tmp_path, values, says):
    done = render(tmp_path / "etc", *values)
    assert done.returncode == 1
    assert says in done.stderr
    assert not (tmp_path / "etc").exists()


@pytest.mark.asterisk
def test_one_folder_holds_one_asterisk(asterisk):
    with pytest.raises(AssertionError, match="is up already, with pid"):
        asterisk.up()
    assert "System uptime" in asterisk.cli("core show uptime")


@pytest.mark.asterisk
def test_a_port_in_use_is_an_error(asterisk, tmp_path):
    second = replace(asterisk, folder=tmp_path / "second", http_port=0)
    with pytest.raises(AssertionError, match="cannot listen on UDP 127.0.0.1:"):
        second.up()
    assert not (second.folder / "pid").exists()
    assert asterisk.channels() == 0, "the first one is still there"


@pytest.mark.asterisk
def test_without_the_driver_it_does_not_come_up(asterisk, tmp_path):
    """As with an Asterisk that is too old to have chan_websocket."""
    (path,) = re.findall(
        "^ASTERISK_MODULES=(.*)$",
        (asterisk.folder / "given.conf").read_text(),
        re.MULTILINE,
    )
    modules = tmp_path / "modules"
    modules.mkdir()
    for module in Path(path).glob("*.so"):
        if module.name != "chan_websocket.so":
            (modules / module.name).symlink_to(module)
    second = replace(asterisk, folder=tmp_path / "second", sip_port=15090, http_port=0)
    with pytest.raises(AssertionError, match="did not boot") as failed:
        second.up(f"ASTERISK_MODULES={modules}")
    assert "Failed to load module chan_websocket.so" in str(failed.value)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 15090))
