import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.phone.rtp import Packet, key_event, parse


def test_a_packet_of_sound():
    packet = Packet(0, 1, 160, 0x01020304, b"\xff\xfe", marker=True)
    assert packet.encode() == bytes.fromhex("80800001000000a001020304fffe")
    assert parse(packet.encode()) == packet


@pytest.mark.parametrize(
    ("datagram", "payload"),
    [
        ("80000001000000a001020304", ""),
        ("82000001000000a001020304 aaaaaaaabbbbbbbb ff", "ff"),  # two sources
        ("90000001000000a001020304 bede0001 cccccccc ff", "ff"),  # an extension
        ("a0000001000000a001020304 ff 0002", "ff"),  # two bytes of padding
    ],
)
def test_what_a_header_may_hold(datagram, payload):
    assert parse(bytes.fromhex(datagram)).payload == bytes.fromhex(payload)


@pytest.mark.parametrize(
    ("datagram", "says"),
    [
        ("", "not an RTP packet"),
        ("80000001000000a0010203", "not an RTP packet"),
        ("00000001000000a001020304", "not an RTP packet"),
        ("8f000001000000a001020304", "longer than the packet"),
        ("90000001000000a001020304be", "cut off"),
        ("a0000001000000a0010203ff", "longer than the packet"),
    ],
)
def test_what_is_no_packet(datagram, says):
    with pytest.raises(ValueError, match=says):
        parse(bytes.fromhex(datagram))


@given(st.binary(max_size=64))
def test_garbage_is_a_packet_or_a_value_error(datagram):
    try:
        packet = parse(datagram)
    except ValueError:
        return
    assert packet.payload in datagram


@pytest.mark.parametrize(
    ("key", "samples", "released", "payload"),
    [
        ("0", 160, False, "000a00a0"),
        ("9", 320, False, "090a0140"),
        ("*", 1280, True, "0a8a0500"),
        ("#", 1280, True, "0b8a0500"),
        ("D", 160, False, "0f0a00a0"),
    ],
)
def test_a_key(key, samples, released, payload):
    assert key_event(key, samples, released=released).hex() == payload
