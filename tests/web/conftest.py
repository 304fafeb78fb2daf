import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI

from agent.calls.control import CallControlError
from agent.calls.customer import DEFAULT, Customer, Scope
from agent.storage.calls import Calls
from agent.storage.customers import Customers, Keys
from agent.storage.database import Database
from agent.storage.posted import Posted
from agent.storage.recorded import Recorded
from agent.web import calls, customers, health, problems, recordings
from agent.web.config import ApiLimits
from agent.web.intake import Intake
from agent.web.limits import Limits

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MakeKey = Callable[..., Awaitable[dict[str, str]]]


class FakeLive:
    """Calls that are up, and what somebody did to them."""

    def __init__(self):
        self.up, self.done = set(), []
        self.customers = {}
        """Those of calls that are not of the customer that is always there."""
        self.cannot = ""
        """Why recordings cannot be changed."""

    def customer(self, call_id):
        return self.customers.get(call_id, DEFAULT) if call_id in self.up else None

    def end(self, call_id):
        return self._do("end", call_id)

    def hold(self, call_id):
        return self._do("hold", call_id)

    def resume(self, call_id):
        return self._do("resume", call_id)

    async def record_start(self, call_id):
        return self._record("record_start", call_id)

    async def record_stop(self, call_id):
        return self._record("record_stop", call_id)

    async def record_pause(self, call_id, seconds):
        self.seconds = seconds
        return self._record("record_pause", call_id)

    async def record_resume(self, call_id):
        return self._record("record_resume", call_id)

    def _record(self, what, call_id):
        if self.cannot:
            raise CallControlError(self.cannot)
        return self._do(what, call_id)

    def _do(self, what, call_id):
        if call_id not in self.up:
            return False
        self.done.append((what, call_id))
        return True


@pytest.fixture
def web_database_url(tmp_path, migrated_database) -> str:
    shutil.copy(migrated_database("sqlite").removeprefix("sqlite:///"), tmp_path)
    return f"sqlite:///{tmp_path}/offhook.db"


@pytest.fixture
async def app(web_database_url) -> AsyncIterator[FastAPI]:
    database = Database(web_database_url)
    await database.open()
    app = FastAPI()
    app.include_router(calls.router)
    app.include_router(customers.router)
    app.include_router(customers.keys_router)
    app.include_router(recordings.router)
    app.include_router(health.router)
    problems.install(app)
    app.add_middleware(Intake)
    app.state.database = database
    app.state.calls = Calls(database)
    app.state.recorded = Recorded(database)
    app.state.live = FakeLive()
    app.state.checks = {}
    app.state.operator_token = ""
    app.state.customers = Customers(database)
    app.state.keys = Keys(app.state.customers)
    await app.state.keys.refresh()
    app.state.limits = Limits(ApiLimits())
    app.state.posted = Posted(database)
    yield app
    await database.close()


@contextmanager
def browse(app, peer="127.0.0.1", **options) -> Iterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(
        app, raise_app_exceptions=False, client=(peer, 50000)
    )
    yield httpx.AsyncClient(transport=transport, base_url="http://agent", **options)


@pytest.fixture
def client(app) -> Iterator[httpx.AsyncClient]:
    with browse(app) as client:
        yield client


@pytest.fixture
def make_key(app) -> MakeKey:
    """Makes a key, and a customer if need be, and gives the header that has it."""

    async def make(scope=Scope.ADMIN, customer=DEFAULT, expires_at=None):
        customers = app.state.customers
        if not app.state.keys.has_customer(customer):
            await customers.add(Customer(customer, customer, NOON), "a test")
        _, secret = await customers.create_key(
            customer, scope, "test", who="a test", now=NOON, expires_at=expires_at
        )
        await app.state.keys.refresh()
        return {"Authorization": f"Bearer {secret}"}

    return make
