from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import pytest
from fastapi import FastAPI

from agent.calls.control import CallControlError
from agent.storage.calls import Calls
from agent.storage.database import Database
from agent.web import calls, health, problems


class FakeLive:
    """Calls that are up, and what somebody did to them."""

    def __init__(self):
        self.up, self.done = set(), []
        self.cannot = ""
        """Why recordings cannot be changed."""

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
async def app(tmp_path) -> AsyncIterator[FastAPI]:
    database = Database(f"sqlite:///{tmp_path}/offhook.db")
    await database.open()
    app = FastAPI()
    app.include_router(calls.router)
    app.include_router(health.router)
    problems.install(app)
    app.state.database = database
    app.state.calls = Calls(database)
    app.state.live = FakeLive()
    app.state.checks = {}
    app.state.operator_token = ""
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
