import copy
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.models.errors import LockError, UnknownModel
from agent.models.lock import (
    File,
    Hub,
    Installed,
    Lock,
    Model,
    Wheel,
    WheelPart,
    lock,
    lock_text,
    read,
)

from .shelf import toml

HASH = "ab" * 32
EAR: dict[str, Any] = {
    "purpose": "hears",
    "licence": "MIT",
    "origin": "https://example.org",
    "files": [
        {
            "name": "ear.bin",
            "size": 7,
            "sha256": HASH,
            "sources": [
                {"hub": "makers/ear.en@v1.0/deep/ear.bin"},
                {"wheel": "ear-all==1.0/ear_all/ear.bin"},
                {"installed": "ear-kit/ear_kit/ear.bin"},
                {"wheel": ["ear-part1==1.0/a/ear.1", "ear-part2==1.0/b/ear.2"]},
            ],
        }
    ],
}
GOOD: dict[str, Any] = {
    "version": 1,
    "models": {"ear": EAR},
    "sets": {"default": ["ear"]},
}


def text(document: dict[str, Any]) -> str:
    return "\n".join(f"{key} = {toml(value)}" for key, value in document.items())


def changed(path: list[Any], value: Any) -> str:
    document = copy.deepcopy(GOOD)
    inside: Any = document
    for step in path[:-1]:
        inside = inside[step]
    if value is None:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    return text(document)


def test_reads_every_kind_of_source() -> None:
    sources = (
        Hub("makers/ear.en", "v1.0", "deep/ear.bin"),
        Wheel((WheelPart("ear-all", "1.0", "ear_all/ear.bin"),)),
        Installed("ear-kit", "ear_kit/ear.bin"),
        Wheel(
            (
                WheelPart("ear-part1", "1.0", "a/ear.1"),
                WheelPart("ear-part2", "1.0", "b/ear.2"),
            )
        ),
    )
    file = File("ear.bin", 7, HASH, sources)
    ear = Model("ear", "hears", "MIT", "https://example.org", (file,))
    assert read(text(GOOD)) == Lock({"ear": ear}, {"default": ("ear",)})


MODEL = ["models", "ear"]
FILE = [*MODEL, "files", 0]


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (["version"], 2, "models.lock has version 2; this reads 1"),
        (["version"], True, "version is True, not of type int"),
        (["sets"], None, "models.lock has no 'sets'"),
        (["sets"], {}, "sets has no 'default'"),
        (["sets", "small"], ["eye"], "set 'small' names 'eye', which is no model here"),
        (["sets", "small"], [], "set 'small' is [], not a list of model names"),
        (["sets", "ear"], ["ear"], "set 'ear' has the name of a model"),
        (["extra"], 1, "models.lock: unknown key 'extra'"),
        (["models", "../ear"], EAR, "name is '../ear', not letters"),
        (["models", "ear..x"], EAR, "name is 'ear..x', not letters"),
        (["models", ".lock"], EAR, "name is '.lock', not letters"),
        (["models", "eye"], 3, "model 'eye' is 3, not a table"),
        ([*MODEL, "licence"], None, "model 'ear' has no 'licence'"),
        ([*MODEL, "licence"], " ", "model 'ear': licence is empty"),
        ([*MODEL, "license"], "MIT", "model 'ear': unknown key 'license'"),
        ([*MODEL, "files"], [], "model 'ear' has no files"),
        ([*MODEL, "files"], [*EAR["files"]] * 2, "has two files of one name"),
        ([*FILE, "name"], "a/b", "file 1: name is 'a/b', not letters"),
        ([*FILE, "name"], "/etc", "file 1: name is '/etc', not letters"),
        ([*FILE, "size"], 0, "size is 0, not a number of bytes"),
        ([*FILE, "size"], "7", "size is '7', not of type int"),
        ([*FILE, "sha256"], HASH.upper(), "not 64 lower-case hexadecimal digits"),
        ([*FILE, "sha256"], HASH[1:], "not 64 lower-case hexadecimal digits"),
        ([*FILE, "sources"], [], "file 1 (ear.bin) has no sources"),
        (
            [*FILE, "sources", 0],
            "a/b",
            "source 1 is 'a/b', not one of { hub = ... }, {",
        ),
        ([*FILE, "sources", 0], {"ftp": "x"}, "source 1 is {'ftp': 'x'}, not"),
        (
            [*FILE, "sources", 0],
            {"hub": "ear@v1/ear.bin"},
            "hub is 'ear@v1/ear.bin', not OWNER/NAME@REVISION/PATH",
        ),
        (
            [*FILE, "sources", 1],
            {"wheel": ["ear==1.0/ok", "ear>=1.0/no"]},
            "source 2: wheel is 'ear>=1.0/no', not NAME==VERSION/PATH",
        ),
        ([*FILE, "sources", 1], {"wheel": [3]}, "source 2: wheel is 3, not"),
        ([*FILE, "sources", 1], {"wheel": []}, "source 2 is {'wheel': []}, not"),
        (
            [*FILE, "sources", 2],
            {"installed": "/etc/passwd"},
            "source 3: installed is '/etc/passwd', not PACKAGE/PATH",
        ),
        (
            [*FILE, "sources", 1],
            {"wheel": "--index-url==1/x"},
            "wheel is '--index-url==1/x', not NAME==VERSION/PATH",
        ),
        (
            [*FILE, "sources", 1],
            {"wheel": "ear==1.0/../../x"},
            "wheel is 'ear==1.0/../../x', not NAME==VERSION/PATH",
        ),
    ],
)
def test_a_wrong_lock_is_named(path: list[Any], value: Any, complaint: str) -> None:
    with pytest.raises(LockError, match=re.escape(complaint)):
        read(changed(path, value))


def test_not_toml() -> None:
    with pytest.raises(LockError, match="models.lock is not TOML: "):
        read("models = [")


@given(st.text(max_size=200))
def test_any_text_is_a_lock_or_a_lock_error(garbage: str) -> None:
    try:
        read(garbage)
    except LockError:
        pass


JSON = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner)
    ),
    max_leaves=5,
)
PLACES = st.sampled_from(
    [
        *([key] for key in GOOD),
        *([*MODEL, key] for key in EAR),
        *([*FILE, key] for key in EAR["files"][0]),
        *([*FILE, "sources", n] for n in range(4)),
        ["models", "ear"],
        ["sets", "default"],
    ]
)


@given(PLACES, JSON)
def test_a_lock_with_one_wrong_value_is_read_or_refused(
    place: list[Any], value: Any
) -> None:
    try:
        found = read(changed(place, value))
    except LockError:
        return
    assert set(found.sets["default"]) <= set(found.models)


NAMES = st.text(st.sampled_from("ab./\\~ \n%@=-_\u00e4"), max_size=8)


@given(NAMES, NAMES)
def test_no_name_leads_out_of_the_folder(model: str, file: str) -> None:
    ear = {**EAR, "files": [{**EAR["files"][0], "name": file}]}
    document = {"version": 1, "models": {model: ear}, "sets": {"default": [model]}}
    try:
        read(text(document))
    except LockError:
        return
    path = Path("/models", model, file)
    assert path.resolve() == path
    assert len(path.parts) == 4


def test_a_set_stands_for_its_models() -> None:
    lock = read(
        text({**GOOD, "models": {"ear": EAR, "eye": EAR}})  # fmt: skip
    )
    assert [each.name for each in lock.choose(["eye", "default", "eye"])] == [
        "eye",
        "ear",
    ]
    with pytest.raises(UnknownModel, match="'nose'; models: ear, eye; sets: default"):
        lock.choose(["nose"])
    with pytest.raises(UnknownModel, match="no model is called 'default'"):
        lock.model("default")


def test_the_shipped_lock() -> None:
    shipped = lock()
    assert shipped.sets["default"] == (
        "whisper-base",
        "piper-en_US-joe-medium",
        "qwen2.5-coder-0.5b",
        "silero-vad",
        "smart-turn-v3.2",
    )
    for model in shipped.models.values():
        for file in model.files:
            # A registry is not there for models: no file hangs on the hub alone,
            # and none without a wheel could be fetched where no hub is.
            assert any(isinstance(source, Wheel) for source in file.sources), file


def test_the_parts_of_a_file_are_counted_up() -> None:
    for model in lock().models.values():
        for file in model.files:
            for source in file.sources:
                if isinstance(source, Wheel) and len(source.parts) > 1:
                    numbers = [
                        int(re.findall(r"\d+", part.package)[-1])
                        for part in source.parts
                    ]
                    assert numbers == list(range(1, len(numbers) + 1))


def test_every_model_is_in_the_docs() -> None:
    docs = Path(__file__).parents[2].joinpath("docs/models.md").read_text()
    for model in lock().models.values():
        row = next(line for line in docs.splitlines() if f"`{model.name}`" in line)
        assert model.licence in row, row
        assert f"{model.size / 1e6:.0f} MB" in row, row


def test_every_revision_but_a_tag_is_a_commit() -> None:
    """`main` would move under us; the hash would notice, and the hub be useless."""
    revisions = {
        source.revision
        for model in lock().models.values()
        for file in model.files
        for source in file.sources
        if isinstance(source, Hub)
    }
    assert {each for each in revisions if not re.fullmatch(r"[0-9a-f]{40}", each)} == {
        "v1.0.0"
    }


def test_the_lock_travels_as_text() -> None:
    assert tomllib.loads(lock_text())["version"] == 1
