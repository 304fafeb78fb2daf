"""DBOS, as this house uses it: what was begun is carried on by whoever comes next.

A workflow is a loop of steps; each step is done at least once, its result kept, and a
pause between two outlives the process. The classes with workflows are made first,
under a name that stays (DBOSConfiguredInstance), then the engine is started.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dbos import DBOS, DBOSConfig

_VERSION = "1"
"""Of our workflows: what an older one began is carried on only under the same version.
A new step in the middle of a workflow needs a new one, and a word in docs/work.md."""


@asynccontextmanager
async def running(url: str) -> AsyncIterator[None]:
    """`url`: a database of SQLAlchemy's, SQLite or PostgreSQL (psycopg)."""
    config: DBOSConfig = {
        "name": "offhook",
        "system_database_url": url,
        "application_version": _VERSION,
        # There is one worker at a time, and it carries on what any other began.
        "executor_id": "offhook",
        "log_level": "WARNING",
        "enable_otlp": False,
    }
    DBOS(config=config)
    DBOS.launch()
    try:
        yield
    finally:
        DBOS.destroy(workflow_completion_timeout_sec=0)
