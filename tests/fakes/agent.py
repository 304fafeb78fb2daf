"""An agent on fakes: its models are scripted, its voice detector is real."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from agent.calls.ai import AI
from agent.calls.call import Call, CallEnd, Direction
from agent.calls.facts import (
    CallAnswered,
    CallBegan,
    CallEnded,
    Fact,
    ToolUsed,
    TroubleMet,
    TurnTaken,
    Used,
    VariablesKept,
)
from agent.calls.transcript import ToolUse, Trouble, Turn
from agent.calls.usage import Use
from agent.conversation.catalogue import Api, Endpoint
from agent.conversation.config import ProvidersConfig
from agent.conversation.providers import Providers
from agent.media.config import GateConfig
from agent.media.vad import Vad
from agent.session import Parts
from tests.fakes.provider import FakeProvider, FakeRecogniser, Running
from tests.fakes.toolbox import no_toolbox


@dataclass
class FakeRecords:
    """What would have been written down, sorted by what it is about."""

    calls: list[Call] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    tool_uses: list[ToolUse] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    ends: list[CallEnd] = field(default_factory=list)

    uses: list[Use] = field(default_factory=list)

    def note(self, fact: Fact) -> None:
        match fact:
            case CallBegan(call):
                self.calls.append(call)
            case CallAnswered(call_id, at, channel_id, codec, dialect):
                self.calls = [
                    replace(
                        call,
                        answered_at=at,
                        channel_id=channel_id,
                        codec=codec,
                        dialect=dialect,
                    )
                    if call.id == call_id
                    else call
                    for call in self.calls
                ]
            case TurnTaken(_, turn):
                self.turns.append(turn)
            case ToolUsed(_, use):
                self.tool_uses.append(use)
            case TroubleMet(_, trouble):
                self.troubles.append(trouble)
            case VariablesKept(_, variables):
                self.variables = dict(variables)
            case Used(_, uses):
                self.uses.extend(uses)
            case CallEnded(_, end):
                self.ends.append(end)
            case _:
                raise AssertionError(fact)

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(turn.speaker.value, turn.text) for turn in self.turns]


@dataclass
class Agent:
    provider: FakeProvider
    recogniser: FakeRecogniser
    records: FakeRecords
    parts: Parts
    config: ProvidersConfig
    ai: AI = AI("desk", "You answer the phone.", greeting="Hello there, caller.")

    def speaks_for_itself(self, url: str) -> None:
        """The AI's model is a speech-to-speech server; its default mind stays."""
        base = url.replace("ws", "http", 1).removesuffix("/realtime")
        minds = {**self.config.minds, "openai": Endpoint(Api.OPENAI, base, "key")}
        providers = Providers(replace(self.config, minds=minds), self.recogniser)
        self.parts = replace(self.parts, providers=providers)
        self.ai = replace(self.ai, mode="realtime", engine_model="openai.gpt-realtime")

    def call(self, call_id: str = "1795245062.0") -> Call:
        return Call(
            call_id, "100", "1000", Direction.INBOUND, self.ai.name, datetime.now(UTC)
        )


@asynccontextmanager
async def agent_on_fakes(models_folder: Path) -> AsyncIterator[Agent]:
    provider, recogniser, records = FakeProvider(), FakeRecogniser(), FakeRecords()
    async with Running(provider.app()) as url:
        minds = {"fake": Endpoint(Api.OPENAI, f"{url}/v1")}
        config = ProvidersConfig(minds, engine_model="fake.m").with_piper(
            f"{url}/v1", ["en_US-joe-medium"]
        )
        providers = Providers(config, recogniser)
        vad = Vad(models_folder / "silero-vad" / "silero_vad.onnx")
        parts = Parts(vad, GateConfig(), providers, no_toolbox(), records)
        agent = Agent(provider, recogniser, records, parts, config)
        yield agent
        await providers.close()
        await agent.parts.providers.close()
