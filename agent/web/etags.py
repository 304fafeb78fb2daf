"""ETag, If-Match and If-None-Match: nobody overwrites what he has not seen.

An ETag is the revision of a thing, in quotes. Whoever sends If-Match edits only that
revision; whoever sends none edits what is there.
"""

from typing import Annotated

from fastapi import Header

from .problems import Refusal

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="An `ETag`: nothing is changed unless it is still that one.",
    ),
]
IfNoneMatch = Annotated[
    str | None,
    Header(alias="If-None-Match", description="`*`: only if there is none yet."),
]


def etag(revision: int) -> str:
    return f'"{revision}"'


def matches(if_match: str | None, revision: int) -> None:
    """Raises a Refusal unless the client has seen this revision, or does not care."""
    if if_match is None or "*" in (asked := _listed(if_match)):
        return
    # By the strong comparison (RFC 9110, 8.8.3.2): W/"3" is not "3".
    if etag(revision) not in asked:
        raise Refusal(
            412,
            "changed_meanwhile",
            f"it is {etag(revision)} now, not {if_match}: read it again",
            {"ETag": etag(revision)},
        )


def only_creates(if_none_match: str | None, revision: int | None) -> None:
    """Raises a Refusal if there is one (its revision) and the client wants none to be
    overwritten."""
    if if_none_match is None or revision is None:
        return
    asked = _listed(if_none_match)
    if "*" in asked or etag(revision) in asked:
        raise Refusal(
            412,
            "exists_already",
            "there is one already, and If-None-Match says to leave it alone",
            {"ETag": etag(revision)},
        )


def _listed(header: str) -> list[str]:
    return [each.strip() for each in header.split(",")]
