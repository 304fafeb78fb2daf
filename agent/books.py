"""The books: all that is kept, and what is known of it in memory, opened in order.

A database that is away when the agent starts keeps nobody waiting either: calls are
taken by the AIs of the file and noted in the journal, until it is there.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi import FastAPI
from loguru import logger

from agent.settings import Settings
from agent.storage.agents import Agents
from agent.storage.ais import AiBook
from agent.storage.budgets import Budgets
from agent.storage.calls import Calls
from agent.storage.customers import Customers, Keys
from agent.storage.database import Database
from agent.storage.directory import Directory
from agent.storage.errors import StorageError
from agent.storage.event_stream import EventStream
from agent.storage.events import Events
from agent.storage.journal import Journal
from agent.storage.ledger import DatabaseLedger
from agent.storage.numbers import Numbers
from agent.storage.posted import Posted
from agent.storage.recorded import Recorded
from agent.storage.usage import Usage
from agent.storage.webhooks import Webhooks
from agent.web.auth import warn_if_open

Keep = Callable[[Coroutine[Any, Any, None]], None]
"""Runs it until the house is closed."""

_FLUSH_WITHIN = 10.0
_TRY_EVERY = 2.0


class Books:
    def __init__(self, settings: Settings) -> None:
        self.database = database = Database(settings.database_url)
        self.directory = Directory(settings.ais, database, settings.country)
        self.stream = EventStream(Events(database))
        self.journal = Journal(
            database,
            settings.data / "journal",
            settings.agent_id,
            on_applied=self.stream.kick,
        )
        self.budgets = Budgets(database, settings.prices.currency)
        self.keys = Keys(Customers(database))
        self._settings = settings
        self._ai_book = AiBook(database)

    def show(self, app: FastAPI) -> None:
        """To agent/web."""
        database, state = self.database, app.state
        state.database = database
        state.records = self.journal
        state.directory = self.directory
        state.budgets = self.budgets
        state.keys = self.keys
        state.event_stream = self.stream
        state.ai_book = self._ai_book
        state.prices = self._settings.prices
        state.calls = Calls(database)
        state.customers = Customers(database)
        state.events = Events(database)
        state.ledger = DatabaseLedger(database)
        state.numbers = Numbers(database)
        state.posted = Posted(database)
        state.recorded = Recorded(database)
        state.usage = Usage(database)
        state.webhooks = Webhooks(database)

    async def open(self, house: AsyncExitStack, keep: Keep) -> None:
        """Raises StorageError if it is no use waiting: the database's file cannot be
        opened, or the journal is another agent's."""
        now = partial(datetime.now, UTC)
        await self.journal.open(now())
        house.callback(self.journal.close)
        house.push_async_callback(self.database.close)
        try:
            await self._begin()
        except StorageError as error:
            if self.database.dialect == "sqlite":
                raise
            logger.error("[DB] is away; calls are taken and kept: {}", error)
            keep(self._begin_later())
        started_at = now()
        agents = Agents(self.database, self._settings.agent_id, started_at)
        for forever in (
            self.journal.run(now),
            agents.run(now, self.journal.replayed),
            self.directory.run(),
            self.budgets.run(now),
            self.keys.run(),
            self.stream.run(),
            Posted(self.database).run(now),
        ):
            keep(forever)
        house.push_async_callback(self.journal.flush, _FLUSH_WITHIN)

    async def _begin(self) -> None:
        await self.database.open()
        now = datetime.now(UTC)
        await self._ai_book.import_file(self._settings.ais, now)
        await self.directory.load()
        await self.budgets.refresh(now)
        await self.keys.refresh()
        warn_if_open(self._settings.operator_token, self.keys)

    async def _begin_later(self) -> None:
        """Never ends: when the books are open there is nothing left to do."""
        while True:
            await asyncio.sleep(_TRY_EVERY)
            try:
                await self._begin()
            except StorageError as error:
                logger.debug("[DB] is still away: {}", error)
                continue
            logger.info("[DB] is there")
            await asyncio.Event().wait()
