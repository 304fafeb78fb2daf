"""What web/ais.py and web/numbers.py need of an app, on SQLite."""

from agent.calls.ai import AIs, read
from agent.conversation.catalogue import Api, Endpoint
from agent.conversation.config import ProvidersConfig
from agent.conversation.providers import Providers
from agent.conversation.served import Served
from agent.storage.ais import AiBook
from agent.storage.directory import Directory
from agent.storage.numbers import Numbers
from agent.web import ais, numbers
from tests.fakes.toolbox import no_toolbox
from tests.storage.kept import NOON

FILE: AIs = read("[ai.filed]\nprompt = 'You answer.'\ngreeting = 'Hello.'")
NOWHERE = "http://127.0.0.1:9/v1"
CONFIG = (
    ProvidersConfig(
        minds={"openai": Endpoint(Api.OPENAI, NOWHERE)},
        ears={"groq": Endpoint(Api.OPENAI, NOWHERE)},
        engine_model="openai.gpt-5",
        stt="groq.whisper",
    )
).with_piper(NOWHERE, ["piper-en_US-joe-medium"])


async def furnish(app):
    """Close the providers that it returns."""
    database = app.state.database
    providers = Providers(CONFIG)
    toolbox = no_toolbox(secrets={"OFFHOOK_SECRET_SHOP": "s3cret"})
    app.state.served = Served(CONFIG, providers, toolbox)
    app.state.ai_book = AiBook(database)
    app.state.numbers = Numbers(database)
    app.state.country = "DE"
    app.state.directory = Directory(FILE, database, "DE")
    await app.state.ai_book.import_file(FILE, NOON)
    await app.state.directory.load()
    app.include_router(ais.router)
    app.include_router(numbers.router)
    return providers
