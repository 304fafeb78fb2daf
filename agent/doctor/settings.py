"""The environment: names that nobody reads, values refused or without effect."""

import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

from agent.contradictions import idle
from agent.settings import refusals
from agent.variables import KNOWN, masked, unknown

from .finding import Finding, error, ok, warning
from .site import Site
from .storage import ais_of_database

_UNSEEN = re.compile(r"[\u00a0\u200b-\u200f\u2018-\u201f\u2028-\u202e\u2060\ufeff]")
"""Spaces of no width, and quotes of typesetters."""
_UNFILLED = re.compile(r"\$\{?\w+\}?|<[^<>]*>|@[A-Z_]+@")


def names(site: Site) -> Iterator[Finding]:
    for name, near in unknown(site.variables):
        yield error(
            f"nobody reads {name}" + (f"; there is {near}" if near else ""),
            name,
            f"Write {near} instead." if near else "Delete it.",
        )


def accepted(site: Site) -> Iterator[Finding]:
    settings = site.settings
    if settings is None:
        yield error(
            f"the agent does not start: {site.refused}",
            site.refused_by,
            _mends(site.refused),
        )
        return
    refused = refusals(settings, site.variables)
    for each in refused:
        yield error(each.what, each.variable, each.mends)
    if not refused:
        yield ok("the settings are accepted")
    for name, reason in idle(site.variables):
        yield warning(
            f"{name} has no effect: {reason}", name, "Delete it, or set that."
        )


def _mends(refused: str) -> str:
    if "unknown key 'default'" in refused:
        return "Move default = ... above the first [ai.NAME]: below it is a key of it."
    if found := re.search(r"(\S+/\d+) has host bits set", refused):
        return f"Write {ip_network(found[1], strict=False)}."
    if "OFFHOOK_COUNTRY is 'UK'" in refused:
        return "Write GB, which is the United Kingdom's."
    return "Correct this variable; docs/settings.md says what is expected."


_OTHERS = {
    "OPENAI_API_BASE": "OPENAI_BASE_URL",
    "OPENAI_BASEURL": "OPENAI_BASE_URL",
    "OPENAI_API_BASE_URL": "OPENAI_BASE_URL",
    "OPENAI_URL": "OPENAI_BASE_URL",
    "OPENAI_KEY": "OPENAI_API_KEY",
    "OPENAI_MODEL_NAME": "OPENAI_MODEL",
    "OLLAMA_HOST": "OLLAMA_BASE_URL",
    "OLLAMA_URL": "OLLAMA_BASE_URL",
    "VLLM_URL": "VLLM_BASE_URL",
    "S3_ENDPOINT": "S3_ENDPOINT_URL",
    "S3_URL": "S3_ENDPOINT_URL",
    "AWS_ENDPOINT_URL": "S3_ENDPOINT_URL",
    "S3_BUCKET_NAME": "S3_BUCKET",
    "AWS_BUCKET": "S3_BUCKET",
    "S3_REGION": "AWS_REGION",
    "AWS_DEFAULT_REGION": "AWS_REGION",
    "S3_ACCESS_KEY": "AWS_ACCESS_KEY_ID",
    "S3_ACCESS_KEY_ID": "AWS_ACCESS_KEY_ID",
    "AWS_ACCESS_KEY": "AWS_ACCESS_KEY_ID",
    "S3_SECRET_KEY": "AWS_SECRET_ACCESS_KEY",
    "S3_SECRET_ACCESS_KEY": "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY": "AWS_SECRET_ACCESS_KEY",
    "DB_URL": "DATABASE_URL",
    "POSTGRES_URL": "DATABASE_URL",
    "DATABASE_URI": "DATABASE_URL",
}
"""Names that other programs have for the same; on the right is ours."""


def _of_storage(name: str, site: Site) -> bool:
    return not name.startswith(("S3_", "AWS_")) or bool(site.variables.get("S3_BUCKET"))


def others(site: Site) -> Iterator[Finding]:
    """Names of other programs, where ours is not set."""
    for name, ours in _OTHERS.items():
        value = site.variables.get(name)
        bucket = ours == "S3_BUCKET" or _of_storage(name, site)
        if value and bucket and not site.variables.get(ours):
            yield warning(
                f"nobody reads {name}; there is {ours}", name, f"Write {ours} instead."
            )


def written(site: Site) -> Iterator[Finding]:
    """What the reader of a file left in a value: quotes, comments, signs that nobody
    sees."""
    ours = {*site.variables.read, *KNOWN}
    for name in site.variables:
        value = site.variables[name].strip()
        if name.removesuffix("_FILE") not in ours or not value:
            continue
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            yield error(
                f"the quotes around {name} are part of it",
                name,
                "Write the value without quotes.",
            )
        elif re.search(r"\s#", value) and masked(name, value) == value:
            yield error(
                f"{name} is {value!r}: the comment is part of it",
                name,
                "Put the comment on a line of its own.",
            )
        elif sign := _UNSEEN.search(value):
            yield error(
                f"{name} has a sign in it that nobody sees (U+{ord(sign[0]):04X})",
                name,
                "Type the value anew; it was copied from a page or a letter.",
            )
        elif _UNFILLED.fullmatch(value):
            yield error(
                f"{name} was never filled in, or nobody put a variable in",
                name,
                "Write the value itself.",
            )


def without_effect(site: Site) -> Iterator[Finding]:
    """Set for a part that nothing uses."""
    settings, variables = site.settings, site.variables
    if settings is None:
        return
    ais = settings.ais.by_name.values()
    ears = {(ai.stt or settings.providers.stt).partition(".")[0] for ai in ais}
    if variables.get("OFFHOOK_STT_BASE_URL") and "openai" not in ears:
        if ais_of_database(site) <= set(settings.ais.by_name):
            yield warning(
                "OFFHOOK_STT_BASE_URL has no effect: no AI has the ears openai",
                "OFFHOOK_STT_BASE_URL",
                "Set OFFHOOK_STT=openai.MODEL.",
            )
    url = variables.get("DATABASE_URL") or ""
    path = re.fullmatch(r"sqlite:///([^/].*)", url)
    if path and path[1] != ":memory:" and not Path(path[1]).parent.is_dir():
        yield warning(
            f"the database is {Path(path[1]).absolute()}: three slashes are a path from"
            " here",
            "DATABASE_URL",
            f"Write sqlite:////{path[1]} for an absolute path.",
        )


def addresses(site: Site) -> Iterator[Finding]:
    """A key before the @ of an address may have no sign that ends the host."""
    for given in (site.variables.get("OFFHOOK_ENDPOINTS") or "").split():
        name, _, address = given.partition("=")
        host, sign, rest = re.match(
            r"(?:\w+://)?([^/?#]*)([/?#]?)(.*)", address
        ).groups()  # type: ignore[union-attr]  # it fits anything
        if "@" in rest:
            yield error(
                f"the key of {name} has a {sign} in it: what stands before that is"
                f" taken for the host",
                "OFFHOOK_ENDPOINTS",
                f"Write %{ord(sign):02X} for each {sign} of the key.",
            )


def extremes(site: Site) -> Iterator[Finding]:
    """Values that are allowed, and with which calls hardly work."""
    settings = site.settings
    if settings is None:
        return
    for odd, name, what, usual in (
        (
            settings.gate.voiced > 0.9,
            "OFFHOOK_VAD_VOICED",
            f"is {settings.gate.voiced:g}: hardly anybody is heard",
            "0.5",
        ),
        (
            settings.gate.floor > -30,
            "OFFHOOK_VAD_FLOOR_DBFS",
            f"is {settings.gate.floor:g}: only who shouts is heard",
            "-55",
        ),
        (
            settings.max_lag < 0.02,
            "OFFHOOK_MAX_LAG_SECONDS",
            f"is {settings.max_lag:g}: calls are refused whenever something else runs",
            "0.1",
        ),
        (
            (site.variables.get("OFFHOOK_TTS_RATE") or "").strip() == "8000",
            "OFFHOOK_TTS_RATE",
            "is 8000, which is the telephone's: it is what the server of the voice"
            " sends that counts, or the AI speaks three times too slow",
            "24000",
        ),
    ):
        if odd:
            yield warning(f"{name} {what}", name, f"Write {usual}, or delete it.")


def secrets(site: Site) -> Iterator[Finding]:
    settings = site.settings
    if settings and settings.operator_token == settings.telephony.password != "":
        yield warning(
            "the operators' token is the password of the agent's socket as well:"
            " whoever may bring calls may do everything",
            "OFFHOOK_TOKEN",
            "Make another one with openssl rand -hex 24.",
        )
    # None yet: it is made up at the first start.
    if settings is not None and 0 < len(settings.telephony.password) < 8:
        yield warning(
            "the password of the agent's socket is easily guessed",
            "OFFHOOK_MEDIA_PASSWORD",
            "Make one with openssl rand -hex 24, for the agent and for Asterisk.",
        )
