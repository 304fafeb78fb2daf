import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.models.config import ModelsConfig
from agent.models.errors import BundleError, MissingModel
from agent.models.lock import lock_text
from agent.models.store import Store

from .shelf import EAR, LOCK, WORDS, Said, put, put_all, sha256


def store(folder: Path) -> Store:
    return Store(ModelsConfig(folder), LOCK)


@pytest.fixture
def full(tmp_path: Path) -> Store:
    put_all(tmp_path / "full")
    return store(tmp_path / "full")


@pytest.fixture
def bare(tmp_path: Path) -> Store:
    return store(tmp_path / "bare")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tmp_path / "models.tar"


def test_there_and_back(full: Store, bare: Store, archive: Path) -> None:
    full.bundle(archive, ["voice", "ear"], Said())
    assert list(bare.unbundle(archive, Said())) == ["ear", "voice"]
    assert bare.verify(["ear", "voice"]) == ()


def test_only_what_was_chosen(full: Store, bare: Store, archive: Path) -> None:
    full.bundle(archive, ["voice"])
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["models.lock", "voice/voice.onnx"]
        lock = tar.extractfile("models.lock")
        assert lock is not None
        assert lock.read().decode() == lock_text()
    assert list(bare.unbundle(archive)) == ["voice"]
    assert not bare.present("ear")


def test_the_same_models_are_the_same_bytes(full: Store, tmp_path: Path) -> None:
    put_all(tmp_path / "later")
    tmp_path.joinpath("later/ear/ear.bin").chmod(0o600)
    full.bundle(tmp_path / "one.tar", ["ear", "voice"])
    store(tmp_path / "later").bundle(tmp_path / "two.tar", ["voice", "ear"])
    one = tmp_path.joinpath("one.tar").read_bytes()
    assert one == tmp_path.joinpath("two.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as tar:
        for member in tar:
            assert (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 420)
            assert (member.uname, member.gname) == ("", "")


def test_a_damaged_model_is_not_packed(full: Store, archive: Path) -> None:
    put(full.config.folder, "ear/ear.bin", EAR[::-1])
    with pytest.raises(BundleError, match="ear/ear.bin is damaged .* models fetch ear"):
        full.bundle(archive, ["ear"])
    assert not list(archive.parent.glob("models.tar*"))


def test_a_missing_model_is_not_packed(bare: Store, archive: Path) -> None:
    with pytest.raises(MissingModel, match="no model 'ear'"):
        bare.bundle(archive, ["ear"])


Add = Callable[[tarfile.TarFile], None]


def plain(name: str, content: bytes) -> Add:
    def add(tar: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))

    return add


def link(name: str, kind: bytes, target: str = "/etc/passwd") -> Add:
    def add(tar: tarfile.TarFile) -> None:
        member = tarfile.TarInfo(name)
        member.type = kind
        member.linkname = target
        tar.addfile(member)

    return add


EAR_MEMBERS = [plain("ear/ear.bin", EAR), plain("ear/words.json", WORDS)]
UNKNOWN = "in the bundle is no file of a model that this Offhook knows"


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        # A good model before a bad member is not unpacked either.
        ([*EAR_MEMBERS, plain("../../x", EAR)], f"'../../x' {UNKNOWN}"),
        ([plain("../ear.bin", EAR)], f"'../ear.bin' {UNKNOWN}"),
        ([plain("ear/../../ear.bin", EAR)], UNKNOWN),
        ([plain("/ear/ear.bin", EAR)], f"'/ear/ear.bin' {UNKNOWN}"),
        ([plain("./ear/ear.bin", EAR)], UNKNOWN),
        ([plain("ear/run.sh", b"#!")], f"'ear/run.sh' {UNKNOWN}"),
        ([plain("nose/nose.bin", b"")], UNKNOWN),
        ([link("ear/ear.bin", tarfile.SYMTYPE)], "is not a plain file"),
        ([link("ear/ear.bin", tarfile.LNKTYPE)], "is not a plain file"),
        ([link("ear", tarfile.SYMTYPE, "/tmp")], "'ear' in the bundle is not a plain"),
        ([link("ear", tarfile.DIRTYPE)], "'ear' in the bundle is not a plain file"),
        ([link("ear/ear.bin", tarfile.FIFOTYPE)], "is not a plain file"),
        ([plain("ear/ear.bin", EAR)] * 2, "'ear/ear.bin' is in the bundle twice"),
        ([plain("ear/ear.bin", EAR[1:])], "76799 bytes, models.lock says 76800"),
        ([plain("ear/ear.bin", EAR)], "'ear/words.json' is not in the bundle, and its"),
        ([plain("models.lock", b"")], "no model is in the bundle"),
        ([], "no model is in the bundle"),
    ],
)
def test_a_strange_bundle_is_refused_before_anything_is_written(
    bare: Store, archive: Path, members: list[Add], complaint: str
) -> None:
    with tarfile.open(archive, "w") as tar:
        for add in members:
            add(tar)
    with pytest.raises(BundleError, match=complaint):
        bare.unbundle(archive)
    assert [path.name for path in bare.config.folder.rglob("*")] == [".lock"]


def test_a_wrong_hash_is_refused(bare: Store, archive: Path) -> None:
    wrong = EAR[::-1]
    with tarfile.open(archive, "w") as tar:
        plain("ear/ear.bin", wrong)(tar)
        EAR_MEMBERS[1](tar)
    with pytest.raises(
        BundleError, match=f"'ear/ear.bin' .*SHA-256 is {sha256(wrong)}"
    ):
        bare.unbundle(archive)
    assert not bare.on_disk()


def test_not_an_archive(bare: Store, archive: Path) -> None:
    archive.write_bytes(b"PK\3\4 something else" * 100)
    with pytest.raises(BundleError, match="models.tar is not a bundle of models: "):
        bare.unbundle(archive)


def test_a_truncated_archive(full: Store, bare: Store, archive: Path) -> None:
    full.bundle(archive, ["ear"])
    archive.write_bytes(archive.read_bytes()[:40_000])
    with pytest.raises(BundleError):
        bare.unbundle(archive)
    assert not bare.on_disk()


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_a_damaged_archive_never_makes_a_wrong_model(
    full: Store, tmp_path: Path, data: st.DataObject
) -> None:
    archive = tmp_path / "models.tar"
    full.bundle(archive, ["voice"])
    content = bytearray(archive.read_bytes())
    for _ in range(3):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    archive.write_bytes(content)
    other = store(tmp_path / "other")
    try:
        other.unbundle(archive)
    except BundleError:
        pass
    assert other.verify() == ()
    assert not tmp_path.joinpath("other/voice/voice.onnx.part").exists()
