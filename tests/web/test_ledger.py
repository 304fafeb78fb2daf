"""`offhook upload` on another machine, and the agent that it tells."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from agent.calls.record import Recording, RecordingState, Track
from agent.storage.config import RemoteLedgerConfig
from agent.storage.errors import StorageError
from agent.storage.ledger import DatabaseLedger
from agent.storage.remote_ledger import RemoteLedger
from agent.storage.tables import RecordingRow
from agent.web import ledger as ledger_api

from .conftest import browse

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
STORED = Recording(
    call_id="17.5",
    track=Track.USER,
    store="s3://b",
    key="recordings/2026-11-21/17.5/user.flac",
    bytes=9_000_000_000,
    seconds=2.5,
    sha256="a",
    created_at=NOON,
    state=RecordingState.STORED,
    format="flac",
    samples=20_000,
    source_sha256="b",
    closed_at=NOON,
    stored_at=NOON + timedelta(seconds=9.5),
    attempts=3,
)


@pytest.fixture
def house(app):
    app.include_router(ledger_api.router)
    app.state.ledger = DatabaseLedger(app.state.database)
    return app


@pytest.fixture
def remote(house):
    house.state.operator_token = "t"
    with browse(house, peer="192.0.2.7") as http:
        yield RemoteLedger(RemoteLedgerConfig("http://agent", "t"), http)


async def test_what_is_told_from_afar_is_known_here_and_there(house, remote):
    assert await remote.look_up("17.5", Track.USER) is None
    failing = replace(STORED, state=RecordingState.FAILING)
    for recording in (replace(failing, last_error="SlowDown", next_try=NOON), STORED):
        assert await remote.note(recording)
        assert await remote.look_up("17.5", Track.USER) == recording
        assert await house.state.ledger.look_up("17.5", Track.USER) == recording


async def test_what_was_erased_does_not_come_back(house, remote):
    await remote.note(STORED)
    async with house.state.database.session("erase") as session:
        row = await session.get(RecordingRow, ("17.5", "user"))
        row.state = RecordingState.ERASED.value
    assert not await remote.note(STORED)
    assert (await remote.look_up("17.5", Track.USER)).state is RecordingState.ERASED


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"call_id": "18.5"}, 422),
        ({"key": "../../etc/passwd"}, 422),
        ({"key": "/etc/passwd"}, 422),
        ({"key": "a\nb"}, 422),
        ({"key": ""}, 204),
    ],
)
async def test_what_makes_no_sense_is_refused(house, client, change, status):
    told = ledger_api.RECORDING.dump_json(replace(STORED, **change))
    answer = await client.put("/ledger/17.5/user", content=told)
    assert answer.status_code == status


@pytest.mark.parametrize("content", [b"", b"{}", b"noise", b"[]"])
async def test_garbage_is_refused(house, client, content):
    answer = await client.put("/ledger/17.5/user", content=content)
    assert answer.status_code == 422


async def test_nobody_without_the_token(house):
    house.state.operator_token = "t"
    with browse(house, peer="192.0.2.7") as http:
        stranger = RemoteLedger(RemoteLedgerConfig("http://agent", "x"), http)
        with pytest.raises(StorageError, match="http://agent answers: status 401"):
            await stranger.look_up("17.5", Track.USER)
        with pytest.raises(StorageError, match="status 401"):
            await stranger.note(STORED)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (httpx.Response(500), "status 500"),
        (httpx.Response(200, content=b"<html>"), "1 things wrong"),
        (httpx.ConnectError("refused"), "refused"),
        (httpx.ReadTimeout(""), "ReadTimeout"),
    ],
)
async def test_an_agent_that_is_not_well(answer, says):
    def respond(request):
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http:
        remote = RemoteLedger(RemoteLedgerConfig("http://agent"), http)
        with pytest.raises(StorageError, match=says):
            await remote.look_up("17.5", Track.USER)
