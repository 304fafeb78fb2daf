"""Agents' signs of life, and the end of calls whose agent died.

Nobody's clock is compared with another's: an agent is dead when the one who looks has
seen it silent for a minute, with a database that answered all that time.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from loguru import logger
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from agent.calls.call import CallEnd, EndReason
from agent.calls.event import Event

from .calls import end_call
from .database import Database
from .errors import StorageError
from .events import emit
from .tables import AgentRow, CallRow, ToolUseRow, TroubleRow, TurnRow

_BEAT_EVERY = 5.0
"""Seconds."""
_AGAIN = 0.5
"""Seconds until the calls of an earlier life are looked for again."""
_SILENT = timedelta(seconds=60)
_DETAIL = "the agent died during the call"


async def agent_row(session: AsyncSession, agent: str, now: datetime) -> AgentRow:
    """Locked, and made if it is not there."""
    row = await session.get(AgentRow, agent, with_for_update=True)
    if row is None:
        row = AgentRow(id=agent, started_at=now, seen_at=now, applied=0)
        session.add(row)
        await session.flush()
    return row


class Agents:
    """One agent's view of all."""

    def __init__(self, database: Database, agent: str, started_at: datetime) -> None:
        self._database = database
        self._agent = agent
        self._started_at = started_at
        self._before: datetime | None = None
        """The last sign of life of this agent's earlier life."""
        self._silent_since: dict[str, tuple[datetime | None, datetime]] = {}
        """Of other agents with open calls: the last sign of life, and when it was
        new to us."""

    async def run(self, clock: Callable[[], datetime], replayed: asyncio.Event) -> None:
        """Until it is cancelled. `replayed`: all that this agent noted in its earlier
        lives is in the database."""
        swept = False
        while True:
            try:
                await self.beat(clock())
                if replayed.is_set() and not swept:
                    await self.sweep_own(clock())
                    swept = True
                await self.sweep(clock())
            except StorageError as error:
                logger.debug("[DB] no sign of life in it: {}", error)
                # They could give none either.
                self._silent_since.clear()
            if swept:
                await asyncio.sleep(_BEAT_EVERY)
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_BEAT_EVERY):
                        await replayed.wait()
                        # Known already: what keeps us is the database.
                        await asyncio.sleep(_AGAIN)

    async def beat(self, now: datetime) -> None:
        async with self._database.session("give a sign of life") as session:
            row = await agent_row(session, self._agent, now)
            if row.started_at != self._started_at:
                if row.seen_at < now:
                    self._before = row.seen_at
                row.started_at = self._started_at
            row.seen_at = now

    async def sweep_own(self, now: datetime) -> int:
        """Ends what this agent left open in its earlier life; returns how many. To be
        called when the journal of that life is in the database."""
        return await self._sweep(self._agent, self._before, now)

    async def sweep(self, now: datetime) -> int:
        """Ends the calls of other agents that are silent; returns how many."""
        ended = 0
        seen = await self._others()
        self._silent_since = {
            agent: told
            for agent, told in self._silent_since.items()
            if agent in seen and told[0] == seen[agent]
        }
        for agent, seen_at in seen.items():
            _, since = self._silent_since.setdefault(agent, (seen_at, now))
            if now - since > _SILENT:
                ended += await self._sweep(agent, seen_at, now)
        return ended

    async def _others(self) -> dict[str, datetime | None]:
        """Who has open calls, and when it was last seen."""
        async with self._database.session(
            "look for silent agents", read_only=True
        ) as session:
            rows = await session.execute(
                select(CallRow.agent, AgentRow.seen_at)
                .outerjoin(AgentRow, AgentRow.id == CallRow.agent)
                .where(CallRow.ended_at.is_(None), CallRow.agent != self._agent)
                .distinct()
            )
            return {agent: seen_at for agent, seen_at in rows}

    async def _sweep(self, agent: str, seen_at: datetime | None, now: datetime) -> int:
        async with self._database.session(f"end calls of {agent!r}") as session:
            calls = await self._open(session, agent)
            events: list[Event] = []
            for call in calls:
                known = await _last_known(session, call)
                ended_at = known if seen_at is None else max(known, seen_at)
                end = CallEnd(EndReason.AGENT_DIED, ended_at, _DETAIL)
                events += await end_call(session, call, end)
            await emit(session, events, now)
        for call in calls:
            logger.bind(call=call.id).warning(
                "[CALL] its agent {} died; it is ended", agent
            )
        return len(calls)

    async def _open(self, session: AsyncSession, agent: str) -> Sequence[CallRow]:
        query = select(CallRow).where(
            CallRow.agent == agent, CallRow.ended_at.is_(None)
        )
        if agent == self._agent:
            query = query.where(CallRow.started_at < self._started_at)
        # Others may be about to do the same.
        return (await session.scalars(query.with_for_update())).all()


async def _last_known(session: AsyncSession, call: CallRow) -> datetime:
    """When it was certainly up."""
    moments = [call.started_at, call.answered_at]
    for row, at in (
        (TurnRow, TurnRow.ended_at),
        (ToolUseRow, ToolUseRow.started_at),
        (TroubleRow, TroubleRow.at),
    ):
        moments.append(
            await session.scalar(select(func.max(at)).where(row.call_id == call.id))
        )
    return max(moment for moment in moments if moment is not None)
