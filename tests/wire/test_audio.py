import pytest

from agent.wire.audio import CODECS, codec
from agent.wire.errors import PeerError


@pytest.mark.parametrize(
    ("name", "rate", "frame", "silence"),
    [
        ("ulaw", 8000, 160, b"\xff"),
        ("alaw", 8000, 160, b"\xd5"),
        ("slin", 8000, 320, b"\x00"),
        ("slin16", 16000, 640, b"\x00"),
    ],
)
def test_codecs(name, rate, frame, silence):
    found = codec(name)
    assert (found.name, found.rate, found.silence) == (name, rate, silence)
    assert found.frame_bytes() == frame
    assert found.frame_bytes(30) == frame * 3 // 2
    assert found.seconds(frame * 50) == 1.0


def test_all_frames_fit_in_our_audio_messages_without_a_rest():
    assert {16_000 % codec.frame_bytes(20) for codec in CODECS.values()} == {0}


@pytest.mark.parametrize("name", ["opus", "", "ULAW"])
def test_an_unknown_codec_is_named_with_those_we_speak(name):
    with pytest.raises(PeerError, match=f"'{name}'; we speak ulaw, alaw, slin, slin16"):
        codec(name)
