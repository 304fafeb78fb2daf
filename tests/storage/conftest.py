from collections.abc import AsyncIterator

import pytest

from agent.storage.database import Database


@pytest.fixture
async def database(tmp_path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/offhook.db")
    await database.open()
    yield database
    await database.close()
