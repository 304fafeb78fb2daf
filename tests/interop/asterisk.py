"""A real Asterisk of our own, and what a test wants to know of it."""

import asyncio
import os
import socket
import subprocess
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "asterisk"

TRUNK = "127.0.0.2"
"""Calls from here are the carrier's."""
STRANGER = "127.0.0.3"
"""Nobody has heard of this address."""

# Notes what it was given and what the files looked like in that moment, then lets the
# real hook do its work.
_HOOK = """#!/bin/sh
note="$*;"
for track in '' -user -assistant; do
    note="$note $(od -An -j40 -N4 -tu4 "{recordings}/$1$track.wav")"
done
# In one write: hooks of other calls write here, too.
echo $note >>"{notes}"
exec "{real}" "$@"
"""


@dataclass(frozen=True, slots=True)
class HookCall:
    arguments: tuple[str, ...]
    data_bytes: tuple[int, ...]
    """What the headers of the mix, the user and the assistant track said."""


@dataclass(frozen=True, slots=True)
class Asterisk:
    folder: Path
    sip_port: int
    http_port: int
    agent_port: int
    """Where it looks for the agent: ws://127.0.0.1:PORT/telephony/ws."""

    agent_password: str = "let me in; please"
    extension_password: str = "one hundred"
    ami_password: str = "ami; please"

    @classmethod
    def at(cls, place: int, folder: Path) -> Self:
        return cls(folder, 15060 + place, 18088 + place, 17860 + place)

    def uri(self, number: str = "1000") -> str:
        return f"sip:{number}@127.0.0.1:{self.sip_port}"

    @property
    def ami_port(self) -> int:
        return 25038 + self.sip_port - 15060

    @property
    def recordings(self) -> Path:
        return self.folder / "recordings"

    @property
    def spool(self) -> Path:
        """Where scripts/upload-recording.sh leaves its jobs."""
        return self.folder / "uploads"

    @property
    def log(self) -> str:
        return (self.folder / "log" / "full").read_text()

    def up(self, *values: str) -> None:
        """`values`: NAME=VALUE, above those that a test Asterisk has."""
        hook = self.folder / "hook.sh"
        self.folder.mkdir(exist_ok=True)
        hook.write_text(
            _HOOK.format(
                recordings=self.recordings,
                notes=self.folder / "hook.notes",
                real=ROOT / "scripts" / "upload-recording.sh",
            )
        )
        hook.chmod(0o755)
        first_rtp_port = 30000 + 40 * (self.sip_port - 15060)
        done = self._run(
            "up",
            f"SIP_PORT={self.sip_port}",
            f"HTTP_PORT={self.http_port}",
            f"RTP_FIRST_PORT={first_rtp_port}",
            f"RTP_LAST_PORT={first_rtp_port + 39}",
            f"TRUNK_ADDRESS={TRUNK}",
            f"AGENT_URL=ws://127.0.0.1:{self.agent_port}/telephony/ws",
            f"AGENT_PASSWORD={self.agent_password}",
            f"AMI_PORT={self.ami_port}",
            f"AMI_PASSWORD={self.ami_password}",
            f"EXTENSION_100_PASSWORD={self.extension_password}",
            f"UPLOAD_HOOK={hook}",
            *values,
        )
        assert done.returncode == 0, done.stderr

    def down(self) -> None:
        self._run("down")

    def cli(self, command: str) -> str:
        done = self._run("cli", command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def channels(self) -> int:
        return int(self.cli("core show channels count").split()[0])

    def hook_calls(self) -> list[HookCall]:
        try:
            lines = (self.folder / "hook.notes").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [
            HookCall(tuple(given.split()), tuple(map(int, sizes.split())))
            for given, _, sizes in (line.partition(";") for line in lines)
        ]

    def track(self, uniqueid: str, track: str = "") -> bytes:
        """16-bit samples at 8 kHz; `track` is -user, -assistant or the mix."""
        with wave.open(str(self.recordings / f"{uniqueid}{track}.wav")) as file:
            assert file.getparams()[:3] == (1, 2, 8000)
            return file.readframes(file.getnframes())

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "OFFHOOK_ASTERISK": str(self.folder),
            "OFFHOOK_SPOOL": str(self.spool),
        }
        return subprocess.run(
            [SCRIPT, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )


async def eventually(condition: Callable[[], object], within: float = 10.0) -> None:
    """Asterisk does some things a moment later, and tells nobody."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.05)


@contextmanager
def place() -> Iterator[int]:
    """A number that no other Asterisk of these tests has, in whatever process it is.
    Its ports are counted from it: nobody listens on the agent's yet, so that trying it
    would not tell."""
    for number in range(40):
        with socket.socket() as claim:
            try:
                claim.bind(("127.0.0.1", 15000 + number))
            except OSError:
                continue
            yield number
            return
    raise OSError("forty Asterisks are up")


def free_port(among: range, kind: socket.SocketKind) -> int:
    for port in among:
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port among {among}")
