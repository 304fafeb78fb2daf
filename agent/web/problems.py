"""Every error of the HTTP API as problem+json (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from loguru import logger
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from agent.storage.errors import StorageError

from .schemas import Problem

MEDIA_TYPE = "application/problem+json"

Responses = dict[int | str, dict[str, Any]]


def documented(*statuses: int) -> Responses:
    """What a route says in OpenAPI about the problems that it may answer with."""
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
    detail: str,
    headers: Mapping[str, str] | None = None,
    code: str = "",
    **more: Any,
) -> JSONResponse:
    phrase = HTTPStatus(status).phrase
    body = {
        "type": "about:blank",
        "title": phrase,
        "status": status,
        "code": code or phrase.lower().replace(" ", "_"),
        "detail": detail,
        **more,
    }
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(StorageError, _storage)
    app.add_exception_handler(Exception, _unexpected)
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _name_media_type(describe())
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error, Refusal):
        return problem(
            error.status_code, error.detail, error.headers, error.code, **error.more
        )
    return problem(error.status_code, error.detail, error.headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"where": ".".join(str(part) for part in each["loc"]), "what": each["msg"]}
        for each in error.errors()
    ]
    said = "; ".join(f"{each['where']}: {each['what']}" for each in errors)
    return problem(422, said, errors=errors)


async def _storage(request: Request, error: Exception) -> JSONResponse:
    logger.error("{} {}: {}", request.method, request.url.path, error)
    return problem(503, "the records of calls cannot be reached just now")


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    # Starlette raises it again after this answer, and the server logs it.
    return problem(500, "an unexpected error; the agent's log tells more")


def _name_media_type(schema: dict[str, Any]) -> None:
    """FastAPI documents every model as application/json."""
    for path in schema["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                content = response.get("content", {})
                shape = content.get("application/json", {}).get("schema", {})
                if shape.get("$ref") == "#/components/schemas/Problem":
                    content[MEDIA_TYPE] = content.pop("application/json")
