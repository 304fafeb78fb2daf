from collections.abc import AsyncIterator

import pytest

from agent.storage.database import Database


@pytest.fixture
async def database(database_url) -> AsyncIterator[Database]:
    database = Database(database_url)
    await database.open()
    yield database
    await database.close()
