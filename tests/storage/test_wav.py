import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.storage import wav as wav_module
from agent.storage.files import BadFile, open_plainly
from agent.storage.wav import Measured, measure

from .sound import unfinished, wav

TWO_SECONDS = wav(2)


def measured(tmp_path, content: bytes) -> Measured:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with open_plainly(path) as file:
        result = measure(file)
        assert file.tell() == 0
    return result


@pytest.mark.parametrize("seconds", [0, 0.02, 2, 61.5])
def test_a_finished_recording(tmp_path, seconds):
    content = wav(seconds)
    assert measured(tmp_path, content) == Measured(
        len(content), seconds, hashlib.sha256(content).hexdigest()
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "tells of 8 bytes, and there are 0"),
        (b"RIFF", "tells of 8 bytes, and there are 4"),
        (unfinished(2), "tells of 8 bytes, and there are 32044"),
        (TWO_SECONDS[:-100], "tells of 32044 bytes, and there are 31944"),
        (TWO_SECONDS + b"more", "tells of 32044 bytes, and there are 32048"),
        (b"RIFX" + TWO_SECONDS[4:], "not a WAV file"),
        (b"RIFF\x04\0\0\0WAVE", "not a WAV file"),
        (TWO_SECONDS[:40] + b"\xff\xff\0\0" + TWO_SECONDS[44:], "should have 65534"),
        (TWO_SECONDS[:24] + bytes(4) + TWO_SECONDS[28:], "0 samples a second"),
    ],
)
def test_what_is_not_a_finished_recording(tmp_path, content, says):
    with pytest.raises(BadFile) as error:
        measured(tmp_path, content)
    assert says in str(error.value)


def test_a_file_that_grows_while_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    path.write_bytes(TWO_SECONDS)
    digest = hashlib.file_digest

    def and_meanwhile(*arguments):
        with open(path, "ab") as writer:
            writer.write(b"more")
        return digest(*arguments)

    monkeypatch.setattr(wav_module.hashlib, "file_digest", and_meanwhile)
    with open_plainly(path) as file, pytest.raises(BadFile, match="written to while"):
        measure(file)


@given(garbage=st.binary(max_size=120), keep=st.integers(0, 44))
def test_garbage_is_measured_or_named(tmp_path_factory, garbage, keep):
    body = TWO_SECONDS[8:keep] + garbage
    content = b"RIFF" + len(body).to_bytes(4, "little") + body
    try:
        result = measured(tmp_path_factory.getbasetemp(), content)
    except BadFile:
        return
    assert result.bytes == len(content)
