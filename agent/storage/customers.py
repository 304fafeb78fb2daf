"""Customers and the keys of the API, kept; and the keys in memory, which are asked.

Of a key only its SHA-256 is kept. Keys are random and long, so that nobody finds one by
trying however fast the hash is, and a slow one would only slow down every request. They
are looked up by that hash: how long that takes says nothing of the key.
"""

import asyncio
import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from loguru import logger
from sqlalchemy import select

from agent.calls.customer import ApiKey, Customer, Scope

from .audit import Act, Deed, note
from .database import Database
from .errors import StorageError
from .tables import ApiKeyRow, CustomerRow

CUSTOMER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BEGINNING = "ok_"
_HINT = len(_BEGINNING) + 5
_REFRESH_EVERY = 5.0
"""Seconds after which a key that another process revoked is refused here too."""


class CustomerExists(StorageError):
    """Nothing was added."""


class UnknownCustomer(StorageError):
    """A key must belong to one that there is."""


class UnknownKey(StorageError):
    """There is none of this id."""


class Customers:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, customer: Customer, who: str) -> None:
        """Raises CustomerExists."""
        if not CUSTOMER_ID.fullmatch(customer.id):
            raise StorageError(
                f"{customer.id!r} is no id of a customer: 1 to 64 letters, digits,"
                " - and _"
            )
        async with self._database.session(f"add customer {customer.id!r}") as session:
            if await session.get(CustomerRow, customer.id) is not None:
                raise CustomerExists(f"there is a customer {customer.id!r} already")
            session.add(
                CustomerRow(
                    id=customer.id,
                    name=customer.name,
                    created_at=customer.created_at,
                )
            )
            deed = Deed(
                customer.created_at,
                who,
                Act.CUSTOMER_ADDED,
                customer=customer.id,
                subject=f"customer/{customer.id}",
            )
            note(session, deed)

    async def all(self) -> tuple[Customer, ...]:
        async with self._database.session("list customers", read_only=True) as session:
            rows = await session.scalars(select(CustomerRow).order_by(CustomerRow.id))
            return tuple(Customer(row.id, row.name, row.created_at) for row in rows)

    async def create_key(
        self,
        customer: str,
        scope: Scope,
        name: str,
        *,
        who: str,
        now: datetime,
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """With the key itself, which is to be had here and never again. Raises
        UnknownCustomer."""
        secret = _BEGINNING + secrets.token_urlsafe(32)
        key = ApiKey(
            id=f"key_{secrets.token_hex(8)}",
            customer=customer,
            scope=scope,
            name=name,
            hint=secret[:_HINT],
            created_at=now,
            expires_at=expires_at,
        )
        async with self._database.session(f"create a key of {customer!r}") as session:
            if await session.get(CustomerRow, customer) is None:
                raise UnknownCustomer(f"there is no customer {customer!r}")
            session.add(
                ApiKeyRow(
                    id=key.id,
                    customer=key.customer,
                    scope=key.scope.value,
                    name=key.name,
                    hint=key.hint,
                    sha256=_hash(secret),
                    created_at=key.created_at,
                    expires_at=key.expires_at,
                    revoked_at=None,
                )
            )
            note(session, _deed(Act.KEY_CREATED, key, who, now))
        return key, secret

    async def keys(self) -> tuple[ApiKey, ...]:
        """Those that are good no more as well; the oldest first."""
        return tuple(ring.key for ring in await self._hashed())

    async def revoke(self, key_id: str, *, who: str, now: datetime) -> ApiKey:
        """Again: nothing changes. Raises UnknownKey."""
        async with self._database.session(f"revoke key {key_id!r}") as session:
            row = await session.get(ApiKeyRow, key_id)
            if row is None:
                raise UnknownKey(f"there is no key {key_id!r}")
            if row.revoked_at is None:
                row.revoked_at = now
                note(session, _deed(Act.KEY_REVOKED, _key(row), who, now))
            return _key(row)

    async def ring(self) -> "KeyRing":
        """All that is to be known of them to decide about a request."""
        customers = await self.all()
        hashed = await self._hashed()
        return KeyRing(
            frozenset(customer.id for customer in customers),
            {each.sha256: each.key for each in hashed},
        )

    async def _hashed(self) -> "tuple[_Hashed, ...]":
        async with self._database.session("read the keys", read_only=True) as session:
            rows = await session.scalars(
                select(ApiKeyRow).order_by(ApiKeyRow.created_at, ApiKeyRow.id)
            )
            return tuple(_Hashed(row.sha256, _key(row)) for row in rows)


@dataclass(frozen=True, slots=True)
class _Hashed:
    sha256: str
    key: ApiKey


@dataclass(frozen=True, slots=True)
class KeyRing:
    customers: frozenset[str] = frozenset()
    keys: Mapping[str, ApiKey] = field(default_factory=dict)
    """By hash."""


class Keys:
    """What web/auth.py asks. A database that is away leaves in force what was known."""

    def __init__(self, customers: Customers) -> None:
        self._customers = customers
        self._ring: KeyRing | None = None

    @property
    def known(self) -> bool:
        return self._ring is not None

    @property
    def any(self) -> bool:
        return self._ring is not None and bool(self._ring.keys)

    def find(self, secret: str, now: datetime) -> ApiKey | None:
        key = None if self._ring is None else self._ring.keys.get(_hash(secret))
        if key is None or key.revoked_at is not None:
            return None
        if key.expires_at is not None and now >= key.expires_at:
            return None
        return key

    def has_customer(self, customer: str) -> bool:
        return self._ring is not None and customer in self._ring.customers

    async def refresh(self) -> None:
        """Raises StorageError."""
        self._ring = await self._customers.ring()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self.refresh()
            except StorageError as error:
                logger.warning("[API] the keys stay as they were: {}", error)
            await asyncio.sleep(_REFRESH_EVERY)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        customer=row.customer,
        scope=Scope(row.scope),
        name=row.name,
        hint=row.hint,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
    )


def _deed(act: Act, key: ApiKey, who: str, now: datetime) -> Deed:
    return Deed(now, who, act, customer=key.customer, subject=f"key/{key.id}")
