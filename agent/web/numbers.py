"""/numbers: which AI answers under which number or extension."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response

from agent.storage.directory import Directory
from agent.storage.numbers import (
    BadNumber,
    Entry,
    KeptNumber,
    NoAi,
    NoSuchNumber,
    Numbers,
    NumberTaken,
    normalised,
)

from .auth import Operator, Principal, Reader
from .etags import IfMatch, IfNoneMatch, etag, matches, only_creates
from .problems import Refusal, documented
from .schemas_ai import NumberEdit, NumberPage, NumberPatch, NumberShape

router = APIRouter(prefix="/numbers", tags=["numbers"])


def _numbers(request: Request) -> Numbers:
    numbers: Numbers = request.app.state.numbers
    return numbers


def _directory(request: Request) -> Directory:
    directory: Directory = request.app.state.directory
    return directory


def _number(request: Request, number: str) -> str:
    """Of the address, as it is kept."""
    region: str = request.app.state.country
    try:
        return normalised(number, region)
    except BadNumber as error:
        raise Refusal(422, "bad_number", str(error)) from error


Kept = Annotated[Numbers, Depends(_numbers)]
Fresh = Annotated[Directory, Depends(_directory)]
Number = Annotated[str, Depends(_number)]
_Change = Callable[[KeptNumber | None], Entry]


@router.get("")
async def list_numbers(
    who: Reader,
    numbers: Kept,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: Annotated[str, Query(description="`next` of a page.")] = "",
    ai: Annotated[str | None, Query(description="Only those of this AI.")] = None,
) -> NumberPage:
    """In their order."""
    found = await numbers.page(who.customer, limit + 1, after, ai)
    page = found[:limit]
    return NumberPage(
        numbers=[NumberShape.of(each) for each in page],
        next=page[-1].number if len(found) > limit else None,
    )


@router.get("/{number}", responses=documented(404))
async def get_number(
    who: Reader, number: Number, numbers: Kept, response: Response
) -> NumberShape:
    """Telephone numbers may be written as people do; `+` is `%2B` or itself, `#`
    is `%23`."""
    kept = await numbers.get(who.customer, number)
    if kept is None:
        raise _no_such(number)
    return _shown(kept, response)


@router.put(
    "/{number}",
    responses={
        201: {"model": NumberShape, "description": "It is new."},
        **documented(409, 412, 422),
    },
)
async def put_number(
    who: Operator,
    number: Number,
    numbers: Kept,
    directory: Fresh,
    told: NumberEdit,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> NumberShape:
    """From the next call on."""

    def change(before: KeptNumber | None) -> Entry:
        if before is not None:
            only_creates(if_none_match, before.revision)
            matches(if_match, before.revision)
        elif if_match is not None:
            raise Refusal(412, "changed_meanwhile", f"there is no number {number} now")
        return Entry(told.target.ai, told.label)

    taken = Refusal(
        409, "number_taken", f"the number {number} belongs to another customer"
    )
    kept, is_new = await _write(who, number, numbers, change, taken)
    await directory.refresh()
    if is_new:
        response.status_code = 201
        response.headers["Location"] = f"/numbers/{quote(number, safe='')}"
    return _shown(kept, response)


@router.patch("/{number}", responses=documented(404, 412, 422))
async def change_number(
    who: Operator,
    number: Number,
    numbers: Kept,
    directory: Fresh,
    told: NumberPatch,
    response: Response,
    if_match: IfMatch = None,
) -> NumberShape:
    """From the next call on, with this different."""

    def change(before: KeptNumber | None) -> Entry:
        if before is None:
            raise _no_such(number)
        matches(if_match, before.revision)
        entry = before.entry
        if "target" in told.model_fields_set and told.target is None:
            raise Refusal(422, "no_target", "somebody has to answer: target is null")
        return Entry(
            told.target.ai if told.target else entry.ai,
            (told.label or "") if "label" in told.model_fields_set else entry.label,
        )

    kept, _ = await _write(who, number, numbers, change, _no_such(number))
    await directory.refresh()
    return _shown(kept, response)


@router.delete("/{number}", status_code=204, responses=documented(404, 412))
async def delete_number(
    who: Operator,
    number: Number,
    numbers: Kept,
    directory: Fresh,
    if_match: IfMatch = None,
) -> Response:
    """Its calls are taken by the default AI from now on."""

    def allowed(before: KeptNumber) -> None:
        matches(if_match, before.revision)

    try:
        await numbers.delete(who.customer, number, allowed, who.who, datetime.now(UTC))
    except NoSuchNumber as error:
        raise _no_such(number) from error
    await directory.refresh()
    return Response(status_code=204)


async def _write(
    who: Principal, number: str, numbers: Numbers, change: _Change, taken: Refusal
) -> tuple[KeptNumber, bool]:
    try:
        return await numbers.put(
            who.customer, number, change, who.who, datetime.now(UTC)
        )
    except NumberTaken as error:
        raise taken from error
    except NoAi as error:
        raise Refusal(422, "no_such_ai", "target.ai: there is no such AI") from error


def _no_such(number: str) -> Refusal:
    return Refusal(404, "no_such_number", f"there is no number {number!r}")


def _shown(kept: KeptNumber, response: Response) -> NumberShape:
    response.headers["ETag"] = etag(kept.revision)
    return NumberShape.of(kept)
