"""/calls: what calls there are and were, one in full; hold, resume and hang-up; its
recording stopped, started and paused."""

import base64
import binascii
from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated, Any, NoReturn, Protocol

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from agent.calls.control import CallControlError
from agent.conversation.privacy import SECONDS
from agent.storage.calls import Calls, Cursor

from .auth import require_operator
from .problems import documented
from .schemas import CallDetail, CallPage, CallSummary


class Live(Protocol):
    """The calls that are up in this process."""

    def end(self, call_id: str) -> bool:
        """Hangs up; False when no such call is up."""
        ...

    def hold(self, call_id: str) -> bool:
        """The AI falls silent and waits; False when no such call is up."""
        ...

    def resume(self, call_id: str) -> bool:
        """The AI is back; False when no such call is up."""
        ...

    # False when no such call is up, a CallControlError when it cannot be done.

    async def record_start(self, call_id: str) -> bool: ...
    async def record_stop(self, call_id: str) -> bool: ...
    async def record_pause(self, call_id: str, seconds: float) -> bool: ...
    async def record_resume(self, call_id: str) -> bool: ...


def _calls(request: Request) -> Calls:
    calls: Calls = request.app.state.calls
    return calls


def _live(request: Request) -> Live:
    live: Live = request.app.state.live
    return live


router = APIRouter(
    prefix="/calls",
    tags=["calls"],
    dependencies=[Depends(require_operator)],
    responses=documented(401, 403, 422, 500, 503),
)

# Of what is done to a call that is up.
_CARRIED_OUT: Any = {
    "status_code": 202,
    "response_class": Response,
    "responses": documented(404, 409),
}


@router.get("")
async def list_calls(
    calls: Annotated[Calls, Depends(_calls)],
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[str | None, Query(description="`next` of a page.")] = None,
    ai: Annotated[str | None, Query(description="Only calls of this AI.")] = None,
    live: Annotated[
        bool | None, Query(description="Only calls that are up, or are over.")
    ] = None,
) -> CallPage:
    """Newest first."""
    page = await calls.newest(
        limit,
        None if before is None else _cursor(before),
        ai=ai,
        ended=None if live is None else not live,
    )
    return CallPage(
        calls=[CallSummary.of(listed) for listed in page.calls],
        next=None if page.next is None else _text(page.next),
    )


@router.get("/{call_id}", responses=documented(404))
async def get_call(
    call_id: str, calls: Annotated[Calls, Depends(_calls)]
) -> CallDetail:
    """What was said and done in it, and its recordings."""
    record = await calls.get(call_id)
    if record is None:
        raise HTTPException(404, f"there is no call {call_id!r}")
    return CallDetail.of_record(record)


@router.delete("/{call_id}", **_CARRIED_OUT)
async def hang_up(
    call_id: str,
    calls: Annotated[Calls, Depends(_calls)],
    live: Annotated[Live, Depends(_live)],
) -> Response:
    """Hangs up. The call is over some moments after the answer."""
    if not live.end(call_id):
        await _explain(call_id, calls)
    return Response(status_code=202)


@router.post("/{call_id}/hold", **_CARRIED_OUT)
async def hold(
    call_id: str,
    calls: Annotated[Calls, Depends(_calls)],
    live: Annotated[Live, Depends(_live)],
) -> Response:
    """The AI falls silent at once and waits: nobody is asked whether he is there, and
    nothing that is heard is written down. Again: nothing changes."""
    if not live.hold(call_id):
        await _explain(call_id, calls)
    return Response(status_code=202)


@router.post("/{call_id}/resume", **_CARRIED_OUT)
async def resume(
    call_id: str,
    calls: Annotated[Calls, Depends(_calls)],
    live: Annotated[Live, Depends(_live)],
) -> Response:
    """The end of a hold. Without one: nothing changes."""
    if not live.resume(call_id):
        await _explain(call_id, calls)
    return Response(status_code=202)


@router.post("/{call_id}/record/stop", **_CARRIED_OUT)
async def stop_recording(
    call_id: str,
    calls: Annotated[Calls, Depends(_calls)],
    live: Annotated[Live, Depends(_live)],
) -> Response:
    """From now on the recording holds silence, as long as the call. The AI goes on
    listening, and the transcript goes on."""
    await _record(live.record_stop(call_id), call_id, calls)
    return Response(status_code=202)


@router.post("/{call_id}/record/start", **_CARRIED_OUT)
async def start_recording(
    call_id: str,
    calls: Annotated[Calls, Depends(_calls)],
    live: Annotated[Live, Depends(_live)],
) -> Response:
    """It holds sound again; in a pause: from its end on."""
    await _record(live.record_start(call_id), call_id, calls)
    return Response(status_code=202)


@router.post("/{call_id}/record/pause", **_CARRIED_OUT)
async def pause_recording(
    call_id: str,
    calls: Annotated[Calls, Depends(_calls)],
    live: Annotated[Live, Depends(_live)],
    seconds: Annotated[
        float, Query(ge=1, le=600, description="After so long it is over by itself.")
    ] = SECONDS,
) -> Response:
    """The caller is asked to type. Until that is done nothing is recorded, heard or
    written down; the keys go to the AI's `keys_to`. Again: nothing changes."""
    await _record(live.record_pause(call_id, seconds), call_id, calls)
    return Response(status_code=202)


@router.post("/{call_id}/record/resume", **_CARRIED_OUT)
async def resume_recording(
    call_id: str,
    calls: Annotated[Calls, Depends(_calls)],
    live: Annotated[Live, Depends(_live)],
) -> Response:
    """The end of a pause; what was not typed to its end goes nowhere. Without a pause:
    nothing changes."""
    await _record(live.record_resume(call_id), call_id, calls)
    return Response(status_code=202)


async def _record(doing: Awaitable[bool], call_id: str, calls: Calls) -> None:
    try:
        done = await doing
    except CallControlError as error:
        raise HTTPException(409, str(error)) from error
    if not done:
        await _explain(call_id, calls)


async def _explain(call_id: str, calls: Calls) -> NoReturn:
    """Why nothing can be done to a call that is not up here."""
    record = await calls.get(call_id)
    if record is None:
        raise HTTPException(404, f"there is no call {call_id!r}")
    if record.end is None:
        raise HTTPException(409, f"call {call_id!r} is not up in this agent")
    raise HTTPException(
        409, f"call {call_id!r} is over since {record.end.ended_at.isoformat()}"
    )


def _text(cursor: Cursor) -> str:
    plain = f"{cursor.started_at.isoformat()} {cursor.call_id}"
    return base64.urlsafe_b64encode(plain.encode()).decode()


def _cursor(text: str) -> Cursor:
    try:
        plain = base64.b64decode(text, altchars=b"-_", validate=True).decode()
        started_at, _, call_id = plain.partition(" ")
        cursor = Cursor(datetime.fromisoformat(started_at), call_id)
    except (binascii.Error, ValueError) as error:
        raise HTTPException(422, f"before: {text!r} is not a page's `next`") from error
    if cursor.started_at.tzinfo is None:
        raise HTTPException(422, f"before: {text!r} is not a page's `next`")
    return cursor
