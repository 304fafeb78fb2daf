"""An HTTP answer of a provider, or the ProviderError that says why there is none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from .errors import Cause, ProviderError, cause_of_status

LONGEST_DETAIL = 300


def shared_client() -> httpx.AsyncClient:
    """One for the process: setting up TLS for each call would hold up the loop."""
    return httpx.AsyncClient(
        # Our own deadlines are shorter; this only ends what nobody waits for.
        timeout=httpx.Timeout(60, connect=2),
        limits=httpx.Limits(
            max_keepalive_connections=100, max_connections=1000, keepalive_expiry=30
        ),
    )


@asynccontextmanager
async def answer(
    http: httpx.AsyncClient, request: httpx.Request, within: float
) -> AsyncIterator[httpx.Response]:
    """A success, whose body is still to be read. `within`: seconds until it begins."""
    try:
        async with asyncio.timeout(within):
            response = await http.send(request, stream=True)
    except TimeoutError:
        raise ProviderError(Cause.TIMEOUT, f"nothing within {within:g} s") from None
    except httpx.TransportError as error:
        raise ProviderError(Cause.UNREACHABLE, repr(error)) from error
    try:
        if not response.is_success:
            await _refuse(response, within)
        yield response
    finally:
        await response.aclose()


async def body(response: httpx.Response, within: float) -> bytes:
    try:
        async with asyncio.timeout(within):
            return await response.aread()
    except TimeoutError:
        raise ProviderError(Cause.STALLED, f"not all within {within:g} s") from None
    except httpx.TransportError as error:
        raise ProviderError(Cause.CUT, repr(error)) from error


async def _refuse(response: httpx.Response, within: float) -> None:
    try:
        said = (await body(response, within)).decode(errors="replace")
    except ProviderError as error:
        said = error.detail
    cause = cause_of_status(response.status_code, said)
    if "quota_exceeded" in said:  # ElevenLabs says it with a 401
        cause = Cause.NO_CREDIT
    raise ProviderError(cause, f"{response.status_code} {said[:LONGEST_DETAIL]}")
