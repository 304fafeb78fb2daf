"""A scenario by sound: a caller with a voice, the media websocket, a recogniser's ear.

The agent is the whole agent, in this process; what it said is what was heard on the
line, and a delay is one between two sounds.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import soxr
from fastapi import FastAPI

from agent.app import create_app, find_models
from agent.calls.ai import AI, AIs
from agent.calls.call import EndReason
from agent.calls.facts import CallEnded, Fact, ToolUsed, VariablesKept
from agent.phone import sound, ulaw
from agent.phone.line import CallFailed, CallOver, Line
from agent.phone.recording import Talk, between, talks
from agent.phone.websocket import WebSocketConfig, WebSocketPhone
from agent.session import Parts
from agent.settings import Settings
from agent.storage.config import RecordingsConfig
from agent.storage.directory import Directory
from agent.web.config import TelephonyConfig
from agent.web.media_protocol import MediaProtocol

from .house import Toolboxes
from .judge import Happened, Reply
from .loopback import serving
from .notes import Notes
from .outside import Outside
from .pattern import any_in
from .scenario import CallerTurn, Scenario

FINISHED = 2.0
"""Seconds of silence after which the AI has said what it wanted to."""
OVER = 20.0
"""Seconds that the AI has for its goodbye."""


@dataclass(slots=True)
class _Records:
    """Instead of a database: what happens in the call goes to the notes."""

    notes: Notes
    variables: dict[str, str]
    end_reason: str = ""
    connected: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, fact: Fact) -> None:
        match fact:
            case ToolUsed(use=use):
                self.notes.used(use)
            case VariablesKept(variables=known):
                self.variables.update(known)
            case CallEnded(end=end):
                self.end_reason = end.reason.value
                self.over.set()
            case _:
                pass

    def connect(self, call_id: str, destination: str) -> None:
        self.connected = destination


@dataclass(frozen=True, slots=True)
class _Window:
    """Seconds of the call in which the AI answered a turn; None: before the first."""

    turn: int | None
    begin: float
    end: float
    first: float | None = None
    """When its first sound came."""


class SpokenCall:
    def __init__(
        self, scenario: Scenario, line: Line, parts: Parts, records: _Records
    ) -> None:
        self._scenario = scenario
        self._script = scenario.script
        self._line = line
        self._records = records
        self._notes = records.notes
        self._voice = parts.providers.voices(scenario.ai)[0]
        self._ear = parts.providers.recognisers(scenario.ai)[0]
        self._windows: list[_Window] = []

    async def make(self) -> Happened:
        trouble = ""
        async with self._line:
            try:
                await self._play()
            except CallOver:
                pass
            except (TimeoutError, sound.SoundError) as error:
                trouble = str(error)
            await self._line.hang_up()
        async with asyncio.timeout(OVER):
            await self._records.over.wait()
        self._notes.end()
        ends = self._records.end_reason
        return Happened(
            tuple([await self._reply(window) for window in self._windows]),
            "" if ends == EndReason.CALLER_HUNG_UP else ends,
            self._records.connected,
            trouble,
        )

    async def _play(self) -> None:
        if self._scenario.ai.greeting or self._scenario.ai.start:
            await self._listen(None, 0.0)
        turns = self._script.turns
        for number, turn in enumerate(turns):
            if turn.when and not any_in(turn.when, await self._last_words()):
                continue
            clip = await self._clip(turn)
            self._notes.begin(number, turn)
            if turn.keys:
                await self._line.press(turn.keys)
            else:
                await self._line.play(clip)
            following = turns[number + 1].interrupts_after if turns[number + 1 :] else 0
            await self._listen(number, following, turn.silent)

    async def _listen(
        self, turn: int | None, interrupted: float, silent: float = 0.0
    ) -> None:
        """Until the AI has finished, or is interrupted. `silent`: the caller waits."""
        began = self._line.now
        first = None
        try:
            if silent:
                await self._line.ended(within=silent)
                return
            first = await self._line.hear_sound(self._script.patience)
            if interrupted:
                await asyncio.sleep(interrupted)
            else:
                await self._line.hear_silence(FINISHED, within=120)
        except TimeoutError:
            if not silent:
                raise
        finally:
            self._windows.append(_Window(turn, began, self._line.now, first))

    async def _clip(self, turn: CallerTurn) -> bytes:
        if turn.audio:
            path = self._scenario.folder / turn.audio
            return ulaw.from_pcm(await asyncio.to_thread(sound.read, path))
        if not turn.says:
            return b""
        pcm = b"".join([piece async for piece in self._voice.speak(turn.says)])
        return await asyncio.to_thread(_on_the_phone, pcm, self._voice.rate)

    async def _last_words(self) -> str:
        return " ".join(await self._words(self._windows[-1])) if self._windows else ""

    async def _reply(self, window: _Window) -> Reply:
        noted = (reply for reply in self._notes.replies if reply.turn == window.turn)
        seconds = None
        if window.first is not None and window.turn is not None:
            seconds = window.first - window.begin
        return replace(
            next(noted, Reply()),
            said=tuple(await self._words(window)),
            seconds=seconds,
        )

    async def _words(self, window: _Window) -> list[str]:
        """What was heard on the line then, utterance by utterance."""
        heard = self._line.recording().agent
        part = Talk(window.begin, window.end)
        pcm = between(heard, part)
        language = self._scenario.ai.language
        return [
            (await self._ear.transcribe(between(pcm, talk), ulaw.RATE, language)).text
            for talk in talks(pcm)
        ]


class SpokenCalls:
    def __init__(self, app: FastAPI, url: str, toolboxes: Toolboxes) -> None:
        self._app = app
        self._url = url
        self._toolboxes = toolboxes
        self._parts: Parts = app.state.parts
        self._calls = 0

    async def make(self, scenario: Scenario) -> Happened:
        script, ai = scenario.script, scenario.ai
        outside = Outside(script.world.http)
        variables = {**ai.variables, **script.variables}
        notes = Notes(asyncio.get_running_loop().time, outside, variables)
        records = _Records(notes, variables)
        async with self._toolboxes.of(scenario, outside) as toolbox:
            self._app.state.directory = Directory(AIs(ai.name, {ai.name: ai}))
            self._app.state.parts = replace(
                self._parts, toolbox=toolbox, records=records, connect=records.connect
            )
            self._calls += 1
            phone = WebSocketPhone(WebSocketConfig(caller=script.caller))
            query = urlencode(script.variables)
            try:
                line = await phone.dial(
                    f"{self._url}?{query}" if query else self._url,
                    call_id=f"eval-{self._calls}",
                )
            except CallFailed as error:
                return Happened((), trouble=str(error))
            return await SpokenCall(scenario, line, self._parts, records).make()


@asynccontextmanager
async def spoken(
    settings: Settings, scenarios: Sequence[Scenario]
) -> AsyncIterator[SpokenCalls]:
    """The whole agent, on a port of its own and with a database of its own."""
    toolboxes = Toolboxes(settings.secrets, settings.country)
    await toolboxes.check(scenarios)
    async with AsyncExitStack() as house:
        folder = Path(house.enter_context(tempfile.TemporaryDirectory()))
        ours = _apart(settings, scenarios, folder)
        find_models(ours)
        app = create_app(ours)
        await house.enter_async_context(app.router.lifespan_context(app))
        url = await house.enter_async_context(
            serving(app, lifespan="off", ws=MediaProtocol, ws_per_message_deflate=False)
        )
        address = f"{url.replace('http', 'ws', 1)}/telephony/ws"
        yield SpokenCalls(app, address, toolboxes)


def _apart(settings: Settings, scenarios: Sequence[Scenario], folder: Path) -> Settings:
    """The settings, but nothing of the agent that may run beside us is touched."""
    ais = {scenario.ai.name: _bare(scenario.ai) for scenario in scenarios}
    return replace(
        settings,
        data=folder,
        database_url=f"sqlite:///{folder / 'evals.db'}",
        ais=AIs(next(iter(ais)), ais),
        telephony=TelephonyConfig("asterisk", ""),
        audiosocket=replace(settings.audiosocket, port=0),
        recordings=RecordingsConfig(folder, folder / "spool", folder, None),
    )


def _bare(ai: AI) -> AI:
    """Its tools come with each call."""
    return replace(ai, tool_names=(), http_tools=())


def _on_the_phone(pcm: bytes, rate: int) -> bytes:
    if rate != ulaw.RATE:
        samples = np.frombuffer(pcm, "<i2")
        pcm = soxr.resample(samples, rate, ulaw.RATE).astype("<i2").tobytes()
    return ulaw.from_pcm(pcm)
