import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.models.download import download
from agent.models.errors import SourceError, Unreachable, WrongFile
from agent.models.part import Part

from .shelf import EAR, Said, WebShelf, file, web_shelf

SIZE = len(EAR)


@pytest.fixture
def shelf() -> Iterator[WebShelf]:
    with web_shelf({"/ear.bin": EAR}) as shelf:
        yield shelf


def bring(
    address: str,
    target: Path,
    *,
    path: str = "/ear.bin",
    said: Said | None = None,
    read_seconds: float = 30,
) -> None:
    with Part(target, file("ear.bin", EAR)) as part:
        download(
            address + path,
            part,
            label="ear.bin",
            connect_seconds=2,
            read_seconds=read_seconds,
            progress=said or Said(),
        )
        part.publish()


def test_a_file(shelf: WebShelf, tmp_path: Path) -> None:
    said = Said()
    bring(shelf.address, tmp_path / "ear.bin", said=said)
    assert tmp_path.joinpath("ear.bin").read_bytes() == EAR
    assert shelf.asked == [("/ear.bin", "")]
    assert said.steps[-1] == ("ear.bin", SIZE, SIZE)


def test_a_cut_line_is_taken_up_where_it_fell(shelf: WebShelf, tmp_path: Path) -> None:
    shelf.cuts = [1000, 500]
    said = Said()
    bring(shelf.address, tmp_path / "ear.bin", said=said)
    assert tmp_path.joinpath("ear.bin").read_bytes() == EAR
    assert [wanted for _, wanted in shelf.asked] == ["", "bytes=1000-", "bytes=1500-"]
    assert len(said.lines) == 2
    assert f"after 1000 of {SIZE} bytes; going on from there" in said.lines[0]


def test_an_earlier_run_is_taken_up(shelf: WebShelf, tmp_path: Path) -> None:
    tmp_path.joinpath("ear.bin.part").write_bytes(EAR[:70_000])
    bring(shelf.address, tmp_path / "ear.bin")
    assert tmp_path.joinpath("ear.bin").read_bytes() == EAR
    assert shelf.asked == [("/ear.bin", "bytes=70000-")]


def test_an_earlier_run_that_had_it_all_asks_for_nothing(
    shelf: WebShelf, tmp_path: Path
) -> None:
    tmp_path.joinpath("ear.bin.part").write_bytes(EAR)
    bring(shelf.address, tmp_path / "ear.bin")
    assert tmp_path.joinpath("ear.bin").read_bytes() == EAR
    assert shelf.asked == []


def test_a_server_without_ranges_sends_it_all_again(
    shelf: WebShelf, tmp_path: Path
) -> None:
    shelf.ranges = False
    tmp_path.joinpath("ear.bin.part").write_bytes(EAR[:70_000])
    bring(shelf.address, tmp_path / "ear.bin")
    assert tmp_path.joinpath("ear.bin").read_bytes() == EAR


def test_a_part_that_the_server_cannot_continue_is_begun_again(
    shelf: WebShelf, tmp_path: Path
) -> None:
    shelf.files["/ear.bin"] = EAR[:100]
    tmp_path.joinpath("ear.bin.part").write_bytes(EAR[:70_000])
    with pytest.raises(SourceError, match=f"ended after 100 of {SIZE} bytes"):
        bring(shelf.address, tmp_path / "ear.bin")
    assert shelf.asked[:2] == [("/ear.bin", "bytes=70000-"), ("/ear.bin", "")]


def test_another_range_than_was_asked_for_is_not_taken(
    shelf: WebShelf, tmp_path: Path
) -> None:
    shelf.shift = 1
    tmp_path.joinpath("ear.bin.part").write_bytes(EAR[:70_000])
    bring(shelf.address, tmp_path / "ear.bin")
    assert tmp_path.joinpath("ear.bin").read_bytes() == EAR
    assert shelf.asked == [("/ear.bin", "bytes=70000-"), ("/ear.bin", "")]


def test_what_arrived_before_a_failure_is_kept(shelf: WebShelf, tmp_path: Path) -> None:
    shelf.cuts = [1000, 0]
    with pytest.raises(SourceError, match=f"after 1000 of {SIZE} bytes"):
        bring(shelf.address, tmp_path / "ear.bin")
    assert tmp_path.joinpath("ear.bin.part").read_bytes() == EAR[:1000]
    assert not tmp_path.joinpath("ear.bin").exists()


def test_a_line_that_drops_for_ever_is_given_up(
    shelf: WebShelf, tmp_path: Path
) -> None:
    shelf.cuts = [1] * 1000
    with pytest.raises(SourceError, match=f"after 20 of {SIZE} bytes"):
        bring(shelf.address, tmp_path / "ear.bin")


def test_more_than_the_file_is_not_taken(shelf: WebShelf, tmp_path: Path) -> None:
    shelf.files["/ear.bin"] = EAR + b"and more"
    with pytest.raises(WrongFile, match=f"more than the {SIZE} bytes"):
        bring(shelf.address, tmp_path / "ear.bin")
    assert list(tmp_path.iterdir()) == []


def test_not_found(shelf: WebShelf, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="answered 404 Not Found"):
        bring(shelf.address, tmp_path / "ear.bin", path="/nose.bin")
    assert list(tmp_path.iterdir()) == []


def test_follows_the_hub_to_where_it_stores_files(
    shelf: WebShelf, tmp_path: Path
) -> None:
    shelf.moved = {"/resolve/ear.bin": "/ear.bin"}
    bring(shelf.address, tmp_path / "ear.bin", path="/resolve/ear.bin")
    assert tmp_path.joinpath("ear.bin").read_bytes() == EAR


def test_silence_has_an_end(shelf: WebShelf, tmp_path: Path) -> None:
    shelf.silent = True
    with pytest.raises(SourceError, match=f"timed out, after 0 of {SIZE} bytes"):
        bring(shelf.address, tmp_path / "ear.bin", read_seconds=0.2)


def test_nobody_there(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unreachable, match="no connection: .*refused"):
            bring(address, tmp_path / "ear.bin")


def test_certificates_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "no.pem"))
    with pytest.raises(SourceError, match="cannot set up HTTP: .*No such file"):
        bring("https://127.0.0.1:1", tmp_path / "ear.bin")


def test_an_address_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="Invalid port: 'port'"):
        bring("http://127.0.0.1:port", tmp_path / "ear.bin")
