from pathlib import Path

import pytest

from agent.models.errors import WrongFile
from agent.models.part import Part, digest

from .shelf import file, sha256

TEN = b"0123456789"
TEN_FILE = file("ten.bin", TEN)


def test_a_right_file_is_published_and_nothing_else_stays(tmp_path: Path) -> None:
    target = tmp_path / "model" / "ten.bin"
    with Part(target, TEN_FILE) as part:
        part.write(TEN[:4])
        assert not target.exists()
        part.write(TEN[4:])
        part.publish()
    assert target.read_bytes() == TEN
    assert list(target.parent.iterdir()) == [target]


def test_what_arrived_is_kept_and_counted(tmp_path: Path) -> None:
    target = tmp_path / "ten.bin"
    with Part(target, TEN_FILE) as part:
        part.write(TEN[:4])
    with Part(target, TEN_FILE) as part:
        assert part.have == 4
        part.write(TEN[4:])
        part.publish()
    assert target.read_bytes() == TEN


@pytest.mark.parametrize(
    ("writes", "complaint"),
    [
        ([b"01234"], "5 bytes came, models.lock says 10"),
        ([b"9876543210"], f"SHA-256 is {sha256(b'9876543210')}, models.lock says "),
        ([TEN, b"more"], "more than the 10 bytes of models.lock came"),
    ],
)
def test_a_wrong_file_is_refused_and_deleted(
    tmp_path: Path, writes: list[bytes], complaint: str
) -> None:
    target = tmp_path / "ten.bin"
    target.write_bytes(b"the old one")
    with Part(target, TEN_FILE) as part:
        with pytest.raises(WrongFile, match=complaint):
            for chunk in writes:
                part.write(chunk)
            part.publish()
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() == b"the old one"


def test_a_part_longer_than_the_file_is_of_something_else(tmp_path: Path) -> None:
    tmp_path.joinpath("ten.bin.part").write_bytes(b"x" * 11)
    with Part(tmp_path / "ten.bin", TEN_FILE) as part:
        assert part.have == 0
        part.write(TEN)
        part.publish()
    assert tmp_path.joinpath("ten.bin").read_bytes() == TEN


def test_digest(tmp_path: Path) -> None:
    path = tmp_path / "ten.bin"
    path.write_bytes(TEN)
    seen: list[int] = []
    assert digest(path, seen.append) == sha256(TEN)
    assert seen == [10]
