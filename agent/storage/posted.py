"""Answers to POSTs with an Idempotency-Key, kept for a day to be given again.

Who asks first claims the key, does the work, and keeps the answer. A claim without an
answer for a minute is of a process that died: whoever asks next takes it over.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from loguru import logger
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from .database import Database
from .errors import StorageError
from .tables import PostedRow

KEPT_FOR = timedelta(days=1)
ABANDONED_AFTER = timedelta(minutes=1)
_SWEEP_EVERY = 600.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: str
    headers: Mapping[str, str]


class Claim(Enum):
    OURS = auto()
    """Do the work, then `keep` or `release`."""
    IN_WORK = auto()
    """Somebody else does it."""
    OTHER_REQUEST = auto()
    """The key was used for something else."""


class Posted:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self, customer: str, key: str, request: str, now: datetime
    ) -> Claim | Answer:
        """`request`: a hash of it. An answer: it was given before."""
        async with self._database.session("claim an Idempotency-Key") as session:
            row = await session.get(PostedRow, (customer, key), with_for_update=True)
            if row is not None and now - row.at >= KEPT_FOR:
                await session.delete(row)
                await session.flush()
                row = None
            if row is None:
                try:
                    async with session.begin_nested():
                        session.add(
                            PostedRow(
                                customer=customer,
                                key=key,
                                request=request,
                                at=now,
                                status=None,
                                body="",
                                headers={},
                            )
                        )
                except IntegrityError:  # somebody was faster in this very moment
                    return Claim.IN_WORK
                return Claim.OURS
            if row.request != request:
                return Claim.OTHER_REQUEST
            if row.status is not None:
                return Answer(row.status, row.body, row.headers)
            if now - row.at < ABANDONED_AFTER:
                return Claim.IN_WORK
            row.at = now
            return Claim.OURS

    async def keep(self, customer: str, key: str, answer: Answer) -> None:
        async with self._database.session("keep an answer") as session:
            row = await session.get(PostedRow, (customer, key))
            if row is not None:
                row.status = answer.status
                row.body = answer.body
                row.headers = dict(answer.headers)

    async def release(self, customer: str, key: str) -> None:
        """Nothing was done: the key may be used again."""
        async with self._database.session("release an Idempotency-Key") as session:
            row = await session.get(PostedRow, (customer, key))
            if row is not None and row.status is None:
                await session.delete(row)

    async def sweep(self, now: datetime) -> None:
        async with self._database.session("forget old answers") as session:
            await session.execute(
                delete(PostedRow).where(PostedRow.at <= now - KEPT_FOR)
            )

    async def run(self, clock: Callable[[], datetime]) -> None:
        """Sweeps until it is cancelled."""
        while True:
            try:
                await self.sweep(clock())
            except StorageError as error:
                logger.warning("[API] {}", error)
            await asyncio.sleep(_SWEEP_EVERY)
