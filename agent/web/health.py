"""Alive, ready, measured: what machines ask before they send calls."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse

from .auth import Watcher
from .problems import Refusal, documented

Check = Callable[[], Awaitable[None]]
"""Returns when the part is ready; raises, and says why, when it is not."""

_DEADLINE = 2.0
"""Seconds that a check may take."""

router = APIRouter(tags=["operation"])


def _checks(request: Request) -> Mapping[str, Check]:
    checks: Mapping[str, Check] = request.app.state.checks
    return checks


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process runs and its event loop turns."""
    return {"status": "alive"}


@router.get("/readyz", response_model=dict[str, str], responses=documented(503))
async def readyz(checks: Annotated[Mapping[str, Check], Depends(_checks)]) -> Response:
    """A call that came now could be taken."""
    reasons = await asyncio.gather(*(_reason(check) for check in checks.values()))
    not_ready = {
        name: reason for name, reason in zip(checks, reasons, strict=True) if reason
    }
    if not_ready:
        said = "; ".join(f"{name}: {reason}" for name, reason in not_ready.items())
        raise Refusal(503, "not_ready", said, not_ready=not_ready)
    return JSONResponse({"status": "ready"})


@router.get(
    "/metrics",
    responses={200: {"content": {"text/plain": {}}}},
    response_class=Response,
)
async def metrics(who: Watcher) -> Response:
    """For Prometheus."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _reason(check: Check) -> str:
    """Why the part is not ready; empty: it is."""
    try:
        async with asyncio.timeout(_DEADLINE):
            await check()
    except TimeoutError:
        return f"no answer within {_DEADLINE:g} s"
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer
        return str(error) or type(error).__name__
    return ""
