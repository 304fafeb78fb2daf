"""Ports of this machine: who has them."""

import asyncio
import errno
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .addresses import is_this_machine, parsed
from .asterisk import sip_ports
from .finding import Finding, error, ok
from .site import Site

_UNSEEN = "a program that we may not see"


def ports(site: Site) -> Iterator[Finding]:
    """Before a start: nobody may have our ports."""
    settings = site.settings
    if settings is None:
        return
    wanted = [(settings.port, settings.host, False, "OFFHOOK_PORT")]
    if settings.work.inside and settings.work.config.port:
        wanted.append(
            (settings.work.config.port, "127.0.0.1", False, "OFFHOOK_WORK_PORT")
        )
    if settings.audiosocket.port:
        sound = settings.audiosocket
        wanted.append((sound.port, sound.host, False, "OFFHOOK_AUDIOSOCKET_PORT"))
    if parsed(settings.host) is not None and not is_this_machine(settings.host):
        yield error(
            f"{settings.host} is not an address of this machine",
            "OFFHOOK_HOST",
            "Write an address of this machine, or 0.0.0.0 for all of them.",
        )
    if not site.before_start:
        return
    places = [(port, host, udp, name, name) for port, host, udp, name in wanted]
    places += [
        (port, "0.0.0.0", udp, str(place), "SIP_PORT")
        for port, udp, place in sip_ports(site)
    ]
    free = True
    for port, host, udp, where, variable in places:
        if is_this_machine(host) and _taken(host, port, udp=udp):
            free = False
            who = holder(port, udp=udp)
            yield error(
                f"{'UDP' if udp else 'TCP'} port {port} is taken{who and ' by ' + who}",
                where,
                f"Stop that program, or choose another {variable}.",
            )
    if free:
        yield ok("the ports are free")


def _taken(host: str, port: int, *, udp: bool) -> bool:
    address = parsed(host)
    kind = socket.AF_INET6 if address and address.version == 6 else socket.AF_INET
    with socket.socket(kind, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as probe:
        if not udp:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((str(address or host), port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def holder(port: int, *, udp: bool) -> str:
    """The program with its number, as far as we may see it; empty: nobody knows."""
    inodes = set()
    for table in ("udp", "udp6") if udp else ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                state = "07" if udp else "0A"
                if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == state:
                    inodes.add(f"socket:[{fields[9]}]")
    if not inodes:
        return ""
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        with suppress(OSError):
            for opened in (process / "fd").iterdir():
                with suppress(OSError):
                    if os.readlink(opened) in inodes:
                        words = (process / "cmdline").read_bytes()
                        text = words.decode(errors="replace").replace("\0", " ").strip()
                        # It may be run by a loader, whose words come first.
                        name = "Asterisk" if "asterisk" in text else text[:60]
                        return f"{name} (process {process.name})"
    return _UNSEEN


async def sip(site: Site) -> list[Finding]:
    """While it runs: Asterisk has its SIP port, and nobody else."""
    found: list[Finding] = []
    if site.before_start:
        return found
    for port, udp, place in sip_ports(site):
        named = f"{'UDP' if udp else 'TCP'} port {port}"
        who = await asyncio.to_thread(holder, port, udp=udp)
        if not who:
            found.append(
                error(
                    f"nobody listens on {named}: Asterisk does not run",
                    place,
                    "Start Asterisk, or look at its log for why it is deaf.",
                )
            )
        elif not who.startswith(("Asterisk ", _UNSEEN)):
            found.append(
                error(
                    f"{named} is taken by {who}: Asterisk is deaf",
                    place,
                    "Stop that program, or choose another SIP_PORT.",
                )
            )
        else:
            found.append(ok(f"{named} is Asterisk's", place))
    return found
