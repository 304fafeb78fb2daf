"""/ledger/{call}/{track}: for an `offhook upload` that runs on another machine.

It asks what is known of a track before it stores it, and tells what became of it.
"""

import re
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request, Response
from pydantic import ValidationError

from agent.calls.record import Recording, Track
from agent.storage.ledger import Ledger
from agent.storage.remote_ledger import RECORDING

from .auth import Telephony
from .problems import Refusal, documented

# Never a path out of the store.
_KEY = re.compile(r"(?!/)(?!.*\.\.)[A-Za-z0-9._/-]{0,1000}")


def _ledger(request: Request) -> Ledger:
    ledger: Ledger = request.app.state.ledger
    return ledger


router = APIRouter(prefix="/ledger", include_in_schema=False)
Known = Annotated[Ledger, Depends(_ledger)]


@router.get("/{call_id}/{track}", responses=documented(404))
async def look_up(
    who: Telephony, call_id: str, track: Track, ledger: Known
) -> Recording:
    """What is known of it."""
    found = await ledger.look_up(call_id, track)
    if found is None:
        raise Refusal(
            404, "no_recording", f"nothing is known of {track.value} of {call_id!r}"
        )
    return found


@router.put("/{call_id}/{track}", status_code=204, responses=documented(410, 422))
async def note(
    who: Telephony,
    call_id: str,
    track: Track,
    told: Annotated[bytes, Body()],
    ledger: Known,
) -> Response:
    """What became of it. 410: it was erased or has expired, and must not come back."""
    try:
        recording = RECORDING.validate_json(told)
    except ValidationError as error:
        raise Refusal(422, "invalid_request", f"not a recording: {error}") from error
    if (recording.call_id, recording.track) != (call_id, track):
        raise Refusal(
            422, "invalid_request", "it is of another call or track than its address"
        )
    if not _KEY.fullmatch(recording.key):
        raise Refusal(
            422, "invalid_request", f"{recording.key!r} is not fit to be a key"
        )
    if not await ledger.note(recording):
        raise Refusal(410, "recording_gone", "it was erased or has expired")
    return Response(status_code=204)
