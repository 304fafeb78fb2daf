import os

import pytest

from agent.storage.files import BadFile, open_plainly, replacing


def test_a_plain_file_opens(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    with open_plainly(tmp_path / "a") as file:
        assert file.read() == b"abc"


def test_what_is_not_plain_does_not(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadFile, match="link is a symbolic link"):
        open_plainly(tmp_path / "link")
    for name in ("folder", "pipe"):
        with pytest.raises(BadFile, match=f"{name} is not a regular file"):
            open_plainly(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        open_plainly(tmp_path / "missing")


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(ValueError), replacing(path) as file:
        file.write(b"ne")
        raise ValueError
    assert path.read_bytes() == b"old"
