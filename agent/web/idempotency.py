"""Idempotency-Key: a POST that is sent twice is done once, and answered twice.

`APIRouter(route_class=IdempotentRoute)` gives it to all POSTs of a router. Who sends no
key is served as ever.
"""

import hashlib
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from loguru import logger
from starlette.exceptions import HTTPException
from starlette.responses import Response

from agent.storage.errors import StorageError
from agent.storage.posted import Answer, Claim, Posted

from .auth import Principal, acting
from .problems import Refusal, answer

KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"

# Nothing was done, and the next time may be another: such answers are not kept.
_PASSING = {401, 403, 429}
# Of an answer, besides its body, what says what was done.
_TELLING = ("content-type", "location", "etag", "retry-after")


class _Before(Exception):
    """It was done, and this was the answer."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


async def _claim(
    request: Request,
    who: Annotated[Principal, Depends(acting)],
    key: Annotated[
        str | None,
        Header(
            alias=KEY_HEADER,
            min_length=1,
            max_length=255,
            pattern=r"^[!-~]+$",
            description="Of the client's making. The same request again with the same"
            " key, within a day, is not done again: its answer is given again.",
        ),
    ] = None,
) -> None:
    if key is None:
        return
    posted: Posted = request.app.state.posted
    hashed = _hash(request, await request.body())
    claimed = await posted.claim(who.customer, key, hashed, datetime.now(UTC))
    match claimed:
        case Answer(status, body, headers):
            again = {**headers, REPLAYED_HEADER: "true"}
            raise _Before(Response(body, status, again))
        case Claim.IN_WORK:
            raise Refusal(
                409, "in_progress", "this is being done just now", {"Retry-After": "1"}
            )
        case Claim.OTHER_REQUEST:
            raise Refusal(
                422,
                "idempotency_key_reused",
                f"{KEY_HEADER} {key!r} was sent with another request before",
            )
        case Claim.OURS:
            request.state.claimed = (who.customer, key)


class IdempotentRoute(APIRoute):
    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if "POST" in (options.get("methods") or ()):
            claim = Depends(_claim)
            options["dependencies"] = [claim, *(options.get("dependencies") or ())]
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        carry_out = super().get_route_handler()

        async def once(request: Request) -> Response:
            try:
                response = await carry_out(request)
            except _Before as before:
                return before.response
            except (HTTPException, RequestValidationError) as error:
                response = answer(request, error)
            except Exception:
                await _release(request)
                raise
            await _keep(request, response)
            return response

        return once


async def _keep(request: Request, response: Response) -> None:
    claimed: tuple[str, str] | None = getattr(request.state, "claimed", None)
    if claimed is None:
        return
    if response.status_code in _PASSING or response.status_code >= 500:
        await _release(request)
        return
    headers = {
        name: response.headers[name] for name in _TELLING if name in response.headers
    }
    said = Answer(response.status_code, bytes(response.body).decode(), headers)
    posted: Posted = request.app.state.posted
    try:
        await posted.keep(*claimed, said)
    except StorageError as error:
        # It is done: whoever hears so must not be told that it failed.
        logger.error("[API] {}", error)


async def _release(request: Request) -> None:
    claimed: tuple[str, str] | None = getattr(request.state, "claimed", None)
    if claimed is not None:
        posted: Posted = request.app.state.posted
        try:
            await posted.release(*claimed)
        except StorageError as error:
            logger.error("[API] it may be sent again in a minute: {}", error)


def _hash(request: Request, body: bytes) -> str:
    path: str = request.scope["path"]
    query: bytes = request.scope["query_string"]
    asked = (request.method.encode(), path.encode(), query, body)
    # With their lengths: nothing of one can pass for a part of the next.
    told = b"".join(b"%d %b\n" % (len(each), each) for each in asked)
    return hashlib.sha256(told).hexdigest()
