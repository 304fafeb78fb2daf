"""DBOS, as this house uses it: what was begun is carried on by whoever comes next.

A workflow is a loop of steps; each step is done at least once, its result kept, and a
pause between two outlives the process. The classes with workflows are made first,
under a name that stays (DBOSConfiguredInstance), then the engine is started.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime

from dbos import DBOS, DBOSConfig
from sqlalchemy import create_engine, make_url

_VERSION = "1"
"""Of our workflows: what an older one began is carried on only under the same version.
A new step in the middle of a workflow needs a new one, and a word in docs/work.md."""
_UNDER_WAY = ("PENDING", "ENQUEUED", "DELAYED")
_OVER = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")
_FORGET_AT_ONCE = 500

_tasks: set[asyncio.Task[object]] = set()


def _write_ahead(url: str) -> None:
    """SQLite's own way of committing costs ten times as much, and is no safer."""
    if make_url(url).get_backend_name() == "sqlite":
        database = create_engine(url)
        try:
            with database.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        finally:
            database.dispose()


@asynccontextmanager
async def running(url: str) -> AsyncIterator[None]:
    """`url`: a database of SQLAlchemy's, SQLite or PostgreSQL (psycopg)."""
    # Without a handler of ours it adds one, and its lines look like nobody else's.
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    config: DBOSConfig = {
        "name": "offhook",
        "system_database_url": url,
        "application_version": _VERSION,
        # There is one worker at a time, and it carries on what any other began.
        "executor_id": "offhook",
        "log_level": "WARNING",
        "enable_otlp": False,
    }
    _write_ahead(url)
    DBOS(config=config)
    try:
        DBOS.launch()
        yield
    finally:
        await _leave_off()
        # DBOS made its threads those of the loop, and takes them with it.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())
        await asyncio.to_thread(DBOS.destroy, workflow_completion_timeout_sec=0)


@contextmanager
def under_way() -> Iterator[None]:
    """Around the body of a workflow: it ends with the engine, and is carried on by the
    next one."""
    task = asyncio.current_task()
    assert task is not None
    _tasks.add(task)
    try:
        yield
    finally:
        _tasks.discard(task)


async def _leave_off() -> None:
    tasks = set(_tasks)
    # It says so of each, as if it were a fault.
    logging.getLogger("dbos").setLevel(logging.ERROR)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def begun(prefix: str) -> list[str]:
    """The ids of workflows that begin like this and are carried on, or will be."""
    found = await DBOS.list_workflows_async(
        status=list(_UNDER_WAY),
        app_version=_VERSION,
        workflow_id_prefix=prefix,
        load_input=False,
        load_output=False,
    )
    return [each.workflow_id for each in found]


async def forget(before: datetime) -> int:
    """Deletes what is kept of some workflows that were over by then; returns how many,
    and is to be called again until that is 0."""
    old = await DBOS.list_workflows_async(
        status=list(_OVER),
        completed_before=before.isoformat(),
        load_input=False,
        load_output=False,
        limit=_FORGET_AT_ONCE,
    )
    if old:
        await DBOS.delete_workflows_async([each.workflow_id for each in old])
    return len(old)
