"""What the dialplan asks and tells of a call, over HTTP with Asterisk's password.

/telephony/ws/ID/next: where it is to connect a call whose AI is done. Its leg ends,
Asterisk goes on behind its Dial and asks. So a call is handed over without a second
connection between the two, and stays up if the agent dies.

/telephony/ws/ID/over: why the caller's line was cleared.

Which of the two comes first tells a call whose socket broke whether its caller has hung
up.
"""

import re

from fastapi import APIRouter, Request, Response

from agent.calls.call import HangupCause
from agent.calls.facts import CauseTold
from agent.session import LiveCalls, Records

from .config import TelephonyConfig
from .telephony_ws import knows

router = APIRouter()
_LONGEST = 200
"""Bytes of what is told."""
_Q850 = re.compile(r"(?:^|&)q850=(\d{1,3})(?:&|$)")
# HANGUPCAUSE(channel,tech): "SIP 486 Busy Here", or nothing.
_SIP = re.compile(r"(?:^|&)sip=SIP(?:\+|%20| )([1-6]\d\d)\b")


class Handover:
    """Calls that are to be connected, until they were asked for."""

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._destinations: dict[str, str] = {}

    def connect(self, call_id: str, destination: str) -> None:
        self._destinations[call_id] = destination
        while len(self._destinations) > self._most:
            # A dialplan that never asks.
            del self._destinations[next(iter(self._destinations))]

    def take(self, call_id: str) -> str:
        """Empty: nowhere, the call is over."""
        return self._destinations.pop(call_id, "")


@router.get("/telephony/ws/{call_id}/next", include_in_schema=False)
async def next_step(request: Request, call_id: str) -> Response:
    """`connect` and a number or an extension, or nothing. For Asterisk, with its
    password."""
    config: TelephonyConfig = request.app.state.telephony
    if not knows(request.headers, config):
        return Response(status_code=401)
    live: LiveCalls = request.app.state.live
    live.tell(call_id, line_cleared=False)
    handover: Handover = request.app.state.handover
    destination = handover.take(call_id)
    return Response(
        f"connect {destination}" if destination else "", media_type="text/plain"
    )


@router.post("/telephony/ws/{call_id}/over", include_in_schema=False)
async def over(request: Request, call_id: str) -> Response:
    config: TelephonyConfig = request.app.state.telephony
    if not knows(request.headers, config):
        return Response(status_code=401)
    live: LiveCalls = request.app.state.live
    live.tell(call_id, line_cleared=True)
    told = (await request.body())[:_LONGEST].decode("ascii", "replace")
    if (cause := _cause(told)) is not None:
        records: Records = request.app.state.records
        records.note(CauseTold(call_id, cause))
    return Response(status_code=204)


def _cause(told: str) -> HangupCause | None:
    q850, sip = _Q850.search(told), _SIP.search(told)
    if q850 is None:
        return None
    return HangupCause(int(q850[1]), int(sip[1]) if sip else 0)
