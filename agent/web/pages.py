"""`next` of a page, which is passed as `before`: where a list goes on.

A time and names, written so that whatever has the form is a place: there is none that
could be refused.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import Query

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def before(names: int) -> Any:
    """The parameter of a list whose places have so many names."""
    return Query(
        pattern=rf"^[0-9]{{1,17}}(\.([0-9a-f]{{2}})*){{{names}}}$",
        max_length=1000,
        description="`next` of a page.",
    )


def place(at: datetime, *names: str) -> str:
    microseconds = (at - _BEGINNING) // timedelta(microseconds=1)
    return ".".join([str(microseconds), *(name.encode().hex() for name in names)])


def read_place(text: str) -> tuple[datetime, list[str]]:
    """Of what `before` has let in."""
    microseconds, *names = text.split(".")
    at = _BEGINNING + timedelta(microseconds=int(microseconds))
    return at, [bytes.fromhex(name).decode(errors="replace") for name in names]
