import hashlib
import io

import pytest

from agent.storage.encoding import Format, encode
from agent.storage.stores import FolderStore, Kept, Sound, StoreError

from .sound import wav
from .test_encoding import spoken

KEY = "2026-11-21/abc/mix.wav"


def sound(content: bytes) -> Sound:
    sha256 = hashlib.sha256(content).hexdigest()
    return Sound(len(content), sha256, sha256)


TWO_SECONDS = wav(2)
SOUND = sound(TWO_SECONDS)


def test_a_folder_keeps_it_once(tmp_path):
    store = FolderStore(tmp_path / "recordings")
    for _ in range(2):
        kept = store.put(io.BytesIO(TWO_SECONDS), KEY, SOUND)
        assert kept == Kept(KEY, len(TWO_SECONDS), SOUND.sha256)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [tmp_path / "recordings" / KEY]
    assert files[0].read_bytes() == TWO_SECONDS
    with store.open(KEY) as file:
        assert file.read() == TWO_SECONDS


def test_a_folder_shows_nothing_half(tmp_path):
    store = FolderStore(tmp_path)
    with pytest.raises(StoreError, match="got 100 of 32044 bytes"):
        store.put(io.BytesIO(TWO_SECONDS[:100]), KEY, SOUND)
    assert not (tmp_path / KEY).exists()


def test_a_folder_that_reads_back_something_else_is_found_out(tmp_path):
    store = FolderStore(tmp_path)
    with pytest.raises(StoreError, match="reads back as something else"):
        store.put(io.BytesIO(TWO_SECONDS[:-1] + b"x"), KEY, SOUND)
    assert not (tmp_path / KEY).exists()


def test_a_folder_replaces_nothing(tmp_path):
    store = FolderStore(tmp_path)
    store.put(io.BytesIO(TWO_SECONDS), KEY, SOUND)
    other = wav(2, 9)
    with pytest.raises(StoreError, match="is there already, and is something else"):
        store.put(io.BytesIO(other), KEY, sound(other))
    assert (tmp_path / KEY).read_bytes() == TWO_SECONDS


def test_what_was_encoded_from_the_same_file_is_the_same(tmp_path):
    """Opus has a random number in each page."""
    store = FolderStore(tmp_path)
    content, measured = spoken(8000)
    kept = []
    for _ in range(2):
        with encode(io.BytesIO(content), measured, Format.OPUS) as file:
            encoded = file.read()
            file.seek(0)
            sha256 = hashlib.sha256(encoded).hexdigest()
            opus = Sound(len(encoded), sha256, measured.sha256, Format.OPUS)
            kept.append(store.put(file, "a.opus", opus))
    assert kept[0] == kept[1]
    there = (tmp_path / "a.opus").read_bytes()
    assert kept[1].sha256 == hashlib.sha256(there).hexdigest()


def test_what_is_deleted_is_gone(tmp_path):
    store = FolderStore(tmp_path)
    store.put(io.BytesIO(TWO_SECONDS), KEY, SOUND)
    for _ in range(2):
        store.delete(KEY)
    with pytest.raises(StoreError, match="No such file"):
        store.open(KEY)


@pytest.mark.parametrize("spoil", ["file", "link"])
def test_a_folder_that_cannot_be_used_says_so(tmp_path, spoil):
    if spoil == "file":
        (tmp_path / "2026-11-21").write_text("")
    else:
        (tmp_path / "2026-11-21/abc").mkdir(parents=True)
        (tmp_path / KEY).symlink_to(tmp_path / "secret")
    with pytest.raises(StoreError, match="the folder "):
        FolderStore(tmp_path).put(io.BytesIO(TWO_SECONDS), KEY, SOUND)
