"""/events: what has happened, page by page, and live by SSE or WebSocket.

A stream goes on where its client left off (`Last-Event-ID`, `?after=`). It says so if
something is not there any more, and when it is over it says why, if it can.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, WebSocket
from fastapi.security import HTTPAuthorizationCredentials
from fastapi.security.utils import get_authorization_scheme_param
from loguru import logger
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from agent.calls import customer
from agent.calls.event import EventType
from agent.storage.errors import StorageError
from agent.storage.event_stream import (
    EventStream,
    Gap,
    Line,
    Listener,
    Over,
    TooManyListeners,
)
from agent.storage.events import Events, Wanted

from .auth import Principal, Reader, acting, asking
from .problems import Refusal, problem
from .schemas_events import EventPage, EventShape

SUBPROTOCOL = "offhook.events"
_BEARER = "bearer."
_LARGEST = 2**63 - 1
_GOODBYE = 1.0
"""Seconds for the last word to one who may not be reading."""
_LONGEST_MESSAGE = 4096
_PAUSE = 0.1
"""Seconds after each message of a client, which is read and forgotten."""
_CODES = {
    Over.BEHIND: 1013,
    Over.STOPPING: 1012,
    Over.KEY: 1008,
    Over.TALKATIVE: 1009,
}


def _events(request: Request) -> Events:
    events: Events = request.app.state.events
    return events


After = Annotated[
    int | None,
    Query(ge=0, le=_LARGEST, description="The number of the last one known."),
]
Types = Annotated[
    list[EventType], Query(max_length=100, description="None: all types.")
]
OfCall = Annotated[str, Query(max_length=200, description="Only of this call.")]

router = APIRouter(prefix="/events", tags=["events"])


@router.get("")
async def list_events(
    who: Reader,
    events: Annotated[Events, Depends(_events)],
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    types: Types = [],  # noqa: B006
    call_id: OfCall = "",
) -> EventPage:
    """Oldest first; without `after` from the oldest on that there is."""
    number = after or 0
    wanted = Wanted(who.customer, frozenset(types), call_id)
    found = await events.after(number, limit + 1, wanted)
    oldest = (await events.span()).oldest
    page = found[:limit]
    return EventPage(
        events=[EventShape.of(each) for each in page],
        next=page[-1].number if page else number,
        more=len(found) > limit,
        gap=after is not None and after < oldest - 1,
    )


@router.get(
    "/stream",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream_events(
    who: Reader,
    request: Request,
    after: After = None,
    types: Types = [],  # noqa: B006
    call_id: OfCall = "",
    last_event_id: Annotated[
        str,
        Header(pattern="^([0-9]{1,18})?$", description="Goes before `after`."),
    ] = "",
) -> Response:
    """Server-sent events, without end. Without `after` and `Last-Event-ID`: what
    happens from now on."""
    stream: EventStream = request.app.state.event_stream
    wanted = Wanted(who.customer, frozenset(types), call_id)
    listener = await _listen(
        stream, wanted, int(last_event_id) if last_event_id else after
    )
    return _EventSource(listener, stream, _Door(request, who))


@router.websocket("/ws")
async def follow_events(
    websocket: WebSocket,
    after: After = None,
    types: Types = [],  # noqa: B006
    call_id: OfCall = "",
) -> None:
    """The same as text messages. The key comes as a header, or, since browsers cannot
    send one, as a subprotocol `bearer.<key>` beside `offhook.events`."""
    stream: EventStream = websocket.app.state.event_stream
    try:
        door = await _enter(websocket)
        wanted = Wanted(door.who.customer, frozenset(types), call_id)
        listener = await _listen(stream, wanted, after)
    except Refusal as error:
        refused = problem(
            error.status_code, error.code, error.detail, error.headers, **error.more
        )
        await websocket.send_denial_response(refused)
        return
    except StorageError as error:
        logger.error("[EVENTS] {}", error)
        refused = problem(503, "database_away", "events cannot be read just now")
        await websocket.send_denial_response(refused)
        return
    try:
        await websocket.accept(_subprotocol(websocket))
        listening = asyncio.create_task(_listen_to(websocket, listener))
        try:
            await _tell(websocket, listener, stream, door)
        finally:
            listening.cancel()
    finally:
        listener.close()


async def _listen(stream: EventStream, wanted: Wanted, after: int | None) -> Listener:
    try:
        return await stream.listen(wanted, after)
    except TooManyListeners as error:
        raise Refusal(
            429,
            "too_many_streams",
            f"{stream.config.most} streams are open, the most there can be",
            {"Retry-After": "10"},
        ) from error


class _Door:
    """Whoever came in may have to leave again."""

    def __init__(
        self, connection: HTTPConnection, who: Principal, secret: str = ""
    ) -> None:
        self.who = who
        self._request = _request(connection)
        self._secret = secret

    async def still_open(self) -> bool:
        try:
            who = await asking(self._request, _given(self._request, self._secret))
        except Refusal as refusal:
            # Anything else passes.
            return refusal.status_code not in (401, 403)
        return who.who == self.who.who


async def _enter(websocket: WebSocket) -> _Door:
    request, secret = _request(websocket), _secret(websocket)
    given = _given(request, secret)
    if given is None and _is_foreign(websocket.headers):
        # Any page in a browser on this machine could, and would need no key.
        raise Refusal(
            403, "foreign_origin", "a page of another site must send a key of its own"
        )
    who = await acting(request, await asking(request, given))
    if who.scope is customer.Scope.TELEPHONY:
        raise Refusal(
            403,
            "scope_too_small",
            f"this needs a key of scope {customer.Scope.READ}, yours has {who.scope}",
            needed=customer.Scope.READ,
        )
    return _Door(websocket, who, secret)


def _request(connection: HTTPConnection) -> Request:
    """A websocket begins as one."""
    return Request({**connection.scope, "type": "http"})


def _secret(websocket: WebSocket) -> str:
    """A key that was sent as a subprotocol."""
    for offered in websocket.scope.get("subprotocols", []):
        if offered.startswith(_BEARER):
            secret: str = offered.removeprefix(_BEARER)
            return secret
    return ""


def _given(request: Request, secret: str) -> HTTPAuthorizationCredentials | None:
    if not secret:
        header = request.headers.get("authorization")
        scheme, secret = get_authorization_scheme_param(header)
        if scheme.lower() != "bearer" or not secret:
            return None
    return HTTPAuthorizationCredentials(scheme="Bearer", credentials=secret)


def _is_foreign(headers: Mapping[str, str]) -> bool:
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def _subprotocol(websocket: WebSocket) -> str | None:
    """A browser hangs up unless one that it offered is taken."""
    offered: Sequence[str] = websocket.scope.get("subprotocols", [])
    if SUBPROTOCOL in offered:
        return SUBPROTOCOL
    return next((each for each in offered if each.startswith(_BEARER)), None)


async def _follow(
    listener: Listener, stream: EventStream, door: _Door
) -> AsyncGenerator[Sequence[Line | Gap], None]:
    """What is to be sent; nothing: a sign of life."""
    config, clock = stream.config, asyncio.get_running_loop().time
    ask_at, live_at = clock() + config.ask_again, clock() + config.sign_of_life
    while listener.over is None:
        ready = await listener.next(max(0.0, min(ask_at, live_at) - clock()))
        now = clock()
        if now >= ask_at:
            ask_at = now + config.ask_again
            if not await door.still_open():
                listener.end(Over.KEY)
        if listener.over is None and (ready or now >= live_at):
            live_at = now + config.sign_of_life
            yield ready


class _EventSource(Response):
    """text/event-stream, as EventSource reads it."""

    media_type = "text/event-stream"

    def __init__(self, listener: Listener, stream: EventStream, door: _Door) -> None:
        super().__init__(
            headers={"Cache-Control": "no-cache, no-store", "X-Accel-Buffering": "no"}
        )
        # Its length is not known.
        del self.headers["content-length"]
        self._listener = listener
        self._stream = stream
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        watching = asyncio.create_task(_watch(receive, self._listener))
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            await self._tell(send)
        finally:
            watching.cancel()
            self._listener.close()

    async def _tell(self, send: Send) -> None:
        listener, patience = self._listener, self._stream.config.stalled
        try:
            async with listener.patience(patience):
                await _part(send, _greeting(listener))
            async with aclosing(_follow(listener, self._stream, self._door)) as told:
                async for ready in told:
                    text = "".join(_sse(each) for each in ready) or ": still here\n\n"
                    async with listener.patience(patience):
                        await _part(send, text)
        except TimeoutError:
            listener.end(Over.BEHIND)
        except OSError:
            listener.end(Over.GONE)
        if listener.over is Over.GONE:
            return
        over = json.dumps({"why": listener.over})
        try:
            async with asyncio.timeout(_GOODBYE):
                await _part(send, f"event: over\ndata: {over}\n\n", more=False)
        except (TimeoutError, OSError):
            pass


async def _part(send: Send, text: str, *, more: bool = True) -> None:
    body = {"type": "http.response.body", "body": text.encode(), "more_body": more}
    await send(body)


def _greeting(listener: Listener) -> str:
    """Who is cut off before the first event shall know where to go on."""
    known = "" if listener.began_at is None else f"id: {listener.began_at}\n"
    return f"retry: 2000\n{known}\n"


def _sse(told: Line | Gap) -> str:
    match told:
        case Line(number, kind, text):
            return f"id: {number}\nevent: {kind}\ndata: {text}\n\n"
        case Gap(_, resumed):
            return f"id: {resumed}\nevent: gap\ndata: {json.dumps(_gap(told))}\n\n"


def _gap(gap: Gap) -> dict[str, Any]:
    return {"after": gap.after, "resumed": gap.resumed}


async def _watch(receive: Receive, listener: Listener) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.end(Over.GONE)


async def _tell(
    websocket: WebSocket, listener: Listener, stream: EventStream, door: _Door
) -> None:
    try:
        async with listener.patience(stream.config.stalled):
            began = {"type": "opened", "after": listener.began_at}
            await websocket.send_text(json.dumps(began))
        async with aclosing(_follow(listener, stream, door)) as told:
            async for ready in told:
                for each in ready:
                    async with listener.patience(stream.config.stalled):
                        await websocket.send_text(_message(each))
    except TimeoutError:
        listener.end(Over.BEHIND)
    except (RuntimeError, OSError):  # closed by the other side in this moment
        listener.end(Over.GONE)
    if listener.over in _CODES:
        try:
            async with asyncio.timeout(_GOODBYE):
                await websocket.close(_CODES[listener.over], listener.over)
        except (TimeoutError, RuntimeError, OSError):
            pass


def _message(told: Line | Gap) -> str:
    match told:
        case Line(text=text):
            return text
        case Gap():
            return json.dumps({"type": "gap", **_gap(told)})


async def _listen_to(websocket: WebSocket, listener: Listener) -> None:
    """Nothing that a client says is asked for; but it has to be read."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            listener.end(Over.GONE)
            return
        if len(message.get("text") or message.get("bytes") or "") > _LONGEST_MESSAGE:
            listener.end(Over.TALKATIVE)
            return
        await asyncio.sleep(_PAUSE)
