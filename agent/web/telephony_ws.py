"""/telephony/ws: where Asterisk brings its calls.

A socket that is slow to be accepted freezes all of Asterisk 22.10 (asterisk#1979), so
everything decided before `accept` is in memory: who asks, whether there is room, which
AI answers and whether its customer's budget is spent.
A refusal is an HTTP status, at once, and the dialplan's fallback answers the call.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from fastapi import APIRouter, WebSocket
from loguru import logger
from starlette.responses import Response
from starlette.websockets import WebSocketDisconnect, WebSocketState

from agent.calls.ai import AI, AIError
from agent.calls.call import Call, Direction
from agent.media.link import SocketLost
from agent.observe import metrics
from agent.session import LiveCalls, Parts, Session
from agent.storage.directory import Directory

from .config import TelephonyConfig
from .media_protocol import EXTENSION, MediaProtocol

router = APIRouter()

# It becomes a file's name and a line in a log.
_CALL_ID = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LONGEST_NUMBER = 64
_OURS = ("call_id", "from", "to", "ai", "customer", "direction")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}")
_LONGEST_VALUE = 256
_MOST_VARIABLES = 20
_CLOSED_MEANWHILE = (RuntimeError, OSError, WebSocketDisconnect)
"""By the other side, in the moment in which we send."""
_MANY_PINGS = 500
"""An hour's, if something between keeps the connection open by them."""


class Budgets(Protocol):
    """What has been spent, in memory; storage/budgets.py fulfils it."""

    def spent(self, customer: str, ai: AI, now: datetime) -> bool:
        """Whether no further call may be taken."""
        ...


class Unlimited:
    """Nobody has set a budget."""

    def spent(self, customer: str, ai: AI, now: datetime) -> bool:
        return False


class AsgiSocket:
    """What media/link.py asks of a websocket, straight on ASGI: no JSON, no models."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._gone = False
        extensions = websocket.scope.get("extensions") or {}
        self._short: MediaProtocol | None = extensions.get(EXTENSION)

    async def receive(self) -> bytes | str | None:
        message: Mapping[str, Any] = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            self._gone = True
            if self._short is not None and (why := self._short.broken):
                raise SocketLost(why)
            return None
        payload: bytes | None = message.get("bytes")
        text: str | None = message.get("text")
        return text if payload is None else payload

    @property
    def pings(self) -> int:
        """That came; Asterisk sends none."""
        return 0 if self._short is None else self._short.pings

    def hand_over(self, take: Callable[[bytes], object]) -> None:
        if self._short is not None:
            self._short.hand_over(take)

    async def send(self, message: bytes | str) -> None:
        if self._gone:
            return
        if self._short is not None and isinstance(message, bytes):
            self._short.send_audio(message)
            return
        kind = "bytes" if isinstance(message, bytes) else "text"
        try:
            await self._websocket.send({"type": "websocket.send", kind: message})
        except _CLOSED_MEANWHILE:
            self._gone = True

    async def close(self) -> None:
        if self._short is not None:
            self._short.hand_over(None)
        if not self._gone and (
            self._websocket.application_state is WebSocketState.CONNECTED
        ):
            self._gone = True
            try:
                await self._websocket.close()
            except _CLOSED_MEANWHILE:
                pass


@router.websocket("/telephony/ws")
async def telephony(websocket: WebSocket) -> None:
    call_id = websocket.query_params.get("call_id") or secrets.token_hex(8)
    with logger.contextualize(call=call_id):
        await _answer(websocket, call_id)


async def _answer(websocket: WebSocket, call_id: str) -> None:
    state = websocket.app.state
    live: LiveCalls = state.live
    directory: Directory = state.directory
    budgets: Budgets = state.budgets
    asked = websocket.query_params
    if not knows(websocket.headers, state.telephony):
        await _refuse(websocket, call_id, 401, "unauthorised")
        return
    if not _CALL_ID.fullmatch(call_id):
        await _refuse(websocket, call_id, 400, "bad_call_id")
        return
    if (reason := live.refusal(call_id)) is not None:
        status = 409 if reason == "duplicate_call_id" else 503
        await _refuse(websocket, call_id, status, reason)
        return
    called = asked.get("to", "")[:_LONGEST_NUMBER]
    try:
        who = directory.answering(
            asked.get("customer", ""), called, asked.get("ai", "")
        )
    except AIError as error:
        logger.error("[WS] refused: {}", error)
        await _refuse(websocket, call_id, 404, "unknown_ai")
        return
    ai, now = who.ai, datetime.now(UTC)
    if budgets.spent(who.customer, ai, now):
        await _refuse(websocket, call_id, 402, "budget_spent")
        return
    variables = _variables(asked)
    call = Call(
        id=call_id,
        caller=asked.get("from", "")[:_LONGEST_NUMBER],
        called=called,
        direction=Direction.OUTBOUND
        if asked.get("direction") == "outbound"
        else Direction.INBOUND,
        ai=ai.name,
        started_at=now,
        variables=variables,
        customer=who.customer,
        ai_version=who.version,
    )
    try:
        wanted = ai.overridden(variables)
        if wanted is not ai:  # which was checked at the start
            state.parts.providers.check(wanted)
    except AIError as error:
        # A call is worth more than its wish for another voice.
        logger.error("[WS] the call goes on without what was wished: {}", error)
        wanted = ai
    parts: Parts = state.parts
    socket = AsgiSocket(websocket)
    session = Session(call, wanted, socket, parts)
    live.add(session)
    try:
        offered = websocket.scope.get("subprotocols", [])
        await websocket.accept(subprotocol="media" if "media" in offered else None)
        await session.run()
    finally:
        live.remove(session)
        if socket.pings > _MANY_PINGS:
            logger.warning("[WS] {} pings came", socket.pings)


def _variables(asked: Mapping[str, str]) -> dict[str, str]:
    """What the dialplan tells besides; what is no name is not taken."""
    named = [
        (name, value[:_LONGEST_VALUE])
        for name, value in asked.items()
        if name not in _OURS and _VARIABLE.fullmatch(name)
    ]
    return dict(named[:_MOST_VARIABLES])


def knows(headers: Mapping[str, str], config: TelephonyConfig) -> bool:
    """Whether this is our Asterisk."""
    if not config.password:
        return True
    kind, _, encoded = headers.get("authorization", "").partition(" ")
    try:
        given = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        given = b""
    expected = f"{config.username}:{config.password}".encode()
    return kind.lower() == "basic" and secrets.compare_digest(given, expected)


async def _refuse(websocket: WebSocket, call_id: str, status: int, reason: str) -> None:
    metrics.calls_refused.labels(reason).inc()
    logger.warning("[WS] refused with {}: {}", status, reason)
    headers = {"Retry-After": "5"} if status == 503 else {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="offhook"'
    await websocket.send_denial_response(
        Response(reason, status_code=status, headers=headers)
    )
