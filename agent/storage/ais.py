"""The AIs of all customers, in versions: an edit adds one, and none ever changes.

Those of the OFFHOOK_AIS file are brought in when the agent starts, and edited there.
Who edits sees what is there in the same transaction, and refuses by an exception.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from agent.calls.ai import AI, AIError, AIs, described, read_ai
from agent.calls.customer import DEFAULT
from agent.calls.event import Event, EventType

from .audit import Act, Deed, note
from .database import Database
from .errors import StorageError
from .events import emit
from .tables import AiRow, AiVersionRow, NumberRow, storable

FILE = "OFFHOOK_AIS"
"""Who edits the AIs of the file."""
MOST_BYTES = 256 * 1024
"""Of a description as JSON."""
_OUTSIDE_ONLY = "outside_only"
_EDITS = 267337741
"""Key of PostgreSQL's advisory lock of whoever edits AIs or numbers."""
_SHOWN = 20
"""Numbers that AiInUse names."""


class Source(StrEnum):
    API = "api"
    FILE = "file"


class NoSuchAi(Exception):
    pass


class AiExists(Exception):
    pass


class KeptInFile(Exception):
    """It is edited in the OFFHOOK_AIS file, and nowhere else."""


class AiInUse(Exception):
    def __init__(self, numbers: tuple[str, ...]) -> None:
        super().__init__(numbers)
        self.numbers = numbers
        """Some of those that it answers under."""


@dataclass(frozen=True, slots=True)
class KeptAi:
    customer: str
    version: int
    source: Source
    ai: AI
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """Of an AI that may be deleted by now."""

    version: int
    ai: AI
    created_at: datetime
    who: str


class AiBook:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, customer: str, name: str) -> KeptAi | None:
        async with self._database.session(
            f"read the AI {name!r}", read_only=True
        ) as session:
            row = await session.get(AiRow, (customer, name))
            if row is None or row.deleted_at is not None:
                return None
            return await _kept(session, row)

    async def page(
        self, customer: str, limit: int, after: str = ""
    ) -> tuple[KeptAi, ...]:
        """By name, from the one that follows `after`."""
        query = (
            select(AiRow, AiVersionRow.config)
            .join(AiVersionRow, _newest())
            .where(AiRow.customer == customer, AiRow.deleted_at.is_(None))
            .where(AiRow.name > after)
            .order_by(AiRow.name)
            .limit(limit)
        )
        async with self._database.session("list the AIs", read_only=True) as session:
            rows = await session.execute(query)
            return tuple(_made(row, config) for row, config in rows)

    async def version(
        self, customer: str, name: str, number: int
    ) -> KeptVersion | None:
        async with self._database.session(
            f"read version {number} of the AI {name!r}", read_only=True
        ) as session:
            row = await session.get(AiVersionRow, (customer, name, number))
            return None if row is None else _version(row)

    async def versions(
        self, customer: str, name: str, limit: int, before: int | None = None
    ) -> tuple[KeptVersion, ...]:
        """The newest first; empty: there was never such an AI."""
        query = (
            select(AiVersionRow)
            .where(AiVersionRow.customer == customer, AiVersionRow.name == name)
            .order_by(AiVersionRow.version.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(AiVersionRow.version < before)
        async with self._database.session(
            f"read the versions of the AI {name!r}", read_only=True
        ) as session:
            return tuple(_version(row) for row in await session.scalars(query))

    async def create(self, customer: str, ai: AI, who: str, now: datetime) -> KeptAi:
        """Raises AiExists. A name that was used before goes on counting versions."""
        config = _config(ai)
        async with self._database.session(f"make the AI {ai.name!r}") as session:
            await one_by_one(session)
            row = await session.get(AiRow, (customer, ai.name))
            if row is not None and row.deleted_at is None:
                raise AiExists
            row = _begun(session, row, customer, ai.name, Source.API, now)
            await _write(session, row, config, who, now)
            await _tell(session, row, "created", who, now)
            return _made(row, config)

    async def edit(
        self,
        customer: str,
        name: str,
        change: Callable[[KeptAi], AI],
        who: str,
        now: datetime,
    ) -> KeptAi:
        """`change` is given what is there, and may raise. What stays as it is makes no
        version. Raises NoSuchAi or KeptInFile."""
        async with self._database.session(f"edit the AI {name!r}") as session:
            await one_by_one(session)
            row = await _editable(session, customer, name)
            before = await _kept(session, row)
            config = _config(change(before))
            if config == _config(before.ai):
                return before
            await _write(session, row, config, who, now)
            await _tell(session, row, "updated", who, now)
            return _made(row, config)

    async def delete(
        self,
        customer: str,
        name: str,
        allowed: Callable[[KeptAi], object],
        who: str,
        now: datetime,
    ) -> None:
        """Its versions stay. `allowed` is given what is there, and may raise. Raises
        NoSuchAi, KeptInFile or AiInUse."""
        async with self._database.session(f"delete the AI {name!r}") as session:
            await one_by_one(session)
            row = await _editable(session, customer, name)
            allowed(await _kept(session, row))
            numbers = await session.scalars(
                select(NumberRow.number)
                .where(NumberRow.customer == customer, NumberRow.ai == name)
                .order_by(NumberRow.number)
                .limit(_SHOWN)
            )
            if in_use := tuple(numbers):
                raise AiInUse(in_use)
            await _remove(session, row, who, now)

    async def import_file(self, ais: AIs, now: datetime) -> None:
        """Those of the file, as AIs of the default customer. What is not in the file
        any more is deleted; one of the same name that the API made is the file's."""
        configs = {name: _config(ai) for name, ai in ais.by_name.items()}
        async with self._database.session(f"take over {FILE}") as session:
            await one_by_one(session)
            rows = {
                row.name: row
                for row in await session.scalars(
                    select(AiRow).where(AiRow.customer == DEFAULT)
                )
            }
            for name, config in configs.items():
                await _import(session, rows.get(name), name, config, now)
            for name, row in rows.items():
                gone = name not in configs and row.deleted_at is None
                if gone and row.source == Source.FILE:
                    await _remove(session, row, FILE, now)


async def one_by_one(session: AsyncSession) -> None:
    """Edits of AIs and numbers look at each other: none begins before the last one is
    committed. SQLite has one writer at a time anyway."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(select(func.pg_advisory_xact_lock(_EDITS)))


def ai_of(name: str, config: Mapping[str, Any]) -> AI:
    """Of a version. Raises AIError if a newer Offhook wrote it."""
    keys = {key: config[key] for key in config if key != _OUTSIDE_ONLY}
    return replace(read_ai(name, keys), outside_only=bool(config.get(_OUTSIDE_ONLY)))


def _config(ai: AI) -> dict[str, Any]:
    """As it is kept. Raises AIError if it cannot be."""
    told = described(ai)
    if ai.outside_only:
        told[_OUTSIDE_ONLY] = True
    try:
        text = json.dumps(told, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise AIError(f"AI {ai.name!r} cannot be written as JSON: {error}") from error
    if len(text) > MOST_BYTES:
        raise AIError(f"AI {ai.name!r} has more than {MOST_BYTES // 1024} KiB of JSON")
    config: dict[str, Any] = _storable(json.loads(text))
    return config


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_storable(each) for each in value]
    if isinstance(value, dict):
        return {storable(key): _storable(value[key]) for key in value}
    return value


def _newest() -> Any:
    """Joins an AI with what it says now."""
    return (
        (AiVersionRow.customer == AiRow.customer)
        & (AiVersionRow.name == AiRow.name)
        & (AiVersionRow.version == AiRow.version)
    )


async def _kept(session: AsyncSession, row: AiRow) -> KeptAi:
    return _made(row, await _newest_config(session, row))


async def _newest_config(session: AsyncSession, row: AiRow) -> dict[str, Any]:
    newest = await session.get_one(AiVersionRow, (row.customer, row.name, row.version))
    return newest.config


def _made(row: AiRow, config: Mapping[str, Any]) -> KeptAi:
    return KeptAi(
        row.customer,
        row.version,
        Source(row.source),
        _read(row.name, config),
        row.created_at,
        row.updated_at,
    )


def _version(row: AiVersionRow) -> KeptVersion:
    return KeptVersion(
        row.version, _read(row.name, row.config), row.created_at, row.who
    )


def _read(name: str, config: Mapping[str, Any]) -> AI:
    try:
        return ai_of(name, config)
    except AIError as error:
        raise StorageError(f"a newer Offhook wrote this: {error}") from error


async def _editable(session: AsyncSession, customer: str, name: str) -> AiRow:
    row = await session.get(AiRow, (customer, name))
    if row is None or row.deleted_at is not None:
        raise NoSuchAi
    if row.source == Source.FILE:
        raise KeptInFile
    return row


def _begun(
    session: AsyncSession,
    row: AiRow | None,
    customer: str,
    name: str,
    source: Source,
    now: datetime,
) -> AiRow:
    """The row of an AI that is new, or here again."""
    if row is None:
        row = AiRow(customer=customer, name=name, version=0)
        session.add(row)
    row.source = source.value
    row.created_at = row.updated_at = now
    row.deleted_at = None
    return row


async def _write(
    session: AsyncSession,
    row: AiRow,
    config: dict[str, Any],
    who: str,
    now: datetime,
) -> None:
    row.version += 1
    row.updated_at = now
    session.add(
        AiVersionRow(
            customer=row.customer,
            name=row.name,
            version=row.version,
            config=config,
            created_at=now,
            who=who,
        )
    )


async def _remove(session: AsyncSession, row: AiRow, who: str, now: datetime) -> None:
    row.deleted_at = row.updated_at = now
    await _tell(session, row, "deleted", who, now)


async def _import(
    session: AsyncSession,
    row: AiRow | None,
    name: str,
    config: dict[str, Any],
    now: datetime,
) -> None:
    there = row is not None and row.deleted_at is None
    changed = row is None or await _newest_config(session, row) != config
    if row is not None and there and not changed and row.source == Source.FILE:
        return
    if row is None or not there:
        row = _begun(session, row, DEFAULT, name, Source.FILE, now)
    row.source = Source.FILE.value
    row.updated_at = now
    if changed:
        await _write(session, row, config, FILE, now)
    await _tell(session, row, "updated" if there else "created", FILE, now)


async def _tell(
    session: AsyncSession, row: AiRow, change: str, who: str, now: datetime
) -> None:
    note(
        session,
        Deed(
            now,
            who,
            Act.AI_DELETED if change == "deleted" else Act.AI_CHANGED,
            why=f"{change}, version {row.version}",
            customer=row.customer,
            subject=f"ai/{row.name}",
        ),
    )
    data = {"ai": row.name, "version": row.version, "change": change}
    await emit(session, [Event(EventType.AI_CHANGED, row.customer, now, data)], now)
