"""The Dockerfiles, without building them."""

import re

import pytest

from .files import DOCKERFILES, ROOT, copied, ignored, instructions, interpolated

pytestmark = pytest.mark.parametrize(
    "dockerfile", DOCKERFILES, ids=[each.parent.name for each in DOCKERFILES]
)


def last(dockerfile, word):
    return [rest for each, rest in instructions(dockerfile) if each == word][-1]


def test_what_is_copied_is_there(dockerfile):
    paths = list(copied(dockerfile))
    assert paths
    for path in paths:
        assert (ROOT / path).exists(), path
        assert not ignored(path), f"{path} is kept out by .dockerignore"


def test_programs_can_be_run(dockerfile):
    for path in copied(dockerfile):
        if path.startswith(("docker/", "scripts/")):
            assert (ROOT / path).stat().st_mode & 0o111, path


def test_it_does_not_run_as_root(dockerfile):
    assert last(dockerfile, "USER") not in ("root", "0")


def test_it_stops_and_is_looked_after(dockerfile):
    assert last(dockerfile, "STOPSIGNAL") == "SIGTERM"
    assert re.search(r"CMD \[\"[a-z-]+-healthy\"\]$", last(dockerfile, "HEALTHCHECK"))


def test_bases_are_named_and_can_be_replaced(dockerfile):
    (base,) = [
        rest.removeprefix("BASE=")
        for word, rest in instructions(dockerfile)
        if word == "ARG" and rest.startswith("BASE=")
    ]
    assert re.fullmatch(r"debian:[a-z]+-slim", base)
    froms = {
        rest.split(" AS ")[0]
        for word, rest in instructions(dockerfile)
        if word == "FROM"
    }
    assert froms == {"${BASE}"}


def test_asterisk_has_the_version_that_compose_names(dockerfile):
    if dockerfile.parent.name != "asterisk":
        assert "ASTERISK" not in dockerfile.read_text()
        return
    (pinned,) = [
        rest.removeprefix("ASTERISK_VERSION=")
        for word, rest in instructions(dockerfile)
        if word == "ARG" and rest.startswith("ASTERISK_VERSION=")
    ]
    assert interpolated()["ASTERISK_VERSION"] == f":-{pinned}"
    (packages,) = [
        re.findall(r'"(\S+)=\$ASTERISK_VERSION"', rest)
        for word, rest in instructions(dockerfile)
        if "apt-get install" in rest
    ]
    assert packages == ["asterisk", "asterisk-modules"]


def test_what_is_installed_is_what_the_lock_says(dockerfile):
    """Packages that the lock leaves out on purpose are asked for by others in it."""
    for _, rest in instructions(dockerfile):
        if "pip install" in rest:
            assert "--no-deps --require-hashes --only-binary :all:" in rest


def test_no_secret_is_baked_in(dockerfile):
    for word, rest in instructions(dockerfile):
        if word in ("ARG", "ENV"):
            assert not re.search("PASSWORD|SECRET|TOKEN|KEY", rest), rest


def test_both_have_the_same_owner_of_recordings(dockerfile):
    uids = {
        rest
        for each in DOCKERFILES
        for word, rest in instructions(each)
        if word == "ARG" and rest.startswith("UID=")
    }
    assert len(uids) == 1
    assert 'useradd --system --uid "$UID"' in dockerfile.read_text().replace("\\\n", "")


def test_nothing_private_reaches_the_builder(dockerfile):
    assert not ignored("docker")
    for path in (
        ".env",
        ".git/config",
        "var/offhook.db",
        "models/x.gguf",
        "tests/x.py",
        "secrets/ARI_PASSWORD",
    ):
        assert ignored(path), path
