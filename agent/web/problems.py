"""Every error of the HTTP API as problem+json (RFC 9457), and what OpenAPI says of it.

The codes stand in docs/api.md.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from loguru import logger
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from agent.storage.errors import StorageError

from .schemas import Problem

MEDIA_TYPE = "application/problem+json"

Responses = dict[int | str, dict[str, Any]]

_RETRY = {"Retry-After": "5"}
_SHAPE = {"$ref": "#/components/schemas/Problem"}

# Of what the framework raises; ours are Refusals and say their own.
_CODES = {
    400: "bad_json",
    404: "not_found",
    405: "wrong_method",
}


def documented(*statuses: int) -> Responses:
    """What a route says in OpenAPI about the problems that it may answer with, besides
    those that `install` adds to all routes of its kind."""
    return {
        status: {"model": Problem, "description": HTTPStatus(status).phrase}
        for status in statuses
    }


class Refusal(HTTPException):
    """An answer that is a problem. `code` is stable: programs may go by it."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(status, detail, headers)
        self.code = code
        self.more = more


def problem(
    status: int,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **more,
    }
    # Names of what is wrong may be half surrogate pairs: JSON can write them.
    written = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    return Response(written, status, headers, media_type=MEDIA_TYPE)


def answer(request: Request, error: HTTPException | RequestValidationError) -> Response:
    if isinstance(error, RequestValidationError):
        return _invalid(request, error)
    if isinstance(error, Refusal):
        return problem(
            error.status_code, error.code, error.detail, error.headers, **error.more
        )
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(sorted(_allowed(request)))
    phrase = HTTPStatus(error.status_code).phrase.lower()
    code = _CODES.get(error.status_code, phrase.replace(" ", "_").replace("'", ""))
    return problem(error.status_code, code, error.detail, headers)


def install(app: FastAPI) -> None:
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _http)
    app.add_exception_handler(StorageError, _storage)
    app.add_exception_handler(Exception, _unexpected)
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _complete(describe(), _names(app))
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException | RequestValidationError)
    return answer(request, error)


async def _storage(request: Request, error: Exception) -> Response:
    logger.error("[API] {} {}: {}", request.method, request.scope["path"], error)
    return problem(
        503, "database_away", "the records of calls cannot be reached just now", _RETRY
    )


async def _unexpected(request: Request, error: Exception) -> Response:
    # Starlette raises it again after this answer, and the server logs it.
    return problem(500, "unexpected", "an unexpected error; the agent's log tells more")


def _invalid(request: Request, error: RequestValidationError) -> Response:
    errors = [
        {"where": ".".join(str(part) for part in each["loc"]), "what": each["msg"]}
        for each in error.errors()
    ]
    said = "; ".join(f"{each['where']}: {each['what']}" for each in errors)
    if any(each["type"] == "json_invalid" for each in error.errors()):
        return problem(400, "bad_json", f"the body is not JSON: {said}")
    # A body of another type is not even parsed: it comes here as bytes.
    if isinstance(error.body, bytes) and not _is_json(request):
        return problem(
            415,
            "wrong_content_type",
            "the body must be JSON, and say so: Content-Type: application/json",
        )
    return problem(422, "invalid_request", said, errors=errors)


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )


def _allowed(request: Request) -> set[str]:
    """All methods of this address; Starlette names those of one route."""
    methods: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.methods and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods
    return methods


def _names(app: FastAPI) -> dict[tuple[str, str], str]:
    """Of the routes, by address and method."""
    return {
        (route.path_format or "", method.lower()): route.name or ""
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
    }


def _complete(schema: dict[str, Any], names: Mapping[tuple[str, str], str]) -> None:
    """What holds for all routes of a kind is said here, and by none of them."""
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            # The function's name, which stays when its address moves.
            operation["operationId"] = names[path, method]
            responses = operation["responses"]
            for status in _common(operation):
                responses.setdefault(str(status), {})
            for status, response in responses.items():
                shape = response.get("content", {}).get("application/json", {})
                ours = shape.get("schema", {}) == _SHAPE
                if status == "422" or ours or not response:
                    phrase = HTTPStatus(int(status)).phrase
                    response["description"] = phrase
                    response["content"] = {MEDIA_TYPE: {"schema": _SHAPE}}
            operation["responses"] = dict(sorted(responses.items()))
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    # FastAPI's own shape of a 422, which nobody sends.
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    written = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(written.pop("$defs", {}))
    schemas["Problem"] = written


def _common(operation: Mapping[str, Any]) -> set[int]:
    statuses = {500}
    headers = {
        each["name"]
        for each in operation.get("parameters", ())
        if each["in"] == "header"
    }
    if operation.get("security"):
        # 404: the customer whom an admin names.
        statuses |= {401, 403, 404, 429, 503}
    if operation.get("parameters"):
        statuses.add(422)
    if "requestBody" in operation:
        statuses |= {400, 413, 415, 422}
    if headers & {"If-Match", "If-None-Match"}:
        statuses.add(412)
    if "Idempotency-Key" in headers:
        statuses |= {409, 413, 422}
    return statuses
