"""What scenarios in writing need of the house: minds, tools, documents. Nothing that
hears or speaks is opened, and no real mail server, sender or HTTP server is known.
"""

import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent.calls.ai import AI, AIError
from agent.conversation import prompts
from agent.conversation.catalogue import LOCAL_MIND
from agent.conversation.config import ProvidersConfig
from agent.conversation.seams import Knowledge
from agent.conversation.text import WrittenProviders
from agent.conversation.tools.offers import described
from agent.conversation.tools.toolbox import Toolbox
from agent.local.process import Supervised, free_port
from agent.local.servers import LlmServerConfig, llm_server
from agent.local.warm import warm_llm
from agent.models.store import Store
from agent.settings import Settings
from agent.storage.database import Database
from agent.storage.documents import read as read_document
from agent.storage.knowledge import Knowledge as Documents

from .judge import Happened
from .outside import Outside
from .scenario import Scenario, ScenarioError, World
from .text import WrittenCall


@dataclass(frozen=True, slots=True)
class Toolboxes:
    """One for each call: the tools are real, and what they reach is made up."""

    secrets: Mapping[str, str]
    region: str

    @asynccontextmanager
    async def of(self, scenario: Scenario, outside: Outside) -> AsyncIterator[Toolbox]:
        async with AsyncExitStack() as house:
            http = await house.enter_async_context(outside.http())
            yield Toolbox(
                http,
                emails=outside.emails,
                messages=outside.messages,
                knowledge=await _documents(house, scenario.script.world),
                secrets=self.secrets,
                region=self.region,
            )

    async def check(self, scenarios: Sequence[Scenario]) -> None:
        """A ScenarioError for an AI with a tool that it cannot have."""
        for scenario in scenarios:
            async with self.of(scenario, Outside(())) as toolbox:
                try:
                    toolbox.check(scenario.ai)
                except AIError as error:
                    raise ScenarioError(f"{scenario.name}: {error}") from error


class WrittenCalls:
    """Makes calls in writing, with the minds that the settings name."""

    def __init__(
        self, providers: WrittenProviders, toolboxes: Toolboxes, local_mind: str = ""
    ) -> None:
        """`local_mind`: where our own model is, which reads instructions ahead."""
        self._providers = providers
        self._toolboxes = toolboxes
        self._local_mind = local_mind

    async def make(self, scenario: Scenario) -> Happened:
        outside = Outside(scenario.script.world.http)
        async with self._toolboxes.of(scenario, outside) as toolbox:
            if self._local_mind:
                await warm(self._local_mind, scenario.ai, toolbox)
            call = WrittenCall(scenario, self._providers, toolbox, outside)
            return await call.make()


@asynccontextmanager
async def written(
    settings: Settings, scenarios: Sequence[Scenario]
) -> AsyncIterator[WrittenCalls]:
    """Opens what these scenarios need; ScenarioError if it cannot be had."""
    toolboxes = Toolboxes(settings.secrets, settings.country)
    await toolboxes.check(scenarios)
    async with AsyncExitStack() as house:
        config, url = settings.providers, ""
        if LOCAL_MIND in config.used(scenario.ai for scenario in scenarios):
            url = await _local_mind(house, settings)
            config = config.with_local_mind(url, settings.llm_model)
        _check_minds(config, scenarios)
        providers = WrittenProviders(config)
        house.push_async_callback(providers.close)
        yield WrittenCalls(providers, toolboxes, url)


def model_of(settings: Settings, ai: AI) -> str:
    """The name of the model that answers, without its provider."""
    chosen = ai.engine_model or settings.providers.engine_model
    return chosen.partition(".")[2] or settings.llm_model


async def warm(url: str, ai: AI, toolbox: Toolbox) -> None:
    """As the agent does at its start, so that the first answer is no slower."""
    await warm_llm(url, "", prompts.system(ai), described(ai, toolbox))


async def _local_mind(house: AsyncExitStack, settings: Settings) -> str:
    folder = Store(settings.models).path(settings.llm_model)
    config = LlmServerConfig(
        model=next(folder.glob("*.gguf")), threads=settings.llm_threads, parallel=1
    )
    server = llm_server(config, free_port())
    supervised = Supervised(server)
    await supervised.start()
    house.push_async_callback(supervised.stop)
    return server.url


def _check_minds(config: ProvidersConfig, scenarios: Sequence[Scenario]) -> None:
    for scenario in scenarios:
        ai = scenario.ai
        for model in (ai.engine_model or config.engine_model, *ai.fallback_models):
            provider = model.partition(".")[0]
            if provider not in config.minds:
                known = ", ".join(sorted(config.minds))
                raise ScenarioError(
                    f"{scenario.name}: {model!r}: there is no provider {provider!r};"
                    f" there are: {known}"
                )


async def _documents(house: AsyncExitStack, world: World) -> Knowledge | None:
    if not world.documents:
        return None
    folder = Path(house.enter_context(tempfile.TemporaryDirectory()))
    database = Database(f"sqlite:///{folder / 'knowledge.db'}")
    await database.open()
    house.push_async_callback(database.close)
    knowledge = Documents(database)
    for document in world.documents:
        path = folder / document.name
        path.write_text(document.text.strip() + "\n", encoding="utf-8")
        await knowledge.add(document.collection, read_document(path), datetime.now(UTC))
    return knowledge
