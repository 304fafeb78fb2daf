"""Where an Asterisk without chan_websocket brings its calls: AudioSocket over TCP.

The protocol has no password, and no names of caller or called: all that a connection
says is the call's UUID. Who may connect is therefore a question of the address that we
listen on, loopback unless told otherwise.
"""

import asyncio
from datetime import UTC, datetime

from loguru import logger

from agent.calls.ai import AIError
from agent.calls.call import Call, Direction
from agent.media.audiosocket import AudioSocket
from agent.media.link import NoStartError
from agent.observe import metrics
from agent.session import LiveCalls, Parts, Session
from agent.storage.directory import Directory

from .config import AudioSocketConfig
from .telephony_ws import Budgets


async def listen(
    config: AudioSocketConfig,
    directory: Directory,
    live: LiveCalls,
    parts: Parts,
    budgets: Budgets,
) -> asyncio.Server:
    """Close it to take no more calls; those that are up go on."""

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connection = AudioSocket(reader, writer)
        try:
            await _answer(connection, directory, live, parts, budgets)
        finally:
            await connection.close()

    return await asyncio.start_server(answer, config.host, config.port)


async def _answer(
    connection: AudioSocket,
    directory: Directory,
    live: LiveCalls,
    parts: Parts,
    budgets: Budgets,
) -> None:
    try:
        call_id = str(await connection.identity())
    except NoStartError as error:
        metrics.wire_errors.labels("garbage").inc()
        logger.warning("[WS] no call came of this AudioSocket connection: {}", error)
        return
    # Closing is the only refusal there is; the dialplan sees a call that ended.
    if (reason := live.refusal(call_id)) is not None:
        _refuse(call_id, reason)
        return
    try:
        who = directory.answering("", "", "")
    except AIError as error:
        logger.bind(call=call_id).error("[WS] refused: {}", error)
        _refuse(call_id, "unknown_ai")
        return
    now = datetime.now(UTC)
    if budgets.spent(who.customer, who.ai, now):
        _refuse(call_id, "budget_spent")
        return
    call = Call(
        id=call_id,
        caller="",
        called="",
        direction=Direction.INBOUND,
        ai=who.ai.name,
        started_at=now,
        customer=who.customer,
        ai_version=who.version,
    )
    session = Session(call, who.ai, connection, parts)
    live.add(session)
    try:
        await session.run()
    finally:
        live.remove(session)


def _refuse(call_id: str, reason: str) -> None:
    metrics.calls_refused.labels(reason).inc()
    logger.bind(call=call_id).warning("[WS] AudioSocket refused: {}", reason)
