import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.storage import wav as wav_module
from agent.storage.files import BadFile, open_plainly
from agent.storage.wav import Measured, measure, repair

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
    found = measured(tmp_path, content)
    assert found == Measured(
        len(content), round(seconds * 8000), 8000, hashlib.sha256(content).hexdigest()
    )
    assert found.seconds == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is empty: 0 bytes"),
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


LIST = b"LIST\x04\0\0\0INFO"


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        (unfinished(2), wav(2)),
        (unfinished(0), wav(0)),
        (unfinished(2) + b"x", wav(2)),
        (TWO_SECONDS[:-100], TWO_SECONDS[:4] + (31936).to_bytes(4, "little")),
        (TWO_SECONDS, TWO_SECONDS),
    ],
    ids=["killed", "before the first sample", "within a sample", "cut off", "whole"],
)
def test_a_header_is_finished_for_whoever_was_killed(tmp_path, content, whole):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    repair(path)
    assert path.read_bytes().startswith(whole)
    with open_plainly(path) as file:
        assert measure(file).bytes == len(content) // 2 * 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        bytes(32044),
        b"RIFX" + TWO_SECONDS[4:],
        TWO_SECONDS[:36] + LIST + TWO_SECONDS[36:],
    ],
    ids=["empty", "short", "zeros", "other", "other chunks"],
)
def test_what_does_not_begin_as_asterisks_files_do_stays_as_it_is(tmp_path, content):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(BadFile):
        repair(path)
    assert path.read_bytes() == content


def test_a_link_is_not_repaired(tmp_path):
    (tmp_path / "a.wav").write_bytes(unfinished(1))
    (tmp_path / "b.wav").symlink_to("a.wav")
    with pytest.raises(OSError):
        repair(tmp_path / "b.wav")
    assert (tmp_path / "a.wav").read_bytes() == unfinished(1)


@given(st.floats(0, 2), st.integers(0, 32044))
def test_however_asterisk_died_what_was_written_is_kept(tmp_path_factory, s, cut):
    content = unfinished(s)[: max(cut, 44)]
    path = tmp_path_factory.getbasetemp() / "killed.wav"
    path.write_bytes(content)
    repair(path)
    with open_plainly(path) as file:
        assert measure(file).samples == (len(content) - 44) // 2
