import fcntl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.models.config import ModelsConfig
from agent.models.errors import FetchError, MissingModel, UnknownModel
from agent.models.store import Store

from .shelf import (
    EAR,
    LOCK,
    ON_HUB,
    Said,
    WebShelf,
    brought_wheels,
    put,
    put_all,
    sha256,
    web_shelf,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def hub() -> Iterator[WebShelf]:
    with web_shelf(ON_HUB) as shelf:
        yield shelf


def store(folder: Path, *, hub: str = "", wait_seconds: float = 60) -> Store:
    config = ModelsConfig(
        folder,
        hub=hub,
        pip_arguments=("--no-index", "--find-links", str(folder.parent / "registry")),
        wait_seconds=wait_seconds,
    )
    return Store(config, LOCK)


def test_a_model_that_is_here(folder: Path) -> None:
    put_all(folder)
    assert store(folder).present("ear")
    assert store(folder).path("ear") == folder / "ear"
    assert store(folder).verify() == ()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, r"\(ear/ear.bin: missing\)"),
        (b"short", rf"\(ear/ear.bin: 5 bytes, models.lock says {len(EAR)}\)"),
    ],
)
def test_a_missing_model_says_how_to_get_it(
    folder: Path, content: bytes | None, complaint: str
) -> None:
    if content is not None:
        put(folder, "ear/ear.bin", content)
    put(folder, "ear/words.json", b"")
    assert not store(folder).present("ear")
    with pytest.raises(MissingModel, match=complaint) as missing:
        store(folder).path("ear")
    assert str(missing.value).startswith(f"no model 'ear' in {folder} (")
    assert str(missing.value).endswith("; to get it: offhook models fetch ear")


def test_an_unknown_model_is_not_a_missing_one(folder: Path) -> None:
    with pytest.raises(UnknownModel, match="no model is called 'nose'; models: ear, v"):
        store(folder).path("nose")


def test_fetch_brings_the_default_set(hub: WebShelf, folder: Path) -> None:
    said = Said()
    store(folder, hub=hub.address).fetch(progress=said)
    assert store(folder).present("ear")
    assert not store(folder).present("voice")
    assert said.lines[-1] == "ear: fetched (0.1 MB)"
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "ear"]


def test_fetch_leaves_no_wheels_behind(folder: Path) -> None:
    brought_wheels(folder)
    store(folder).fetch(["ear"])
    assert sorted(path.name for path in folder.iterdir()) == [".lock", "ear"]
    assert store(folder).verify() == ()


def test_what_is_here_is_not_asked_for(hub: WebShelf, folder: Path) -> None:
    put_all(folder)
    before = sorted(folder.rglob("*"))
    said = Said()
    store(folder, hub=hub.address).fetch(["ear", "voice"], said)
    assert hub.asked == []
    assert said.lines == ["ear: is here (0.1 MB)", "voice: is here (0.0 MB)"]
    # Nothing was written, not even a lock: the folder may be read-only.
    assert sorted(folder.rglob("*")) == before


def test_fetch_mends_a_damaged_file_and_only_that(hub: WebShelf, folder: Path) -> None:
    put_all(folder)
    put(folder, "ear/ear.bin", EAR[::-1])
    store(folder, hub=hub.address).fetch(["ear", "voice"])
    assert hub.paths == ["/makers/ear/resolve/v1/ear.bin"]
    assert store(folder).verify() == ()


def test_one_failure_does_not_stop_the_others(hub: WebShelf, folder: Path) -> None:
    hub.files["/makers/ear/resolve/v1/ear.bin"] = b"other"
    with pytest.raises(FetchError, match="ear/ear.bin: no source gave it"):
        store(folder, hub=hub.address).fetch(["ear", "voice"])
    assert not store(folder).present("ear")
    assert store(folder).present("voice")


def test_verify_names_what_is_wrong(folder: Path) -> None:
    put_all(folder)
    put(folder, "ear/ear.bin", EAR[::-1])
    put(folder, "voice/voice.onnx", b"short")
    assert [str(fault) for fault in store(folder).verify()] == [
        f"ear/ear.bin: SHA-256 is {sha256(EAR[::-1])}, models.lock says {sha256(EAR)}",
        "voice/voice.onnx: 5 bytes, models.lock says 10000",
    ]
    assert store(folder).present("ear"), "present only looks"


def test_verify_of_all_leaves_out_what_was_never_here(folder: Path) -> None:
    put(folder, "ear/ear.bin", EAR)
    assert [each.name for each in store(folder).on_disk()] == ["ear"]
    assert [str(each) for each in store(folder).verify()] == ["ear/words.json: missing"]
    assert [str(each) for each in store(folder).verify(["voice"])] == [
        "voice/voice.onnx: missing"
    ]


def test_two_fetches_at_once_ask_once(hub: WebShelf, folder: Path) -> None:
    hub.silent = True
    first, second = Said(), Said()
    threads = [
        threading.Thread(
            target=store(folder, hub=hub.address).fetch, args=(["ear", "voice"], said)
        )
        for said in (first, second)
    ]
    threads[0].start()
    assert hub.was_asked.wait(30)  # the first one holds the folder now
    threads[1].start()
    assert second.spoke.wait(30)
    assert second.lines == [f"another fetch is at work in {folder}: waiting"]
    hub.silent = False
    hub.speak.set()
    for thread in threads:
        thread.join(30)
    assert sorted(hub.paths) == sorted(ON_HUB)
    assert second.lines[1:] == [
        "ear: is here by now (0.1 MB)",
        "voice: is here by now (0.0 MB)",
    ]
    assert store(folder).verify(["ear", "voice"]) == ()


def test_another_fetch_is_not_waited_for_for_ever(hub: WebShelf, folder: Path) -> None:
    folder.mkdir()
    with folder.joinpath(".lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(FetchError, match="another fetch has held .* for 0 s"):
            store(folder, hub=hub.address, wait_seconds=0).fetch(["ear"])
    store(folder, hub=hub.address, wait_seconds=0).fetch(["ear"])


HOME = ModelsConfig(Path.home() / ".cache/offhook/models")


@pytest.mark.models
@pytest.mark.parametrize("name", Store(HOME).lock.sets["default"])
def test_the_default_models_of_this_machine(name: str) -> None:
    if not Store(HOME).present(name):
        pytest.skip(f"no {name} in {HOME.folder}: offhook models fetch")
    assert Store(HOME).verify([name]) == ()
