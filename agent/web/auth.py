"""Who may use the operator's side of the agent.

With a token configured: who has it. Without: who sits on this machine, so that a
fresh installation can be looked at and is not open to its network.
"""

import secrets
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from agent.calls.customer import DEFAULT, Scope


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks."""

    customer: str
    scope: Scope
    who: str
    """For the audit: `key key_17`, `OFFHOOK_TOKEN`, `this machine`."""


_bearer = HTTPBearer(auto_error=False, description="OFFHOOK_TOKEN")
_FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


def require_operator(
    request: Request,
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> None:
    token: str = request.app.state.operator_token
    if not token:
        _require_loopback(request)
    elif given is None:
        raise HTTPException(
            401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"}
        )
    # Headers come decoded as Latin-1, whatever was sent.
    elif not secrets.compare_digest(
        given.credentials.encode("latin-1"), token.encode()
    ):
        raise HTTPException(
            401,
            "the bearer token is not the right one",
            {"WWW-Authenticate": 'Bearer error="invalid_token"'},
        )


def _require_loopback(request: Request) -> None:
    peer = request.client.host if request.client else ""
    # Behind a proxy on this machine everybody seems to sit on it.
    forwarded = any(name in request.headers for name in _FORWARDED)
    if forwarded or not _is_loopback(peer):
        raise HTTPException(
            403,
            "only clients on the agent's own machine are let in as long as"
            " OFFHOOK_TOKEN is not set; set it, and send it as a bearer token",
        )


def _is_loopback(peer: str) -> bool:
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def _principal(
    request: Request,
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Principal:
    require_operator(request, given)
    return Principal(DEFAULT, Scope.ADMIN, "OFFHOOK_TOKEN")


Reader = Annotated[Principal, Depends(_principal)]
"""Whoever may read what belongs to his customer."""
Operator = Annotated[Principal, Depends(_principal)]
"""Whoever may change it."""
Admin = Annotated[Principal, Depends(_principal)]
Telephony = Annotated[Principal, Depends(_principal)]
