"""Who takes a call: all AIs and numbers in memory, so that nobody waits for a database.

The first number of a call that decides wins: an AI that the dialplan names, the AI of
the number that was called, the default of the OFFHOOK_AIS file. A call that is up keeps
the AI that it was given here, whatever is edited meanwhile.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from loguru import logger
from sqlalchemy import case, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from agent.calls.ai import AI, AIError, AIs
from agent.calls.customer import DEFAULT
from agent.calls.event import EventType

from .ais import ai_of
from .database import Database
from .errors import StorageError
from .numbers import e164
from .tables import AiRow, AiVersionRow, EventRow, NumberRow

LOOK_EVERY = 2.0
"""Seconds after which an edit by another process is known here at the latest."""
PREPARE_DEADLINE = 10.0
"""Seconds; a version that is not prepared by then is used all the same."""
_AT_ONCE = 100
"""Descriptions in one query."""
_NAMED = 50
"""AIs that an error lists."""

_Name = tuple[str, str]
"""Customer and AI."""


@dataclass(frozen=True, slots=True)
class Answering:
    """Who takes a call."""

    ai: AI
    version: int
    """0: the file was read, and the database not yet."""
    customer: str


def _serves(_: AI) -> None:
    """All that can be described, until `admit` says otherwise."""


class Directory:
    def __init__(
        self, ais: AIs, database: Database | None = None, region: str = ""
    ) -> None:
        """`ais`: of the file, known even if the database is away; without one there is
        nothing else. `region`: ISO 3166, of numbers without their country code."""
        self._default = ais.default
        self._database = database
        self._served: dict[_Name, Answering] = {
            (DEFAULT, name): Answering(ai, 0, DEFAULT)
            for name, ai in ais.by_name.items()
        }
        self._numbers: dict[str, _Name] = {}
        self._newest: dict[_Name, int] = {}
        """Versions as last read, served or not."""
        self._unfit: set[tuple[_Name, int]] = set()
        """Versions that this machine cannot serve: its calls get the one before."""
        self._check: Callable[[AI], None] = _serves
        self._prepare: Callable[[AI], Awaitable[None]] | None = None
        self._preparing: dict[tuple[_Name, int], asyncio.Task[None]] = {}
        self._seen = -1
        """Number of the last event that was looked at."""
        self._away = False
        self._e164 = lru_cache(1000)(lambda number: e164(number, region))

    def answering(self, customer: str, to: str, ai: str) -> Answering:
        """Whatever the dialplan did not say is empty. Raises AIError with what there
        is."""
        if ai:
            return self._named((customer or DEFAULT, ai))
        for number in (to, self._e164(to)):
            target = self._numbers.get(number) if number else None
            if target is not None and customer in ("", target[0]):
                return self._named(target)
        if customer not in ("", DEFAULT):
            raise AIError(
                f"the dialplan names customer {customer!r} and no AI, and {to!r} is"
                " no number of this customer"
            )
        return self._named((DEFAULT, self._default))

    def ais(self) -> tuple[AI, ...]:
        """All that are served, of all customers."""
        return tuple(each.ai for each in self._served.values())

    def admit(
        self, check: Callable[[AI], None], prepare: Callable[[AI], Awaitable[None]]
    ) -> None:
        """From now on, AIs that `check` refuses by an AIError are not served, and what
        is new is prepared before it is. What is there already is only checked."""
        self._check, self._prepare = check, prepare
        for name, each in list(self._served.items()):
            if not self._fit(name, each):
                del self._served[name]

    async def load(self) -> None:
        """Raises StorageError; what was known stays known then."""
        await self._introduce(await self._read())
        self._away = False

    async def refresh(self) -> None:
        """After an edit: what was edited is served from now on. While the database is
        away that is only logged; `run` catches up."""
        try:
            await self.load()
        except StorageError as error:
            self._missed(error)

    async def look(self) -> None:
        """Refreshes if something was edited, here or in another process."""
        try:
            if await self._edited():
                await self.load()
            self._away = False
        except StorageError as error:
            self._missed(error)

    async def run(self) -> None:
        """Looks until it is cancelled."""
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY)
                await self.look()
        finally:
            for task in self._preparing.values():
                task.cancel()

    def _named(self, name: _Name) -> Answering:
        try:
            return self._served[name]
        except KeyError:
            customer, ai = name
            there = sorted(ai for whose, ai in self._served if whose == customer)
            known = ", ".join(there[:_NAMED]) or "none"
            of = "" if customer == DEFAULT else f" of customer {customer!r}"
            raise AIError(f"no AI{of} is called {ai!r}; there are: {known}") from None

    def _missed(self, error: StorageError) -> None:
        if not self._away:
            logger.error("[AIS] calls go on with what was known: {}", error)
        self._away = True

    async def _edited(self) -> bool:
        # Edits tell an event in their own transaction, and numbers of events rise in
        # the order of commits; a clock of another machine would not do.
        ours = EventRow.type.in_((EventType.AI_CHANGED, EventType.NUMBER_CHANGED))
        query = select(
            func.max(EventRow.number),
            func.max(case((ours, EventRow.number))),
        ).where(EventRow.number > self._seen)
        async with self._session() as session:
            last, edit = (await session.execute(query)).one()
        if edit is None and last is not None:
            self._seen = last
        return edit is not None

    async def _read(self) -> list[tuple[_Name, Answering]]:
        """Takes over what needs no preparing; returns the versions that do."""
        async with self._session() as session:
            # First: what is edited after it is read again.
            seen = await session.scalar(select(func.max(EventRow.number))) or 0
            ais = await session.execute(
                select(AiRow.customer, AiRow.name, AiRow.version).where(
                    AiRow.deleted_at.is_(None)
                )
            )
            newest = {(customer, name): n for customer, name, n in ais}
            new = [name for name in newest if not self._knows(name, newest[name])]
            found = await _descriptions(
                session, ((*name, newest[name]) for name in new)
            )
            numbers = await session.execute(
                select(NumberRow.number, NumberRow.customer, NumberRow.ai)
            )
            by_number = {number: (customer, ai) for number, customer, ai in numbers}
        if seen < self._seen:
            return []  # somebody else read later, and was faster
        self._seen, self._newest, self._numbers = seen, newest, by_number
        self._served = {
            name: each for name, each in self._served.items() if name in newest
        }
        self._unfit = {each for each in self._unfit if newest.get(each[0]) == each[1]}
        return self._made(found)

    def _knows(self, name: _Name, version: int) -> bool:
        served = self._served.get(name)
        return (served is not None and served.version == version) or (
            name,
            version,
        ) in self._unfit

    def _made(self, found: Iterable[AiVersionRow]) -> list[tuple[_Name, Answering]]:
        made = []
        for row in found:
            name = (row.customer, row.name)
            try:
                ai = ai_of(row.name, row.config)
            except AIError as error:
                self._leave_out(name, row.version, error)
                continue
            made.append((name, Answering(ai, row.version, row.customer)))
        return made

    async def _introduce(self, new: list[tuple[_Name, Answering]]) -> None:
        tasks = []
        for name, each in new:
            key = (name, each.version)
            if self._knows(*key):
                continue  # it was prepared while this was read
            if key not in self._preparing:
                self._preparing[key] = asyncio.create_task(self._admit(name, each))
                self._preparing[key].add_done_callback(
                    lambda _, key=key: self._preparing.pop(key)  # type: ignore[misc]
                )
            tasks.append(self._preparing[key])
        if tasks:
            # Whoever waits may go away; the preparing goes on.
            await asyncio.wait(tasks)

    async def _admit(self, name: _Name, each: Answering) -> None:
        if not self._fit(name, each):
            return
        if self._prepare is not None:
            try:
                async with asyncio.timeout(PREPARE_DEADLINE):
                    await self._prepare(each.ai)
            except Exception as error:  # noqa: BLE001 - its first call waits longer
                logger.error("[AIS] {} was not prepared: {!r}", _spelt(name), error)
        if self._newest.get(name) == each.version:
            self._served[name] = each
            logger.info("[AIS] {} is version {} now", _spelt(name), each.version)

    def _fit(self, name: _Name, each: Answering) -> bool:
        try:
            self._check(each.ai)
        except AIError as error:
            self._leave_out(name, each.version, error)
            return False
        return True

    def _leave_out(self, name: _Name, version: int, error: AIError) -> None:
        self._unfit.add((name, version))
        logger.error("[AIS] {} {} is not used: {}", _spelt(name), version, error)

    def _session(self) -> Any:
        if self._database is None:
            raise StorageError("there is no database of AIs")
        return self._database.session("read the AIs and numbers", read_only=True)


async def _descriptions(
    session: AsyncSession, keys: Iterable[tuple[str, str, int]]
) -> list[AiVersionRow]:
    wanted = list(keys)
    key = tuple_(AiVersionRow.customer, AiVersionRow.name, AiVersionRow.version)
    found: list[AiVersionRow] = []
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        found += await session.scalars(select(AiVersionRow).where(key.in_(some)))
    return found


def _spelt(name: _Name) -> str:
    customer, ai = name
    return f"AI {ai!r}" if customer == DEFAULT else f"AI {ai!r} of {customer!r}"
