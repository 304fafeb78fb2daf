"""/calls: what calls there are and were, one in full; hold, resume and hang-up; its
recording stopped, started and paused."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn, Protocol

from fastapi import APIRouter, Depends, Query, Request, Response
from loguru import logger

from agent.calls.call import Direction, EndReason
from agent.calls.control import CallControlError
from agent.calls.record import CallRecord
from agent.conversation.privacy import SECONDS
from agent.storage.audit import Act, Deed, note
from agent.storage.calls import Calls, Cursor
from agent.storage.database import Database
from agent.storage.errors import StorageError

from .auth import Operator, Principal, Reader
from .idempotency import IdempotentRoute
from .pages import before as page_before
from .pages import place, read_place
from .problems import Refusal, documented
from .schemas import CallDetail, CallPage, CallSummary, Instant, TurnList


class Live(Protocol):
    """The calls that are up in this process."""

    def customer(self, call_id: str) -> str | None:
        """To whom it belongs; None when no such call is up."""
        ...

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


@dataclass(frozen=True, slots=True)
class LiveCall:
    """A call that something is to be done to, if it is up."""

    id: str
    who: Principal
    live: Live
    calls: Calls

    async def tell(self, what: Callable[[str], bool]) -> Response:
        if not (self._is_ours() and what(self.id)):
            await self._explain()
        return Response(status_code=202)

    async def ask(self, what: Callable[[str], Awaitable[bool]]) -> Response:
        try:
            done = self._is_ours() and await what(self.id)
        except CallControlError as error:
            raise Refusal(409, "cannot_be_done", str(error)) from error
        if not done:
            await self._explain()
        return Response(status_code=202)

    def _is_ours(self) -> bool:
        return self.live.customer(self.id) == self.who.customer

    async def _explain(self) -> NoReturn:
        """Why nothing can be done to a call that is not up here."""
        record = await _found(self.id, self.calls, self.who)
        if record.end is None:
            raise Refusal(
                409, "call_elsewhere", f"call {self.id!r} is not up in this agent"
            )
        raise Refusal(
            409,
            "call_over",
            f"call {self.id!r} is over since {record.end.ended_at.isoformat()}",
        )


async def _live_call(request: Request, call_id: str, who: Operator) -> LiveCall:
    state = request.app.state
    return LiveCall(call_id, who, state.live, state.calls)


router = APIRouter(prefix="/calls", tags=["calls"], route_class=IdempotentRoute)
Stored = Annotated[Calls, Depends(_calls)]
ToDo = Annotated[LiveCall, Depends(_live_call)]

# Of what is done to a call that is up.
_CARRIED_OUT: Any = {
    "status_code": 202,
    "response_class": Response,
    "responses": documented(404, 409),
}


@router.get("")
async def list_calls(
    who: Reader,
    calls: Stored,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[str | None, page_before(1)] = None,
    ai: Annotated[str | None, Query(description="Only calls of this AI.")] = None,
    direction: Direction | None = None,
    number: Annotated[
        str | None, Query(description="Only calls from it, and to it.")
    ] = None,
    since: Annotated[
        Instant | None, Query(description="Only those that began then, or later.")
    ] = None,
    until: Annotated[
        Instant | None, Query(description="Only those that began before.")
    ] = None,
    end_reason: EndReason | None = None,
    live: Annotated[
        bool | None, Query(description="Only calls that are up, or are over.")
    ] = None,
) -> CallPage:
    """Newest first."""
    page = await calls.newest(
        limit,
        None if before is None else _cursor(before),
        customer=who.customer,
        ai=ai,
        direction=direction,
        number=number,
        since=since,
        until=until,
        end_reason=end_reason,
        ended=None if live is None else not live,
    )
    return CallPage(
        calls=[CallSummary.of(listed) for listed in page.calls],
        next=None
        if page.next is None
        else place(page.next.started_at, page.next.call_id),
    )


@router.get("/{call_id}", responses=documented(404))
async def get_call(who: Reader, call_id: str, calls: Stored) -> CallDetail:
    """What was said and done in it, what it used, and its recordings."""
    return CallDetail.of_record(await _found(call_id, calls, who))


@router.get("/{call_id}/turns", responses=documented(404))
async def list_turns(who: Reader, call_id: str, calls: Stored) -> TurnList:
    """What was said so far, in its order."""
    return TurnList.of(await _found(call_id, calls, who))


@router.delete("/{call_id}", **_CARRIED_OUT)
async def hang_up(request: Request, call: ToDo) -> Response:
    """Hangs up. The call is over some moments after the answer."""
    answer = await call.tell(call.live.end)
    await _note_hang_up(request.app.state.database, call)
    return answer


@router.post("/{call_id}/hold", **_CARRIED_OUT)
async def hold(call: ToDo) -> Response:
    """The AI falls silent at once and waits: nobody is asked whether he is there, and
    nothing that is heard is written down. Again: nothing changes."""
    return await call.tell(call.live.hold)


@router.post("/{call_id}/resume", **_CARRIED_OUT)
async def resume(call: ToDo) -> Response:
    """The end of a hold. Without one: nothing changes."""
    return await call.tell(call.live.resume)


@router.post("/{call_id}/record/stop", **_CARRIED_OUT)
async def stop_recording(call: ToDo) -> Response:
    """From now on the recording holds silence, as long as the call. The AI goes on
    listening, and the transcript goes on."""
    return await call.ask(call.live.record_stop)


@router.post("/{call_id}/record/start", **_CARRIED_OUT)
async def start_recording(call: ToDo) -> Response:
    """It holds sound again; in a pause: from its end on."""
    return await call.ask(call.live.record_start)


@router.post("/{call_id}/record/pause", **_CARRIED_OUT)
async def pause_recording(
    call: ToDo,
    seconds: Annotated[
        float, Query(ge=1, le=600, description="After so long it is over by itself.")
    ] = SECONDS,
) -> Response:
    """The caller is asked to type. Until that is done nothing is recorded, heard or
    written down; the keys go to the AI's `keys_to`. Again: nothing changes."""
    return await call.ask(lambda call_id: call.live.record_pause(call_id, seconds))


@router.post("/{call_id}/record/resume", **_CARRIED_OUT)
async def resume_recording(call: ToDo) -> Response:
    """The end of a pause; what was not typed to its end goes nowhere. Without a pause:
    nothing changes."""
    return await call.ask(call.live.record_resume)


async def _found(call_id: str, calls: Calls, who: Principal) -> CallRecord:
    record = await calls.get(call_id, who.customer)
    if record is None:
        raise Refusal(404, "no_call", f"there is no call {call_id!r}")
    return record


async def _note_hang_up(database: Database, call: LiveCall) -> None:
    deed = Deed(
        datetime.now(UTC),
        call.who.who,
        Act.CALL_HUNG_UP,
        call_id=call.id,
        customer=call.who.customer,
    )
    try:
        async with database.session(f"note who hung up {call.id!r}") as session:
            note(session, deed)
    except StorageError as error:
        # An operator can hang up without a database, too.
        logger.bind(call=call.id).error("[API] not noted: {}: {}", deed, error)


def _cursor(text: str) -> Cursor:
    started_at, (call_id,) = read_place(text)
    return Cursor(started_at, call_id)
