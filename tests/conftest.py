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


# Of several that run side by side, none shall come to these last.
LONG = (
    "tests/test_documented_commands.py",
    "tests/test_contract.py",
    "tests/evals/",
    "tests/interop/",
    "tests/explain/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        long = (n for n, path in enumerate(LONG) if item.nodeid.startswith(path))
        return next(long, len(LONG))

    items.sort(key=place)


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
