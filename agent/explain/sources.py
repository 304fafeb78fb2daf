"""Where a record is found: a running agent's API, or its database."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import httpx

from agent.calls.record import CallRecord
from agent.observe import following, hops, onecall
from agent.observe.findings import Report

from .reading import NotARecord, record

WITHIN = 5.0
"""Seconds that an agent has to answer."""
_NO_WORKER = re.compile(r"^offhook_worker_up(?:\{[^}]*\})? 0", re.MULTILINE)
_BEHIND = re.compile(r"^offhook_facts_behind(?:\{\})? (\S+)", re.MULTILINE)


class NoAnswer(Exception):
    """The sentence says who did not answer, and how to ask otherwise."""


class DatabaseAway(Exception):
    """The agent lives and cannot read its records."""


@dataclass(frozen=True, slots=True)
class AgentConfig:
    url: str = "http://127.0.0.1:7860"
    token: str = ""
    """Of the API; empty: on loopback none is needed."""


@dataclass(frozen=True, slots=True)
class Found:
    record: CallRecord | None
    """None: there is no such call."""
    facts_behind: float = 0.0
    worker_down: bool = False
    """The agent's own `offhook work` does not answer."""


async def from_agent(call: str, config: AgentConfig) -> Found:
    headers = {"Authorization": f"Bearer {config.token}"} if config.token else {}
    url = config.url.rstrip("/")
    async with httpx.AsyncClient(
        timeout=WITHIN, headers=headers, trust_env=False
    ) as client:
        try:
            answer = await client.get(f"{url}/calls/{quote(call, safe='')}")
            metrics = await client.get(f"{url}/metrics")
        except httpx.HTTPError as error:
            raise NoAnswer(
                f"no agent answers at {url} ({type(error).__name__}); with --database"
                " the record is read from the database"
            ) from error
    behind = _BEHIND.search(metrics.text) if metrics.is_success else None
    waiting = float(behind[1]) if behind else 0.0
    down = metrics.is_success and _NO_WORKER.search(metrics.text) is not None
    match answer.status_code:
        case 200:
            try:
                return Found(record(answer.json()), waiting, down)
            except (NotARecord, ValueError) as error:
                raise NoAnswer(f"{url}: {error}") from error
        case 404:
            return Found(None, waiting)
        case 503 | 500:
            raise DatabaseAway(answer.text[:300])
        case status:
            raise NoAnswer(f"{url} answered {status}: {answer.text[:200]}")


async def from_database(call: str, url: str) -> Found:
    from agent.storage.calls import Calls
    from agent.storage.database import Database

    database = Database(url)
    await database.open()
    try:
        return Found(await Calls(database).get(call))
    finally:
        await database.close()


async def from_logs(call: str, files: Sequence[Path], now: datetime) -> Report | None:
    """None without files."""
    if not files:
        return None
    return await asyncio.to_thread(_read, call, files, now)


def _read(call: str, files: Sequence[Path], now: datetime) -> Report:
    gathered = onecall.gather(call, map(_lines, files), now)
    told = following.report(gathered)
    way = {each.what: each.said for each in hops.report(gathered).findings}
    return replace(told, more={**told.more, "hops": way})


def _lines(path: Path) -> Iterable[str]:
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        yield from file
