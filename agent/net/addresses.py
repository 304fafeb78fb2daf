"""Which addresses are public, and which others the operator allows.

Apart, because an HTTP client takes its time to import.
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC_4 = tuple(
    IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24"),
        *("192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # Azure's own, in every machine there
    )
)
_GLOBAL_6 = IPv6Network("2000::/3")
"""All that was ever given out to be reached by everybody."""
_NOT_PUBLIC_6 = tuple(
    IPv6Network(text)
    # Protocols' own, Teredo among them; and for documentation.
    for text in ("2001::/23", "2001:db8::/32", "3fff::/20")
)
_NAT64 = IPv6Network("64:ff9b::/96")


def public(address: Address) -> bool:
    match address:
        case IPv4Address():
            return not any(address in network for network in _NOT_PUBLIC_4)
        case IPv6Address() if (inner := embedded(address)) is not None:
            return public(inner)
        case _:
            return address in _GLOBAL_6 and not any(
                address in network for network in _NOT_PUBLIC_6
            )


def embedded(address: Address) -> IPv4Address | None:
    """Where a packet to it ends up: it is IPv4-mapped, or of 6to4 or NAT64."""
    if not isinstance(address, IPv6Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def allowed(address: Address, networks: Iterable[Network]) -> bool:
    inner = embedded(address)
    return any(
        each in network
        for network in networks
        for each in ((address,) if inner is None else (address, inner))
    )


def networks(text: str) -> tuple[Network, ...]:
    """Of `10.0.0.0/8, fd00::/8`. Raises ValueError, which names what is wrong."""
    return tuple(ip_network(word) for word in text.replace(",", " ").split())
