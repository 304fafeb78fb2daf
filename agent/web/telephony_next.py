"""/telephony/ws/ID/next: where the dialplan is to connect a call whose AI is done.

The AI's leg ends, Asterisk goes on behind its Dial and asks. So a call is handed over
without a second connection between the two, and stays up if the agent dies.
"""

from fastapi import APIRouter, Request, Response

from .telephony_ws import TelephonyConfig, knows

router = APIRouter()


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
    handover: Handover = request.app.state.handover
    destination = handover.take(call_id)
    return Response(
        f"connect {destination}" if destination else "", media_type="text/plain"
    )
