"""Who may call the API: who has a key of it, and what that key opens.

With neither OFFHOOK_TOKEN nor any key in the database whoever sits on this machine is
let in, so that a fresh installation can be looked at and is not open to its network.
Everything is decided in memory: a database that is away locks nobody out.
"""

import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Any, Protocol

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from loguru import logger
from starlette.requests import HTTPConnection

from agent.calls.customer import DEFAULT, ApiKey, Scope

from .limits import Limits
from .problems import Refusal

CUSTOMER_HEADER = "Offhook-Customer"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks."""

    customer: str
    scope: Scope
    who: str
    """For the audit: `key key_17`, `OFFHOOK_TOKEN`, `this machine`."""


class KnownKeys(Protocol):
    """The keys of the database, in memory; storage/customers.py fulfils it."""

    @property
    def known(self) -> bool:
        """False: they could not be read yet."""
        ...

    @property
    def any(self) -> bool:
        """Whether there is a key at all, be it expired or revoked."""
        ...

    def find(self, secret: str, now: datetime) -> ApiKey | None:
        """None: there is no such key, or it is not good any more."""
        ...

    def has_customer(self, customer: str) -> bool: ...


class NoKeys:
    """Of a server without a database (echo.py)."""

    known = True
    any = False

    def find(self, secret: str, now: datetime) -> ApiKey | None:
        return None

    def has_customer(self, customer: str) -> bool:
        return customer == DEFAULT


_bearer = HTTPBearer(
    scheme_name="key",
    auto_error=False,
    description="A key of `offhook keys create`, or OFFHOOK_TOKEN. Who has one of scope"
    f" admin may act for another customer by the header `{CUSTOMER_HEADER}`.",
)
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_OPENS = {
    Scope.ADMIN: frozenset(Scope),
    Scope.OPERATOR: frozenset({Scope.OPERATOR, Scope.READ}),
    Scope.READ: frozenset({Scope.READ}),
    Scope.TELEPHONY: frozenset({Scope.TELEPHONY}),
}


def warn_if_open(token: str, keys: KnownKeys) -> None:
    """At the start: an installation that has no keys yet should not stay so."""
    if not token and keys.known and not keys.any:
        logger.warning(
            "[API] NO KEY IS CONFIGURED: every program on this machine may do"
            " everything, and nobody else anything. Make one: offhook keys create"
        )


async def asking(
    request: HTTPConnection,
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal:
    """Who it is; raises a Refusal if nobody we know."""
    token: str = request.app.state.operator_token
    keys: KnownKeys = request.app.state.keys
    limits: Limits = request.app.state.limits
    if given is None:
        if token or keys.any:
            raise Refusal(
                401, "key_needed", "a key is needed", {"WWW-Authenticate": "Bearer"}
            )
        if not keys.known:
            raise _keys_unknown()
        _require_loopback(request)
        return Principal(DEFAULT, Scope.ADMIN, "this machine")
    # Headers come decoded as Latin-1, whatever was sent.
    secret = given.credentials.encode("latin-1")
    key = keys.find(given.credentials, datetime.now(UTC))
    if key is not None:
        return Principal(key.customer, key.scope, f"key {key.id}")
    # A key is too long to be guessed, OFFHOOK_TOKEN may be short: who has been wrong
    # too often is not even compared with it.
    peer, now = _peer(request), time.monotonic()
    limits.before_guess(peer, now)
    if token and secrets.compare_digest(secret, token.encode()):
        return Principal(DEFAULT, Scope.ADMIN, "OFFHOOK_TOKEN")
    if not keys.known:
        raise _keys_unknown()
    if not token and not keys.any:
        # Some clients always send one.
        _require_loopback(request)
        return Principal(DEFAULT, Scope.ADMIN, "this machine")
    limits.wrong_guess(peer, now)
    raise Refusal(
        401,
        "wrong_key",
        "this key is unknown, has expired or was revoked",
        {"WWW-Authenticate": 'Bearer error="invalid_token"'},
    )


async def acting(
    request: HTTPConnection, who: Annotated[Principal, Depends(asking)]
) -> Principal:
    """For whom: its own customer, or the one that an admin names."""
    limits: Limits = request.app.state.limits
    by_key = who.who.startswith("key ")
    limits.take(who.who if by_key else _peer(request), time.monotonic())
    customer = request.headers.get(CUSTOMER_HEADER)
    if customer is None or customer == who.customer:
        return who
    if who.scope is not Scope.ADMIN:
        raise Refusal(
            403,
            "scope_too_small",
            "only a key of scope admin may act for another customer than its own,"
            f" {who.customer!r}",
            needed=Scope.ADMIN,
        )
    keys: KnownKeys = request.app.state.keys
    if not keys.has_customer(customer):
        raise Refusal(404, "no_customer", f"there is no customer {customer!r}")
    return replace(who, customer=customer)


def _opens(scope: Scope, whoever: Callable[..., Awaitable[Principal]]) -> Any:
    """The dependency of a route that a key of this scope opens."""

    async def allowed(who: Annotated[Principal, Depends(whoever)]) -> Principal:
        if scope not in _OPENS[who.scope]:
            raise Refusal(
                403,
                "scope_too_small",
                f"this needs a key of scope {scope}, and yours has {who.scope}",
                needed=scope,
            )
        return who

    return Depends(allowed)


Reader = Annotated[Principal, _opens(Scope.READ, acting)]
"""Whoever may read what belongs to his customer."""
Operator = Annotated[Principal, _opens(Scope.OPERATOR, acting)]
"""Whoever may change it."""
Admin = Annotated[Principal, _opens(Scope.ADMIN, acting)]
"""Whoever may do everything, for every customer."""
Telephony = Annotated[Principal, _opens(Scope.TELEPHONY, asking)]
"""Asterisk and `offhook upload`, which are never told to wait."""
Watcher = Annotated[Principal, _opens(Scope.ADMIN, asking)]
"""A program that looks after this one, such as Prometheus; nor is that."""


def _keys_unknown() -> Refusal:
    return Refusal(
        503, "database_away", "the keys could not be read yet", {"Retry-After": "5"}
    )


def _require_loopback(request: HTTPConnection) -> None:
    # Behind a proxy on this machine everybody seems to sit on it.
    forwarded = any(name in request.headers for name in _FORWARDED)
    if forwarded or not _is_loopback(_peer(request)):
        raise Refusal(
            403,
            "not_this_machine",
            "only clients on the agent's own machine are let in as long as there is no"
            " key and OFFHOOK_TOKEN is not set; make one by `offhook keys create`, and"
            " send it as a bearer token",
        )


def _peer(request: HTTPConnection) -> str:
    return request.client.host if request.client else ""


def _is_loopback(peer: str) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
