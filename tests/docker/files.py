"""The files under test, read as what they are."""

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILES = sorted((ROOT / "docker").glob("*/Dockerfile"))

SECRETS = {
    "OFFHOOK_MEDIA_PASSWORD": "media",
    "EXTENSION_100_PASSWORD": "hundred",
    "EXTENSION_101_PASSWORD": "hundred and one",
    "ARI_PASSWORD": "ari",
    "AMI_PASSWORD": "ami",
}
"""The least that Asterisk and the agent need to be told."""

PROFILES = ("postgres", "s3", "noise", "local-ai", "observability", "web")


def compose() -> Mapping[str, Any]:
    return yaml.load((ROOT / "compose.yaml").read_text(), _Strict)


class _Strict(yaml.SafeLoader):
    """Refuses a key that is there twice, of which YAML's last one would win."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"twice in compose.yaml: {sorted(keys)}"
        return super().construct_mapping(node, deep)


def services() -> Mapping[str, Mapping[str, Any]]:
    return compose()["services"]


def interpolated() -> Mapping[str, str]:
    """Each ${NAME} of compose.yaml, with what follows the name."""
    text = (ROOT / "compose.yaml").read_text()
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return dict(re.findall(r"\$\{([A-Z][A-Z0-9_]*)([^}]*)\}", "\n".join(lines)))


def environment(service: str) -> Mapping[str, str | None]:
    """Of a service, in either notation of compose."""
    given = services()[service].get("environment", {})
    if isinstance(given, list):
        return dict(each.split("=", 1) for each in given)
    return given


def passed_on() -> set[str]:
    """Variables that containers get from .env under the same name, or not at all."""
    return {
        name
        for service in services()
        for name, value in environment(service).items()
        if value is None
    }


def secrets_of(service: str) -> set[str]:
    """Names of the secrets that a service is given."""
    given = services()[service].get("secrets", [])
    return {each if isinstance(each, str) else each["source"] for each in given}


def explained() -> Mapping[str, str]:
    """Each variable of .env.example, with its value there."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    pairs = [line.split("=", 1) for line in lines if line and line[0] != "#"]
    assert len(pairs) == len(dict(pairs)), "a variable is in .env.example twice"
    return dict(pairs)


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """(COPY, the rest of it) and so on, each on one line."""
    text = dockerfile.read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            word, rest = line.split(None, 1)
            yield word, " ".join(rest.split())


def copied(dockerfile: Path) -> Iterator[str]:
    """The paths of the repository that go into the image."""
    for word, rest in instructions(dockerfile):
        if word == "COPY" and not rest.startswith("--from="):
            yield from rest.split()[:-1]


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps it out. The last line that matches decides."""
    verdict = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        kept = line.startswith("!")
        if any(_matches(part, line.lstrip("!")) for part in _with_parents(path)):
            verdict = not kept
    return verdict


def _with_parents(path: str) -> Sequence[str]:
    parts = path.split("/")
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def _matches(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch(path.rsplit("/", 1)[-1], pattern[3:])
    same_depth = path.count("/") == pattern.count("/")
    return same_depth and fnmatch(path, pattern)
