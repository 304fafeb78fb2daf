"""A scenario in writing: the same conversation as on the telephone, without the sound.

No ears, no voice, no Asterisk: a call takes as long as its model and its tools.
"""

import asyncio
from collections.abc import MutableMapping, Sequence

from loguru import logger

from agent.calls.call import EndReason
from agent.calls.customer import DEFAULT
from agent.calls.transcript import ToolUse, Trouble, Turn
from agent.calls.usage import Use
from agent.conversation.ears import Ears
from agent.conversation.pipeline import Conversation, Memory
from agent.conversation.providers import Providers
from agent.conversation.text import TextAgent
from agent.conversation.tools.toolbox import Toolbox

from .judge import Happened
from .notes import Notes
from .outside import Outside
from .pattern import any_in
from .scenario import CallerTurn, Scenario

HANG_UP_DEADLINE = 5.0
"""Seconds that the conversation has to end, once the caller is through."""


class WrittenCall:
    """One call. It is its tools' control and its conversation's events."""

    def __init__(
        self, scenario: Scenario, providers: Providers, toolbox: Toolbox, out: Outside
    ) -> None:
        self._script = scenario.script
        self._greets = bool(scenario.ai.greeting or scenario.ai.start)
        self._variables = {**scenario.ai.variables, **self._script.variables}
        self._turns: list[Turn] = []
        self._ends = self._connected = ""
        loop = asyncio.get_running_loop()
        self._notes = Notes(loop.time, out, self._variables)
        self._conversation = Conversation(
            scenario.ai, providers, toolbox, Memory(), self, self
        )
        self._ears = Ears(scenario.ai)
        self._agent = TextAgent(self._notes.said)
        self._conversation.connect(self._ears, self._agent)

    async def make(self) -> Happened:
        talking = asyncio.create_task(self._conversation.run())
        speaking = asyncio.create_task(self._play())
        try:
            await asyncio.wait({talking, speaking}, return_when=asyncio.FIRST_COMPLETED)
            if talking.done():
                talking.result()
        finally:
            speaking.cancel()
            await asyncio.wait({speaking})
            await self._hang_up(talking)
        trouble = "" if speaking.cancelled() else _trouble(speaking)
        self._notes.end()
        return Happened(
            tuple(self._notes.replies), self._ends, self._connected, trouble
        )

    # The caller.

    async def _play(self) -> None:
        patience = self._script.patience
        self._conversation.answered()
        if self._greets:
            await self._wait(patience)
        for number, turn in enumerate(self._script.turns):
            if turn.when and not any_in(turn.when, self._notes.last_words):
                continue
            following = self._script.turns[number + 1 : number + 2]
            interrupted = following[0].interrupts_after if following else 0.0
            self._notes.begin(number, turn)
            self._do(turn)
            if turn.silent:
                await asyncio.sleep(turn.silent)
            elif interrupted:
                await self._until_stirred(patience)
                await asyncio.sleep(interrupted)
            else:
                await self._wait(patience)
        if self._ends:
            # The AI is about to end the call: it may say its goodbye.
            await asyncio.sleep(HANG_UP_DEADLINE)

    def _do(self, turn: CallerTurn) -> None:
        if turn.keys:
            for key in turn.keys:
                self._conversation.key(key)
        elif turn.says:
            self._ears.typed(turn.says)
        elif turn.audio:
            raise LookupError(f"{turn.audio} has no words: run it with --audio")

    async def _wait(self, patience: float) -> None:
        """Until the AI has answered, and has no more to say or to do."""
        await self._until_stirred(patience)
        try:
            async with asyncio.timeout(patience):
                await self._agent.settled()
        except TimeoutError:
            raise LookupError(f"no whole answer came within {patience:g} s") from None

    async def _until_stirred(self, patience: float) -> None:
        try:
            async with asyncio.timeout(patience):
                await self._agent.stirs()
        except TimeoutError:
            raise LookupError(f"no answer came within {patience:g} s") from None

    async def _hang_up(self, talking: asyncio.Task[None]) -> None:
        if not talking.done():
            await self._conversation.cancel()
            await asyncio.wait({talking}, timeout=HANG_UP_DEADLINE)
            talking.cancel()
            await asyncio.wait({talking})

    # The conversation's events.

    def on_turn(self, turn: Turn) -> None:
        self._turns.append(turn)

    def on_tool_use(self, use: ToolUse) -> None:
        self._notes.used(use)

    def on_trouble(self, trouble: Trouble) -> None:
        stage = trouble.stage.upper()
        logger.error("[{}] {}: {}", stage, trouble.provider, trouble.detail)

    def on_use(self, use: Use) -> None:
        pass

    async def part(self, reason: EndReason, farewell: str, detail: str = "") -> None:
        if self._ends:
            return
        self._ends = reason.value
        if farewell:
            await self._conversation.say(farewell)
        await self._conversation.finish()

    # What the tools may do.

    @property
    def variables(self) -> MutableMapping[str, str]:
        return self._variables

    @property
    def turns(self) -> Sequence[Turn]:
        return self._turns

    @property
    def caller(self) -> str:
        return self._script.caller

    @property
    def customer(self) -> str:
        return DEFAULT

    async def hang_up(self, farewell: str) -> None:
        await self.part(EndReason.AGENT_HUNG_UP, farewell)

    async def leave(self, farewell: str) -> None:
        await self.part(EndReason.AGENT_LEFT, farewell)

    async def connect(self, destination: str, announcement: str) -> None:
        self._connected = self._connected or destination
        await self.part(EndReason.CONNECTED, announcement)

    async def stop_media(self) -> None:
        await self._conversation.be_silent()

    # Nothing is recorded here.

    async def record_stop(self) -> None: ...

    async def record_start(self) -> None: ...

    async def record_pause(self) -> None: ...

    async def record_resume(self) -> None: ...


def _trouble(speaking: asyncio.Task[None]) -> str:
    if not speaking.done():
        return ""
    error = speaking.exception()
    if error is None:
        return ""
    if isinstance(error, LookupError):
        return str(error)
    raise error
