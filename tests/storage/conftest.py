from collections.abc import AsyncIterator

import pytest

from agent.storage.database import Database

from .postgres import (
    database_url,
    empty_database_url,
    migrated_database,
    postgres_server,
)

__all__ = [
    "database_url",
    "empty_database_url",
    "migrated_database",
    "postgres_server",
]


@pytest.fixture
async def database(database_url) -> AsyncIterator[Database]:
    database = Database(database_url)
    await database.open()
    yield database
    await database.close()
