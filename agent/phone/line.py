"""A phone line as a caller sees it: speak, listen, press keys, hang up.

How the sound travels is a `Carrier`: SIP and RTP (sip.py) or Asterisk's media
websocket (websocket.py). All times are seconds since the call was answered.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any, Protocol, TypeVar

from .ear import Ear, Heard
from .mouth import Mouth, Press
from .recording import Recording, place
from .ulaw import to_pcm

TICK = 0.02
"""Seconds that one frame lasts."""

T = TypeVar("T")


class CallFailed(Exception):
    """The call did not come up."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
        """Final SIP or HTTP status; 0: nobody answered at all."""


class CallOver(Exception):
    """Somebody hung up while the caller was still waiting for something."""


class Side(StrEnum):
    CALLER = "caller"
    CALLED = "called"


@dataclass(frozen=True, slots=True)
class Ending:
    hung_up_by: Side
    at: float
    reason: str = ""
    """What the other side said about it, if anything."""


class Carrier(Protocol):
    def send(self, said: bytes | Press) -> None:
        """Twenty milliseconds of what the caller does. Called on every tick."""

    async def hang_up(self) -> None:
        """Ask for the end; `Line.over` says when it came."""

    async def close(self) -> None:
        """Free what it holds, whether the call is up or over."""


class Line:
    """An answered call. Leaving `async with` hangs up."""

    def __init__(self, carrier: Carrier, ear: Ear, answered_at: float) -> None:
        """`answered_at`: on the event loop's clock."""
        self._carrier = carrier
        self._ear = ear
        self._answered_at = answered_at
        self._mouth = Mouth()
        self._ending: asyncio.Future[Ending] = (
            asyncio.get_running_loop().create_future()
        )
        self._speaking = asyncio.create_task(self._speak())

    async def __aenter__(self) -> "Line":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self.hang_up()
        finally:
            self._speaking.cancel()
            await asyncio.gather(self._speaking, return_exceptions=True)
            await self._carrier.close()

    @property
    def heard(self) -> list[Heard]:
        return self._ear.heard

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time() - self._answered_at

    async def play(self, ulaw: bytes) -> None:
        """Returns when the last of it has gone out. Cancelled, it breaks off."""
        clip = self._mouth.say(ulaw)
        try:
            await self._while_up(clip.done)
        except asyncio.CancelledError:
            self._mouth.drop(clip)
            raise

    async def press(self, keys: str) -> None:
        """Keys of the phone, one after the other: 0-9 * # A-D."""
        await self._while_up(self._mouth.press(keys).done)

    async def hear_sound(self, within: float) -> float:
        """When the next sound began; TimeoutError if there is none `within` seconds."""
        begun = self._ear.next_sound(self.now)
        try:
            async with asyncio.timeout(within):
                return await self._while_up(begun)
        except TimeoutError:
            raise TimeoutError(
                f"nothing was heard within {within} s, at {self.now:.2f} s of the call"
            ) from None

    async def hear_silence(self, seconds: float, within: float) -> float:
        """When the silence began that has now lasted for `seconds`."""
        since = self.now
        while (quiet := self.now - max(self._ear.last_sound, since)) < seconds:
            if self.now - since > within:
                raise TimeoutError(
                    f"no {seconds} s of silence within {within} s, "
                    f"at {self.now:.2f} s of the call"
                )
            await self._while_up(asyncio.sleep(seconds - quiet))
        return max(self._ear.last_sound, since)

    async def hang_up(self) -> Ending:
        """Does nothing but tell how it ended when the call is over already."""
        if not self._ending.done():
            self._speaking.cancel()
            await self._carrier.hang_up()
        return await self.ended()

    async def ended(self, within: float = 10.0) -> Ending:
        """Waits for the end, whoever brings it about."""
        async with asyncio.timeout(within):
            return await asyncio.shield(self._ending)

    def over(self, hung_up_by: Side, reason: str = "") -> None:
        """The carrier's word that the call has ended. Only the first one counts."""
        if not self._ending.done():
            self._ending.set_result(Ending(hung_up_by, self.now, reason))
            self._speaking.cancel()

    def recording(self) -> Recording:
        """Both sides so far, on one clock."""
        return Recording(
            caller=to_pcm(bytes(self._mouth.said)), agent=to_pcm(place(self.heard))
        )

    async def _speak(self) -> None:
        # By the clock and not by sleeping 20 ms each: a late tick is caught up on.
        due = self._answered_at
        loop = asyncio.get_running_loop()
        while True:
            self._carrier.send(self._mouth.tick())
            due += TICK
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def _while_up(self, wanted: Awaitable[T]) -> T:
        """What is awaited, or CallOver when the call ends first."""
        waiting = asyncio.ensure_future(wanted)
        either: set[asyncio.Future[Any]] = {waiting, self._ending}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise CallOver(f"the call is over: {self._ending.result()}")
            return waiting.result()
        finally:
            waiting.cancel()
