"""The world outside of the house, made up: HTTP, e-mails and messages end here.

Wherever a tool's URL points, the request comes here; so a scenario can name an AI that
is in use, and nothing real is ever touched.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .judge import Sent
from .scenario import Answer

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(slots=True)
class Outside:
    answers: Sequence[Answer]
    asked: list[str] = field(default_factory=list)
    """Method, path and status of every request."""
    sent: list[Sent] = field(default_factory=list)

    @property
    def emails(self) -> "Emails":
        return Emails(self.sent)

    @property
    def messages(self) -> "Messages":
        return Messages(self.sent)

    def http(self) -> httpx.AsyncClient:
        """Whatever it asks, and whomever, it is answered here."""
        route = Route("/{path:path}", self._answer, methods=METHODS)
        app = Starlette(routes=[route])
        return httpx.AsyncClient(transport=httpx.ASGITransport(app))

    async def _answer(self, request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        path = request.url.path + query
        answer = next(
            (a for a in self.answers if _meant(a, request.method, path)),
            Answer(path, status=404, json={"error": f"there is no {path}"}),
        )
        self.asked.append(f"{request.method} {path} {answer.status}")
        await asyncio.sleep(answer.after)
        return JSONResponse(answer.json, status_code=answer.status)


@dataclass(frozen=True, slots=True)
class Emails:
    """Instead of a mail server (conversation/messages.py)."""

    sent: list[Sent]

    async def send(self, to: str, subject: str, text: str) -> None:
        self.sent.append(Sent(to, f"{subject}: {text}"))


@dataclass(frozen=True, slots=True)
class Messages:
    """Instead of whoever sends SMS."""

    sent: list[Sent]

    async def send(self, to: str, text: str) -> None:
        self.sent.append(Sent(to, text))


def _meant(answer: Answer, method: str, path: str) -> bool:
    return answer.method in ("", method) and fnmatchcase(path, answer.path)
