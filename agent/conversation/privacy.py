"""What nobody is to know: the pause of a call in which a card's number is typed.

From `pause` until its end the recording is silent and nobody listens: no words and no
keys, so nothing of them can reach the model, the record or a log. The keys leave by
`deliver` alone. Nothing is logged here but that there was a pause.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

from loguru import logger

from agent.calls.control import CallControlError

SECONDS = 120.0
"""How long a pause lasts when nobody ends it."""
IDLE = 10.0
"""Seconds after the last key in which the next one may still come."""
LONGEST = 64
"""Keys of one entry."""
SETTLE = 0.5
"""Seconds between the end of a pause and ears that listen: what was said last is on its
way still, and ears keep 0.4 s from before a voice."""
AGAIN = 5.0
"""Seconds until a recording that could not be made audible is tried again."""

OVER = "(The pause of the recording is over. Go on.)"
NOTHING = "(The pause of the recording is over. The caller has typed nothing.)"
ACCEPTED = "(What the caller has typed was passed on and accepted. Go on.)"
REFUSED = "(What the caller has typed was not accepted. Tell the caller.)"


class Recorder(Protocol):
    """telephony/recording.py; each may raise a CallControlError."""

    async def mute(self, channel: str) -> None: ...
    async def unmute(self, channel: str) -> None: ...


class Listener(Protocol):
    """The conversation."""

    def be_private(self, on_key: Callable[[str], None]) -> None: ...
    async def ask_for_keys(self) -> None:
        """Says what the caller is to do now."""

    async def be_public(self, told: str) -> None:
        """`told`: what the model is to know; empty: it need not go on."""


Deliver = Callable[[str], Awaitable[bool]]
"""Gives somebody what was typed; whether it was accepted."""


class Window:
    """What is typed in a pause, and when the pause is over. Time is passed in."""

    def __init__(self, now: float, seconds: float, *, keeps: bool) -> None:
        """`keeps`: somebody is to be given the keys; else they are forgotten."""
        self._ends = now + seconds
        self._keeps = keeps
        self._keys = ""
        self._pressed: float | None = None
        self._done = False

    def key(self, key: str, now: float) -> None:
        """`*` begins again, `#` is the end."""
        if self._done:
            return
        if key == "#":
            self._done = self._pressed is not None
        elif key == "*":
            self._keys, self._pressed = "", None
        elif key.isdecimal() and key.isascii():
            self._pressed = now
            if self._keeps and len(self._keys) < LONGEST:
                self._keys += key

    def give_up(self) -> None:
        """It is over, and what is not complete is forgotten."""
        if not self._done:
            self._keys, self._done = "", True

    def due(self) -> float:
        """When it is over if no further key is pressed."""
        if self._pressed is None:
            return self._ends
        idle = self._pressed + IDLE
        return idle if self._keeps else max(idle, self._ends)

    def over(self, now: float) -> bool:
        return self._done or now >= self.due()

    def take(self) -> str:
        keys, self._keys = self._keys, ""
        return keys


class Privacy:
    """Of one call: whether it is recorded, and its pauses."""

    def __init__(
        self,
        call_id: str,
        recorder: Recorder,
        deliver: Deliver | None = None,
    ) -> None:
        """`deliver`: None if nobody wants the keys."""
        self._call_id = call_id
        self._recorder = recorder
        self._deliver = deliver
        self.listener: Listener | None = None
        """None: nobody who could be made deaf."""
        self._lock = asyncio.Lock()
        self._window: Window | None = None
        self._pressed = asyncio.Event()
        self._pausing: asyncio.Task[None] | None = None
        self._repairing: asyncio.Task[None] | None = None
        self._stopped = False

    async def stop(self) -> None:
        """Nothing is recorded until `start`. The AI goes on listening."""
        async with self._lock:
            await self._recorder.mute(self._call_id)
            self._stopped = True
        logger.info("[REC] stopped")

    async def start(self) -> None:
        """Recorded again; in a pause: when it is over."""
        async with self._lock:
            if self._window is None:
                await self._recorder.unmute(self._call_id)
            self._stopped = False
        logger.info("[REC] started")

    async def pause(self, seconds: float = SECONDS) -> None:
        async with self._lock:
            if self._window is not None:
                return
            listener = self.listener
            if listener is None:
                raise CallControlError("this AI cannot be kept from hearing the call")
            loop = asyncio.get_running_loop()
            keeps = self._deliver is not None
            self._window = Window(loop.time(), seconds, keeps=keeps)
            listener.be_private(self._key)
            try:
                await self._recorder.mute(self._call_id)
            except BaseException:
                # Nobody was asked for anything yet.
                self._window = None
                await listener.be_public("")
                raise
            logger.info("[REC] paused")
            waiting = self._wait(self._window, listener)
            self._pausing = asyncio.create_task(waiting)
            await listener.ask_for_keys()

    async def resume(self) -> None:
        """Without a pause: nothing changes."""
        if self._window is not None and self._pausing is not None:
            self._window.give_up()
            self._pressed.set()
            await asyncio.wait([self._pausing])

    def close(self) -> None:
        """The call is over. A recording that is silent stays so."""
        for task in (self._pausing, self._repairing):
            if task is not None:
                task.cancel()

    def _key(self, key: str) -> None:
        if self._window is not None:
            self._window.key(key, asyncio.get_running_loop().time())
            self._pressed.set()

    async def _wait(self, window: Window, listener: Listener) -> None:
        loop = asyncio.get_running_loop()
        while not window.over(loop.time()):
            with suppress(TimeoutError):
                async with asyncio.timeout_at(window.due()):
                    await self._pressed.wait()
            self._pressed.clear()
        told = await self._delivered(window)
        await asyncio.sleep(SETTLE)
        async with self._lock:
            self._window = None
            if not self._stopped:
                await self._unmute()
        logger.info("[REC] the pause is over")
        await listener.be_public(told)

    async def _delivered(self, window: Window) -> str:
        keys = window.take()
        if self._deliver is None:
            return OVER
        if not keys:
            return NOTHING
        return ACCEPTED if await self._deliver(keys) else REFUSED

    async def _unmute(self) -> None:
        try:
            await self._recorder.unmute(self._call_id)
        except CallControlError as error:
            logger.error("[REC] still silent: {}", error)
            self._repairing = asyncio.create_task(self._repair())

    async def _repair(self) -> None:
        while True:
            await asyncio.sleep(AGAIN)
            async with self._lock:
                if self._window is not None or self._stopped:
                    return
                with suppress(CallControlError):
                    await self._recorder.unmute(self._call_id)
                    logger.info("[REC] audible again")
                    return
