from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.wire.audiosocket import (
    HANGUP,
    RATES,
    Failed,
    Garbage,
    HungUp,
    Identity,
    Key,
    Messages,
    Sound,
    sound,
)
from agent.wire.errors import LocalError

ID = UUID("0549ec21-a181-4339-8ae7-f935be7bb040")

WIRE = [
    (b"\x01\x00\x10" + ID.bytes, Identity(ID)),
    (b"\x10\x00\x04abcd", Sound(8000, b"abcd")),
    (b"\x12\x00\x04abcd", Sound(16000, b"abcd")),
    (b"\x18\x00\x02ab", Sound(192000, b"ab")),
    (b"\x10\x00\x00", Sound(8000, b"")),
    (b"\x03\x00\x015", Key("5")),
    (b"\x03\x00\x01#", Key("#")),
    (b"\x00\x00\x00", HungUp()),
    (b"\xff\x00\x00", Failed(b"")),
    (b"\xff\x00\x01\x04", Failed(b"\x04")),
    (b"\x01\x00\x02ab", Garbage("message of kind 0x01 with 2 bytes")),
    (b"\x03\x00\x0255", Garbage("message of kind 0x03 with 2 bytes")),
    (b"\x03\x00\x01\xe9", Garbage("key is 'é', expected one of 0-9 * # A-D")),
    (b"\x47\x00\x01E", Garbage("message of kind 0x47 with 1 bytes")),
    (b"\x19\x00\x01E", Garbage("message of kind 0x19 with 1 bytes")),
]


@pytest.mark.parametrize(("wire", "message"), WIRE)
def test_each_message(wire, message):
    assert Messages().feed(wire) == [message]


@given(st.lists(st.integers(1, 40)))
def test_however_tcp_cuts_them(sizes):
    wire = b"".join(wire for wire, _ in WIRE)
    messages, received = Messages(), []
    for size in sizes:
        received += messages.feed(wire[:size])
        wire = wire[size:]
    assert received + messages.feed(wire) == [message for _, message in WIRE]


@given(st.binary(max_size=3000), st.integers(1, 100))
def test_any_bytes_are_messages(garbage, size):
    messages, received = Messages(), []
    for at in range(0, len(garbage), size):
        received += messages.feed(garbage[at : at + size])
    assert received == Messages().feed(garbage)
    # The last one may have promised more than came.
    assert received or len(garbage) < 3 or int.from_bytes(garbage[1:3]) > 0


def test_it_keeps_no_more_than_one_message():
    messages = Messages()
    for _ in range(100):
        messages.feed(b"\x10\xff\xff" + bytes(65534))
        assert len(messages._rest) < 65538
        messages.feed(b"\x00")
    assert len(messages._rest) == 0


@given(st.sampled_from(list(RATES.values())), st.binary(min_size=1, max_size=700))
def test_what_we_send_reads_the_same(rate, pcm):
    assert Messages().feed(sound(pcm, rate)) == [Sound(rate, pcm)]


def test_we_hang_up():
    assert Messages().feed(HANGUP) == [HungUp()]


@pytest.mark.parametrize(
    ("pcm", "rate", "why"),
    [
        (b"", 8000, "0 bytes of sound"),
        (bytes(65536), 8000, "65536 bytes of sound"),
        (bytes(320), 11025, "sound at 11025 Hz"),
    ],
)
def test_what_asterisk_would_end_the_call_over(pcm, rate, why):
    with pytest.raises(LocalError, match=why):
        sound(pcm, rate)
