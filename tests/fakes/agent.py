"""An agent on fakes: its models are scripted, its voice detector is real."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from agent.calls.ai import AI
from agent.calls.call import Call, CallEnd, Direction
from agent.calls.transcript import ToolUse, Turn
from agent.conversation.providers import LlmConfig, Providers
from agent.conversation.speech import SpeechConfig
from agent.media.gate import GateConfig
from agent.media.vad import Vad
from agent.session import Parts
from tests.fakes.provider import FakeProvider, FakeRecogniser, Running


@dataclass
class FakeRecords:
    """What storage/calls.py would have written down."""

    calls: list[Call] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    tool_uses: list[ToolUse] = field(default_factory=list)
    ends: list[CallEnd] = field(default_factory=list)

    async def begin(self, call: Call) -> None:
        self.calls.append(call)

    async def add_turn(self, call_id: str, turn: Turn) -> None:
        self.turns.append(turn)

    async def add_tool_use(self, call_id: str, use: ToolUse) -> None:
        self.tool_uses.append(use)

    async def end(self, call_id: str, end: CallEnd) -> None:
        self.ends.append(end)

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(turn.speaker.value, turn.text) for turn in self.turns]


@dataclass
class Agent:
    provider: FakeProvider
    recogniser: FakeRecogniser
    records: FakeRecords
    parts: Parts
    ai: AI = AI("desk", "You answer the phone.", greeting="Hello there, caller.")

    def call(self, call_id: str = "1795245062.0") -> Call:
        return Call(
            call_id, "100", "1000", Direction.INBOUND, self.ai.name, datetime.now(UTC)
        )


@asynccontextmanager
async def agent_on_fakes(models_folder: Path) -> AsyncIterator[Agent]:
    provider, recogniser, records = FakeProvider(), FakeRecogniser(), FakeRecords()
    async with Running(provider.app()) as url:
        providers = Providers(
            {"fake": LlmConfig(f"{url}/v1", "", "m")},
            "fake",
            SpeechConfig(f"{url}/v1", rate=8000, asks_rate=True),
            recogniser,
        )
        vad = Vad(models_folder / "silero-vad" / "silero_vad.onnx")
        parts = Parts(vad, GateConfig(), providers, records)
        yield Agent(provider, recogniser, records, parts)
        await providers.close()
