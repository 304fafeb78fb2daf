"""Whose an address is: this machine's, the house's, everybody's."""

import ipaddress
import socket

_NOBODYS = tuple(
    ipaddress.ip_network(network)
    for network in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")
)
"""Of documentation: site.conf.example has one of them as the trunk that is not."""


def parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """None: a name, or nothing."""
    try:
        return ipaddress.ip_address(text.strip("[] ").partition("/")[0])
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    address = parsed(host)
    return address.is_loopback if address is not None else host == "localhost"


def is_this_machine(host: str) -> bool:
    """As far as that can be told without asking a name server."""
    address = parsed(host)
    if address is None:
        return host in ("localhost", socket.gethostname())
    if address.is_loopback or address.is_unspecified:
        return True
    kind = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(kind, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


def is_nobodys(host: str) -> bool:
    address = parsed(host)
    return address is not None and any(address in net for net in _NOBODYS)


def is_public(host: str) -> bool:
    address = parsed(host)
    return address is not None and address.is_global


def source_for(host: str) -> str:
    """The address of this machine from which packets to `host` would go; none goes.
    Empty: there is no way."""
    address = parsed(host)
    kind = socket.AF_INET6 if address and address.version == 6 else socket.AF_INET
    with socket.socket(kind, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address or host), 5060))
            return str(probe.getsockname()[0])
        except OSError:
            return ""
