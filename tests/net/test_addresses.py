from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.net import addresses


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200"),
        *("127.0.0.1", "127.255.255.254", "169.254.169.254", "169.254.170.2"),
        *("172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1"),
        *("192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
        *("240.0.0.1", "255.255.255.255", "168.63.129.16"),
        *("::", "::1", "::7f00:1", "fe80::1", "fe80::1%1", "fec0::1", "fc00::1"),
        *("fd00:ec2::254", "ff02::1", "100::1", "2001:db8::1", "3fff::1"),
        *("2001::1", "2001:10::1", "64:ff9b:1::1", "5f00::1", "4000::1"),
        # What they carry inside.
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1"),
        *("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::1"),
    ],
)
def test_these_are_inside(address):
    assert not addresses.public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        *("1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.0.1"),
        *("172.32.0.1", "169.253.0.1", "192.0.1.1", "198.20.0.1", "223.255.255.255"),
        *("2606:4700::1111", "2001:4860:4860::8888", "::ffff:8.8.8.8"),
        *("64:ff9b::8.8.8.8", "2002:808:808::1"),
    ],
)
def test_these_are_outside(address):
    assert addresses.public(ip_address(address))


@given(st.ip_addresses(v=4))
def test_what_is_public_here_is_so_for_the_registry(address: IPv4Address):
    if addresses.public(address):
        assert address.is_global and not address.is_multicast


@given(st.ip_addresses(v=4))
def test_an_address_is_judged_the_same_in_every_disguise(address: IPv4Address):
    disguises = [
        IPv6Address(f"::ffff:{address}"),
        IPv6Address(f"64:ff9b::{address}"),
        IPv6Address((0x2002 << 112) | int(address) << 80),
    ]
    for disguise in disguises:
        assert addresses.public(disguise) == addresses.public(address)
        assert addresses.embedded(disguise) == address


@pytest.mark.parametrize(
    ("address", "networks", "expected"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("::ffff:10.1.2.3", "10.0.0.0/8", True),
        ("fd00::5", "10.0.0.0/8, fd00::/8", True),
        ("fd00::5", "", False),
    ],
)
def test_the_operator_may_allow_some(address, networks, expected):
    allow = addresses.networks(networks)
    assert addresses.allowed(ip_address(address), allow) is expected


@pytest.mark.parametrize("text", ["10.0.0.1/8", "everything", "10.0.0.0/33"])
def test_a_network_that_is_none(text):
    with pytest.raises(ValueError, match=text.split("/")[0]):
        addresses.networks(text)
