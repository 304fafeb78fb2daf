from collections.abc import AsyncIterator

import pytest

from agent.storage.database import Database


@pytest.fixture
async def database(database_url) -> AsyncIterator[Database]:
    """On SQLite and on PostgreSQL."""
    database = Database(database_url)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def small_url(tmp_path) -> str:
    """Of SQLite, for what does not depend on the database."""
    return f"sqlite:///{tmp_path}/offhook.db"


@pytest.fixture
async def small(small_url) -> AsyncIterator[Database]:
    database = Database(small_url)
    await database.open()
    yield database
    await database.close()
