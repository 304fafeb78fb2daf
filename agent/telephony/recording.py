"""Silence in a recording: what MixMonitor writes while nobody may know what is said.

Asterisk goes on writing, zeros instead of sound, so the three tracks stay as long as
the call. A channel goes by its name or its UNIQUEID, which is our call's id. Beginning
and ending recordings is the dialplan's: AMI's MixMonitor takes the right `system`, with
which any program can be run.
"""

from agent.calls.control import CallControlError

from .ami import Ami, AmiError


class Recorder:
    def __init__(self, ami: Ami | None = None) -> None:
        self._ami = ami

    async def mute(self, channel: str) -> None:
        """Nothing of either side is recorded from now on."""
        await self._set(channel, "1")

    async def unmute(self, channel: str) -> None:
        await self._set(channel, "0")

    async def _set(self, channel: str, state: str) -> None:
        if self._ami is None:
            raise CallControlError(
                "the recording cannot be changed: OFFHOOK_AMI_PASSWORD is not set"
            )
        try:
            await self._ami.act(
                "MixMonitorMute", Channel=channel, Direction="both", State=state
            )
        except AmiError as error:
            raise CallControlError(
                f"the recording cannot be changed: {error}"
            ) from error
