"""The docs say what there is, all of it, and nothing that is not there."""

import os
import re
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

from agent.calls.ai import KEYS

ROOT = Path(__file__).parent.parent
SETTINGS = (ROOT / "docs" / "settings.md").read_text()
PAGES = {path: path.read_text() for path in (ROOT / "docs").glob("*.md")} | {
    ROOT / "README.md": (ROOT / "README.md").read_text()
}
EVERYTHING = "\n".join(PAGES.values())

# What the shell, the machine or a Dockerfile gives, and a script only uses.
GIVEN = {"HOME", "PATH", "PWD", "ID", "VERSION_CODENAME"}


def tracked() -> list[Path]:
    """Of the repository, what git has or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    paths = (ROOT / name for name in listed.split("\0") if name)
    return [path for path in paths if path.is_file()]


def documented(first_column: str) -> set[str]:
    """Names of that spelling at the head of a row."""
    rows = re.findall(rf"^\| `({first_column})` \|", SETTINGS, re.MULTILINE)
    assert len(rows) == len(set(rows)), "a row is there twice"
    return set(rows)


def of_the_agent() -> set[str]:
    rooms = ("environment.py", "settings.py")
    source = "".join((ROOT / "agent" / room).read_text() for room in rooms)
    return set(
        re.findall(
            r"""(?:values\.\w+|environment\.get)\(\s*"([A-Z][A-Z0-9_]+)\"""", source
        )
    )


def of_scripts() -> set[str]:
    read = set()
    for path in programs():
        lines = path.read_text().splitlines()
        text = "\n".join(line for line in lines if not line.startswith("#"))
        made = set(re.findall(r"^\s*(?:export )?([A-Z][A-Z0-9_]+)=", text, re.M))
        made |= set(re.findall(r"\b(?:for|read) (?:-r )?([A-Z][A-Z0-9_]+)\b", text))
        made -= set(re.findall(r"\$\{([A-Z][A-Z0-9_]+):[-?]", text))
        used = re.findall(r"\$\{?([A-Z][A-Z0-9_]+)(?![A-Z0-9_(])", text)
        used += re.findall(r"""environ(?:\.get)?[\[(]"([A-Z][A-Z0-9_]+)""", text)
        read |= set(used) - made
    return read - GIVEN


def programs() -> Iterable[Path]:
    for path in tracked():
        if path.parent.name == "scripts" or "docker" in path.parts[-3:-1]:
            if os.access(path, os.X_OK) and path.parent.parent.name != "tests":
                yield path


def of_asterisk() -> set[str]:
    text = (ROOT / "asterisk-conf" / "site.conf.example").read_text()
    return set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE))


def of_compose() -> set[str]:
    text = (ROOT / "compose.yaml").read_text()
    passed = re.findall(r"^ +([A-Z][A-Z0-9_]+):$", text, re.MULTILINE)
    shown = (ROOT / ".env.example").read_text()
    secrets = re.findall(r"^  ([A-Z0-9_]+): \{file:", text, re.MULTILINE)
    return {
        *re.findall(r"\$\{([A-Z][A-Z0-9_]+)", text.partition("\nname:")[2]),
        *passed,
        *re.findall(r"^([A-Z][A-Z0-9_]+)=", shown, re.MULTILINE),
    } - {f"{name}_FILE" for name in secrets}


READ = {
    "agent/settings.py": of_the_agent(),
    "scripts": of_scripts(),
    "asterisk-conf": of_asterisk(),
    "compose.yaml": of_compose(),
}


@pytest.mark.parametrize("reader", READ)
def test_every_variable_that_is_read_is_documented(reader):
    assert len(READ[reader]) > 3
    assert READ[reader] - documented("[A-Z][A-Z0-9_]+") == set()


def test_every_documented_variable_is_read():
    assert documented("[A-Z][A-Z0-9_]+") - set().union(*READ.values()) == set()


def test_defaults_are_those_of_the_code():
    rooms = ("environment.py", "settings.py")
    source = "".join((ROOT / "agent" / room).read_text() for room in rooms)
    for name, default in re.findall(
        r"""values\.(?:number|whole)\(\s*"(\w+)", ([0-9.-]+),""", source
    ):
        (row,) = re.findall(rf"^\| `{name}` \| ([^|]*) \|", SETTINGS, re.MULTILINE)
        assert f"`{default}`" in row, name


def test_every_key_of_an_ai_is_documented():
    assert documented("[a-z_]+") == set(KEYS)


def test_the_example_of_ais_can_be_read():
    from agent.calls.ai import read

    (example,) = re.findall(r"```toml\n(.*?)```", SETTINGS, re.DOTALL)
    assert tomllib.loads(example)
    assert set(read(example).by_name) == {"reception", "sales"}


def test_every_endpoint_is_documented(tmp_path):
    from agent.app import create_app
    from agent.settings import read_settings

    app = create_app(read_settings({"OFFHOOK_DATA": str(tmp_path)}))
    paths = [*app.openapi()["paths"], "/telephony/ws"]
    assert len(paths) > 5
    for path in paths:
        spelling = re.sub(r"\\\{\w+\\\}", r"[{}A-Za-z_]+", re.escape(path))
        assert re.search(rf"{spelling}(?![\w/])", EVERYTHING), path


def test_every_script_is_documented():
    scripts = [path for path in programs() if path.parent.name == "scripts"]
    assert len(scripts) > 10
    for path in scripts:
        assert f"scripts/{path.name}" in EVERYTHING, path.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)
            anchors = {
                re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
                for title in titles
            }
            assert heading in anchors, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_exists(page):
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:^|`|[A-Z]=\S+ )make (\w+)", PAGES[page], re.MULTILINE)
    assert set(named) <= targets


# Spelt so that this file does not hold them.
FORBIDDEN = ["py" + "pi.org", "python" + "hosted.org", "/wo" + "rk/", "/tmp" + "/w/"]
FORBIDDEN += ["deb." + "debian.org", "/ro" + "ot/"]


def test_nothing_names_a_registry_or_somebodys_machine():
    for path in tracked():
        text = path.read_bytes().decode(errors="replace")
        for word in FORBIDDEN:
            assert word not in text, path.relative_to(ROOT)
