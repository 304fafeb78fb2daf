import io

import pytest

from agent.storage.stores import FolderStore, StoreError
from agent.storage.wav import Measured

from .sound import wav

KEY = "2026-11-21/abc/mix.wav"
SOUND = wav(2)
MEASURED = Measured(len(SOUND), 2.0, "5" * 64)


def test_a_folder_keeps_it(tmp_path):
    store = FolderStore(tmp_path / "recordings")
    for _ in range(2):
        assert store.put(io.BytesIO(SOUND), KEY, MEASURED) == KEY
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [tmp_path / "recordings" / KEY]
    assert files[0].read_bytes() == SOUND


def test_a_folder_shows_nothing_half(tmp_path):
    store = FolderStore(tmp_path)
    with pytest.raises(StoreError, match="got 100 of 32044 bytes"):
        store.put(io.BytesIO(SOUND[:100]), KEY, MEASURED)
    assert not (tmp_path / KEY).exists()
