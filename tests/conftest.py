"""What more than one room's tests need: where the models are, and an agent on fakes."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.storage.postgres import (
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

# On a shared machine a deadline tests the machine.
settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def models_folder() -> Path:
    """Where `offhook models fetch` puts them; a test fails without the one it needs."""
    cache = Path(
        os.environ.get("OFFHOOK_CACHE")
        or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "offhook"
    )
    return Path(os.environ.get("OFFHOOK_MODELS") or cache / "models")


@pytest.fixture
async def agent(models_folder):
    from tests.fakes.agent import agent_on_fakes  # imports pipecat, which takes seconds

    async with agent_on_fakes(models_folder) as agent:
        yield agent
