import errno
import os
import subprocess

import pytest

from agent.storage.files import (
    BadFile,
    move_away,
    open_plainly,
    replacing,
    still_written,
)


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


def test_whether_somebody_still_writes(tmp_path):
    path = tmp_path / "a"
    with open(path, "wb") as writer:
        writer.write(b"abc")
        with open_plainly(path) as file:
            assert still_written(file) is True
    with open_plainly(path) as file, open_plainly(path):
        assert still_written(file) is False
        # The lease is given back: writers are not kept waiting.
        with open(path, "ab") as writer:
            writer.write(b"d")


def test_whether_another_process_still_writes(tmp_path):
    path = tmp_path / "a"
    path.touch()
    with subprocess.Popen(
        ["sh", "-c", f"exec 3>>{path}; echo; read _"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as writer:
        writer.stdout.read(1)
        with open_plainly(path) as file:
            assert still_written(file) is True
            writer.communicate(b"\n", timeout=10)
            assert still_written(file) is False


def test_a_file_of_which_nobody_can_say_it(tmp_path, monkeypatch):
    def refuse(file, command, value):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("fcntl.fcntl", refuse)
    (tmp_path / "a").touch()
    with open_plainly(tmp_path / "a") as file:
        assert still_written(file) is None


@pytest.mark.parametrize("another_disk", [False, True])
def test_a_file_is_moved_and_replaces_nothing(tmp_path, monkeypatch, another_disk):
    def refuse(source, target):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    if another_disk:
        monkeypatch.setattr("os.rename", refuse)
    for text in ("first", "second", "third"):
        (tmp_path / "a").write_text(text)
        move_away(tmp_path / "a", tmp_path / "away")
    assert not (tmp_path / "a").exists()
    assert {path.name: path.read_text() for path in (tmp_path / "away").iterdir()} == {
        "a": "first",
        "a.2": "second",
        "a.3": "third",
    }
