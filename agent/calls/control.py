"""What a conversation may do to the call it is in."""

from typing import Protocol


class CallControl(Protocol):
    """Given to the tools; fulfilled by the session."""

    async def hang_up(self, farewell: str) -> None:
        """Say goodbye, wait until it was heard, end the call."""
