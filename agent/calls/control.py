"""What a conversation may do to the call it is in."""

from collections.abc import MutableMapping, Sequence
from typing import Protocol

from .transcript import Turn


class CallControlError(Exception):
    """It cannot be done. The sentence is for the model, which tells the caller."""


class CallControl(Protocol):
    """Given to the tools; fulfilled by the session, and by a chat as far as it can."""

    @property
    def variables(self) -> MutableMapping[str, str]:
        """What is known in this call; kept in its record."""

    @property
    def turns(self) -> Sequence[Turn]:
        """What was said so far."""

    @property
    def caller(self) -> str:
        """The number that calls; empty: hidden."""

    @property
    def customer(self) -> str:
        """Whose call it is."""

    async def hang_up(self, farewell: str) -> None:
        """Say goodbye, wait until it was heard, end the call."""

    async def leave(self, farewell: str) -> None:
        """The AI's part is over; what the dialplan has behind it goes on."""

    async def connect(self, destination: str, announcement: str) -> None:
        """Say the announcement and hand the call over to that number or extension."""

    async def stop_media(self) -> None:
        """What is being played or said stops at once."""

    async def record_stop(self) -> None:
        """Asterisk writes silence from now on; the AI goes on listening."""

    async def record_start(self) -> None:
        """It writes what it hears again."""

    async def record_pause(self) -> None:
        """Nothing that is said or typed is recorded, heard or written down, until
        something was typed or `record_resume`."""

    async def record_resume(self) -> None: ...
