"""/ais: AIs described by the API, as the OFFHOOK_AIS file describes them; and their
versions.

Who is not admin describes AIs that stay outside of the operator's house: they start no
programs, know no secrets and reach public addresses only.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.responses import JSONResponse

from agent.calls.ai import AI, AIError, ModelError, described, read_ai
from agent.calls.customer import Scope
from agent.conversation.served import Served
from agent.storage.ais import (
    AiBook,
    AiExists,
    AiInUse,
    KeptAi,
    KeptInFile,
    NoSuchAi,
)
from agent.storage.directory import Directory

from .auth import Operator, Principal, Reader
from .etags import IfMatch, etag, matches
from .idempotency import IdempotentRoute
from .problems import Refusal, documented
from .schemas_ai import (
    NAME,
    AiDescription,
    AiPage,
    AiPatch,
    AiShape,
    AiVersionPage,
    AiVersionShape,
    NewAi,
    ShapedLike,
    ai_told,
    version_told,
)

_HIGHEST = 2**31 - 1
_LONGEST_NAME = 64
_READ_ONLY = ("version", "source", "outside_only", "created_at", "updated_at")
"""What we say of an AI and nobody tells us: left alone in a body, so that what was read
can be written back."""

router = APIRouter(prefix="/ais", tags=["ais"], route_class=IdempotentRoute)


def _book(request: Request) -> AiBook:
    book: AiBook = request.app.state.ai_book
    return book


def _directory(request: Request) -> Directory:
    directory: Directory = request.app.state.directory
    return directory


def _served(request: Request) -> Served:
    served: Served = request.app.state.served
    return served


Book = Annotated[AiBook, Depends(_book)]
Fresh = Annotated[Directory, Depends(_directory)]
Serving = Annotated[Served, Depends(_served)]
Limit = Annotated[int, Query(ge=1, le=200)]


@router.get("", response_model=AiPage)
async def list_ais(
    who: Reader,
    book: Book,
    limit: Limit = 50,
    after: Annotated[str, Query(description="`next` of a page.")] = "",
) -> Response:
    """By name."""
    found = await book.page(who.customer, limit + 1, after)
    ais = found[:limit]
    return JSONResponse(
        {
            "ais": [ai_told(each) for each in ais],
            "next": ais[-1].ai.name if len(found) > limit else None,
        }
    )


@router.post(
    "",
    status_code=201,
    response_model=AiShape,
    responses=documented(400, 403, 409, 422),
)
async def create_ai(
    who: Operator,
    book: Book,
    directory: Fresh,
    served: Serving,
    told: Annotated[dict[str, Any], ShapedLike(NewAi)],
) -> Response:
    """Answers when its calls would be taken."""
    name = told.get("name")
    if not isinstance(name, str):
        raise Refusal(422, "invalid_ai", "no name, or one that is not a string")
    if not _is_name(name):
        raise Refusal(
            422, "invalid_ai", f"name is {name[:80]!r}; a name is 1 to"
            f" {_LONGEST_NAME} letters, digits, - and _, and begins with none of these"
        )  # fmt: skip
    with _as_refusals(name, served):
        ai = _made(name, told, None, who, vouches=True)
        served.check(ai)
        kept = await book.create(who.customer, ai, who.who, datetime.now(UTC))
    await directory.refresh()
    return _shown(kept, 201, {"Location": f"/ais/{quote(name, safe='')}"})


@router.get("/{name}", response_model=AiShape, responses=documented(404))
async def get_ai(who: Reader, name: str, book: Book) -> Response:
    kept = await book.get(who.customer, name)
    if kept is None:
        raise _no_such(name)
    return _shown(kept)


@router.put(
    "/{name}",
    response_model=AiShape,
    responses=documented(400, 403, 404, 409, 412, 422),
)
async def replace_ai(
    who: Operator,
    name: str,
    book: Book,
    directory: Fresh,
    served: Serving,
    told: Annotated[dict[str, Any], ShapedLike(AiDescription)],
    if_match: IfMatch = None,
) -> Response:
    """A new version that says this and nothing else. Calls that are up keep theirs."""

    def change(before: KeptAi) -> AI:
        matches(if_match, before.version)
        ai = _made(name, told, before.ai, who, vouches=True)
        served.check(ai)
        return ai

    with _as_refusals(name, served):
        kept = await book.edit(who.customer, name, change, who.who, datetime.now(UTC))
    await directory.refresh()
    return _shown(kept)


@router.patch(
    "/{name}",
    response_model=AiShape,
    responses=documented(400, 403, 404, 409, 412, 422),
)
async def change_ai(
    who: Operator,
    name: str,
    book: Book,
    directory: Fresh,
    served: Serving,
    told: Annotated[dict[str, Any], ShapedLike(AiPatch)],
    if_match: IfMatch = None,
) -> Response:
    """A new version in which this is different (a merge patch, RFC 7396)."""

    def change(before: KeptAi) -> AI:
        matches(if_match, before.version)
        whole = merged(described(before.ai), told)
        vouches = "http_tools" in told or "mcp_servers" in told
        ai = _made(name, whole, before.ai, who, vouches=vouches)
        served.check(ai)
        return ai

    with _as_refusals(name, served):
        kept = await book.edit(who.customer, name, change, who.who, datetime.now(UTC))
    await directory.refresh()
    return _shown(kept)


@router.delete("/{name}", status_code=204, responses=documented(404, 409, 412))
async def delete_ai(
    who: Operator,
    name: str,
    book: Book,
    directory: Fresh,
    served: Serving,
    if_match: IfMatch = None,
) -> Response:
    """It takes no more calls; those that are up go on. Its versions stay."""

    def allowed(before: KeptAi) -> None:
        matches(if_match, before.version)

    with _as_refusals(name, served):
        await book.delete(who.customer, name, allowed, who.who, datetime.now(UTC))
    await directory.refresh()
    return Response(status_code=204)


@router.get("/{name}/versions", response_model=AiVersionPage, responses=documented(404))
async def list_versions(
    who: Reader,
    name: str,
    book: Book,
    limit: Limit = 50,
    before: Annotated[
        int | None, Query(ge=1, le=_HIGHEST, description="`next` of a page.")
    ] = None,
) -> Response:
    """Newest first, also of an AI that was deleted."""
    found = await book.versions(who.customer, name, limit + 1, before)
    if not found and not await book.versions(who.customer, name, 1):
        raise _no_such(name)
    versions = found[:limit]
    return JSONResponse(
        {
            "versions": [version_told(each) for each in versions],
            "next": versions[-1].version if len(found) > limit else None,
        }
    )


@router.get(
    "/{name}/versions/{number}",
    response_model=AiVersionShape,
    responses=documented(404),
)
async def get_version(
    who: Reader,
    name: str,
    number: Annotated[int, Path(ge=1, le=_HIGHEST)],
    book: Book,
) -> Response:
    """As calls had it whose `ai_version` it is."""
    kept = await book.version(who.customer, name, number)
    if kept is None:
        raise Refusal(
            404, "no_such_version", f"there is no version {number} of an AI {name!r}"
        )
    return JSONResponse(version_told(kept))


def merged(before: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """RFC 7396: null takes away, objects are merged, everything else is replaced."""
    whole = dict(before)
    for key, value in patch.items():
        if value is None:
            whole.pop(key, None)
        elif isinstance(value, dict):
            inner = whole.get(key)
            whole[key] = merged(inner if isinstance(inner, dict) else {}, value)
        else:
            whole[key] = value
    return whole


def _is_name(text: str) -> bool:
    return re.fullmatch(NAME.strip("^$"), text) is not None


def _made(
    name: str,
    told: Mapping[str, Any],
    before: AI | None,
    who: Principal,
    *,
    vouches: bool,
) -> AI:
    """`vouches`: who writes this has written its tools, too."""
    if told.get("name", name) != name:
        raise AIError(f"AI {name!r}: name cannot be changed")
    ours = {key: each for key, each in told.items() if key not in _READ_ONLY}
    ours.pop("name", None)
    ai = read_ai(name, ours)
    if who.scope is not Scope.ADMIN:
        _only_outside(ai, before)
    return replace(ai, outside_only=_outside_only(ai, before, who, vouches=vouches))


def _only_outside(ai: AI, before: AI | None) -> None:
    """Raises a Refusal for what an admin has not written and only he may."""
    servers = before.mcp_servers if before else ()
    tools = before.http_tools if before else ()
    for number, server in enumerate(ai.mcp_servers):
        if server not in servers and (server.command or server.secret):
            key = "command" if server.command else "secret"
            raise _admin_only(f"mcp_servers[{number}].{key}")
    for number, tool in enumerate(ai.http_tools):
        if tool not in tools and tool.secret:
            raise _admin_only(f"http_tools[{number}].secret")


def _outside_only(ai: AI, before: AI | None, who: Principal, *, vouches: bool) -> bool:
    if not ai.http_tools and not ai.mcp_servers:
        return False
    if who.scope is Scope.ADMIN and vouches:
        return False
    same = before is not None and (
        (before.http_tools, before.mcp_servers) == (ai.http_tools, ai.mcp_servers)
    )
    if before is not None and (same or who.scope is Scope.ADMIN):
        return before.outside_only
    return True


@contextmanager
def _as_refusals(name: str, served: Served) -> Iterator[None]:
    try:
        yield
    except ModelError as error:
        raise Refusal(
            400, "unknown_engine_model", str(error), known=served.known()
        ) from error
    except AIError as error:
        raise Refusal(422, "invalid_ai", str(error)) from error
    except RecursionError as error:
        raise Refusal(422, "invalid_ai", "its objects are nested too deep") from error
    except NoSuchAi as error:
        raise _no_such(name) from error
    except AiExists as error:
        raise Refusal(409, "ai_exists", f"there is an AI {name!r} already") from error
    except KeptInFile as error:
        raise Refusal(
            409,
            "kept_in_file",
            f"the AI {name!r} stands in the OFFHOOK_AIS file; edit it there and start"
            " the agent again",
        ) from error
    except AiInUse as error:
        numbers = list(error.numbers)
        raise Refusal(
            409,
            "ai_in_use",
            f"the AI {name!r} answers under {', '.join(numbers)}; give these numbers"
            " to another one first",
            numbers=numbers,
        ) from error


def _admin_only(key: str) -> Refusal:
    return Refusal(
        403,
        "admin_only",
        f"{key} concerns the operator's own machine: it needs a key of scope admin",
        key=key,
    )


def _no_such(name: str) -> Refusal:
    return Refusal(404, "no_such_ai", f"there is no AI {name!r}")


def _shown(
    kept: KeptAi, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return JSONResponse(
        ai_told(kept), status, {"ETag": etag(kept.version), **(headers or {})}
    )
