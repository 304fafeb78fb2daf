"""The ledger of an agent on another machine, over its API (web/ledger.py)."""

import asyncio

import httpx
from pydantic import TypeAdapter, ValidationError

from agent.calls.record import Recording, Track

from .config import RemoteLedgerConfig
from .errors import StorageError

_DEADLINE = 20.0
"""Seconds."""

RECORDING = TypeAdapter(Recording)
"""How one is written down on the way."""


class RemoteLedger:
    def __init__(self, config: RemoteLedgerConfig, http: httpx.AsyncClient) -> None:
        self._config = config
        self._http = http

    async def look_up(self, call_id: str, track: Track) -> Recording | None:
        answer = await self._ask("GET", call_id, track)
        if answer.status_code == 404:
            return None
        return self._read(answer)

    async def note(self, recording: Recording) -> bool:
        body = RECORDING.dump_json(recording)
        answer = await self._ask("PUT", recording.call_id, recording.track, body)
        if answer.status_code == 410:
            return False
        if answer.status_code != 204:
            raise self._error(f"status {answer.status_code}")
        return True

    def _read(self, answer: httpx.Response) -> Recording:
        if answer.status_code != 200:
            raise self._error(f"status {answer.status_code}")
        try:
            return RECORDING.validate_json(answer.content)
        except ValidationError as error:
            raise self._error(f"{error.error_count()} things wrong in it") from error

    async def _ask(
        self, method: str, call_id: str, track: Track, body: bytes | None = None
    ) -> httpx.Response:
        token = self._config.token
        try:
            async with asyncio.timeout(_DEADLINE):
                return await self._http.request(
                    method,
                    f"{self._config.url}/ledger/{call_id}/{track.value}",
                    content=body,
                    headers={"Authorization": f"Bearer {token}"} if token else None,
                )
        except (httpx.HTTPError, TimeoutError) as error:
            raise self._error(str(error) or type(error).__name__) from error

    def _error(self, what: str) -> StorageError:
        return StorageError(f"the agent at {self._config.url} answers: {what}")
