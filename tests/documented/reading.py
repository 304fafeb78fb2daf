"""The commands that README.md and docs/*.md show: what is meant to be typed."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

SHELL = ("sh", "console")
"""Blocks whose lines are typed; of `console`, those behind a `$`."""
OTHERS = ("", "dotenv", "js", "json", "python", "sql", "toml", "yaml")

_PROGRAM = re.compile(
    r"""
    (?:\w+=\S*\s+)*
    (?: (?:\.venv/bin/)?(?:offhook|python3?) | scripts/[\w.-]+ | docker/new-env | make
      | docker | curl | git | pip | sqlite3 | psql | pg_dump | pg_restore | tail | dmesg
      | systemctl | systemd-analyze | journalctl | tcpdump | asterisk(?=\ -)
      | runuser | cp
    ) \s+ \S
    """,
    re.VERBOSE,
)
_CONSOLE = re.compile(r"(?:core|pjsip|rtp|rtcp) (?:show|set) ")
"""Typed at Asterisk's own prompt."""
_VERBS = r"offhook(?: [a-z]+){1,2}"
"""The name of a command, or all of it: in a sentence it is not meant to be typed."""


@dataclass(frozen=True, slots=True)
class Block:
    language: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Command:
    text: str
    where: str


def commands() -> Iterator[Command]:
    """All of them, as often as they are there."""
    for page in PAGES:
        text = page.read_text()
        for block in blocks(text):
            if block.language in SHELL:
                for command in typed(block):
                    yield Command(command, f"{page.name}:{block.line}")
        for line, span in spans(text):
            if is_typed(span) and not is_name(span):
                yield Command(span, f"{page.name}:{line}")


def names() -> set[str]:
    """Of verbs of `offhook`, as sentences mention them."""
    return {
        span for page in PAGES for _, span in spans(page.read_text()) if is_name(span)
    }


def is_typed(span: str) -> bool:
    return bool(_PROGRAM.match(span) or _CONSOLE.match(span))


def is_name(span: str) -> bool:
    return re.fullmatch(_VERBS, span) is not None


def blocks(page: str) -> Iterator[Block]:
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        yield Block(found[1], found[2], page[: found.start()].count("\n") + 1)


def hidden() -> Iterator[Command]:
    """What looks like a command in a block of another kind, or merely indented."""
    for page in PAGES:
        text = page.read_text()
        for block in blocks(text):
            if block.language not in SHELL:
                for line in block.text.splitlines():
                    if line.startswith("$ ") or _PROGRAM.match(line):
                        yield Command(line, f"{page.name}:{block.line}")
        for number, line in enumerate(_without_blocks(text).splitlines(), 1):
            if line.startswith((" " * 4, "\t")) and _PROGRAM.match(line.strip()):
                yield Command(line, f"{page.name}:{number}")


def typed(block: Block) -> Iterator[str]:
    """Command by command: a line, or as many as the shell needs for a whole one."""
    lines = block.text.splitlines()
    if block.language == "console":
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    so_far: list[str] = []
    for line in lines:
        said = re.sub(r"(?:^|\s+)# .*$", "", line).strip()
        if not said:
            continue
        so_far.append(said)
        text = "\n".join(so_far).replace("\\\n", "")
        if not said.endswith("\\") and _whole(text):
            yield _even(text)
            so_far = []
    assert not so_far, f"not a whole command, line {block.line}: {so_far}"


def spans(page: str) -> Iterator[tuple[int, str]]:
    """What stands between backticks outside of blocks, with its line."""
    text = _without_blocks(page)
    for found in re.finditer(r"`([^`]+)`", text):
        said = _even(" ".join(found[1].split()).replace("\\|", "|"))
        yield text[: found.start()].count("\n") + 1, said


def _whole(text: str) -> bool:
    return subprocess.run(["sh", "-n", "-c", text], capture_output=True).returncode == 0


def _even(text: str) -> str:
    return re.sub(r"[ \t]+", " ", text)


def _without_blocks(page: str) -> str:
    return re.sub(
        r"^```.*?^```$",
        lambda found: "\n" * found[0].count("\n"),
        page,
        flags=re.MULTILINE | re.DOTALL,
    )
