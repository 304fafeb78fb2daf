"""What is refused before any route sees it: bodies that are too large, and NUL, which
no id or text of ours has and PostgreSQL does not take.

Plain ASGI, and only for HTTP: the websocket of a call passes by it.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import Refusal, problem

MOST = 1 << 20
"""Bytes of a body."""


class Intake:
    def __init__(self, app: ASGIApp, most: int = MOST) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if "\0" in scope["path"]:
            refused = problem(404, "not_found", "no address has NUL in it")
            await refused(scope, receive, send)
            return
        if b"%00" in scope["query_string"]:
            refused = problem(422, "invalid_request", "NUL stands for nothing here")
            await refused(scope, receive, send)
            return
        if _announced(scope) > self._most:
            error = self._too_large()
            refused = problem(
                error.status_code, error.code, error.detail, {"Connection": "close"}
            )
            await refused(scope, receive, send)
            return
        read = 0

        async def receive_so_much() -> Message:
            nonlocal read
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                # Whoever sends in chunks does not say how much it will be.
                if read > self._most:
                    raise self._too_large()
            return message

        await self._app(scope, receive_so_much, send)

    def _too_large(self) -> Refusal:
        return Refusal(413, "too_large", f"a body may have {self._most} bytes at most")


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
