"""Tells webhooks what happened: signed, in order, again and again until they heard.

What waits are rows, written with what they tell (storage/events.py). For each webhook
that has any there is one workflow, `drain`: it sends as many as are taken, pauses until
the next try, and goes on; so one that is away keeps none of the others waiting.
"""

import asyncio
import random
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import httpx
from dbos import DBOS, DBOSConfiguredInstance, SetWorkflowID
from loguru import logger

from agent.calls.event import KeptEvent
from agent.observe import metrics
from agent.storage.database import Database
from agent.storage.errors import StorageError
from agent.storage.outbox import DeliveryState, Endpoint, Outbox, Tried

from . import engine, letter
from .config import DeliveryConfig

_NOW = "now"
"""What a drain that pauses is sent: do not wait any longer."""
_DATABASE_PAUSE = 5.0
_COUNT_EVERY = 10
_FORGET_EVERY = 7200
"""Both in looks."""
_BODY_WITHIN = 1.0
_EXCERPT = 500
"""Characters of an answer that are kept if it is a failure."""


class Outcome(StrEnum):
    """For Prometheus."""

    DELIVERED = "delivered"
    FAILED = "failed"
    """To be tried again."""
    DEAD = "dead"
    GONE = "gone"
    """410: the webhook is disabled."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request; no status: nobody answered."""

    status: int | None
    error: str
    """Empty: it was taken."""
    put_off: timedelta = timedelta()


@dataclass(slots=True)
class _Drain:
    workflow: str
    pauses: bool = False


@DBOS.dbos_class()
class Deliveries(DBOSConfiguredInstance):
    """Make it before the engine runs; `run` after. One of each name in a process."""

    def __init__(
        self,
        database: Database,
        http: httpx.AsyncClient,
        config: DeliveryConfig,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        name: str = "webhooks",
    ) -> None:
        super().__init__(name)
        self._name = name
        self._outbox = Outbox(database)
        self._config = config
        self._clock = clock
        self._http = http
        self._room = asyncio.Semaphore(config.at_once)
        self._drains: dict[str, _Drain] = {}
        """Of this process, by webhook."""
        self._met: set[str] = set()
        """Every webhook that ever had one in this process."""
        self._away = False

    async def run(self) -> None:
        """Sees to it that each webhook for which anything waits has a drain."""
        mine = f"{self._name}/"
        left = {id.split("/")[1] for id in await engine.begun(mine)} - self._met
        carried_on_by = asyncio.get_running_loop().time() + self._config.recovery
        looks = 0
        while True:
            if asyncio.get_running_loop().time() > carried_on_by:
                left.clear()
            try:
                await self._look(left - self._met)
                if looks % _COUNT_EVERY == 0:
                    metrics.webhook_deliveries_waiting.set(await self._outbox.waiting())
                metrics.work_looks.labels("webhooks").inc()
                self._database_is(None)
            except StorageError as error:
                self._database_is(error)
            if looks % _FORGET_EVERY == 0:
                await self._forget()
            looks += 1
            await asyncio.sleep(self._config.look_every)

    async def _look(self, elsewhere: set[str]) -> None:
        for head in await self._outbox.heads():
            drain = self._drains.get(head.webhook)
            if drain is None and head.webhook not in elsewhere:
                # Under the id of its first delivery it is found in DBOS's lists.
                id = f"{self._name}/{head.webhook}/{head.delivery}"
                with SetWorkflowID(f"{id}/{secrets.token_hex(4)}"):
                    await DBOS.start_workflow_async(self.drain, head.webhook)
            elif drain is not None and drain.pauses and head.next_try is None:
                # An operator wants it now: enabled it again, or repaired its address.
                drain.pauses = False
                await DBOS.send_async(drain.workflow, None, _NOW)

    @DBOS.workflow(max_recovery_attempts=None)
    async def drain(self, webhook: str) -> str:
        with engine.under_way():
            if webhook in self._drains:
                return "another one is at it"
            assert DBOS.workflow_id is not None
            drain = self._drains[webhook] = _Drain(DBOS.workflow_id)
            self._met.add(webhook)
            try:
                for _ in range(self._config.laps):
                    pause = await self.send(webhook)
                    if pause is None:
                        return "nothing waits"
                    if pause > 0:
                        drain.pauses = True
                        await DBOS.recv_async(_NOW, timeout_seconds=pause)
                        drain.pauses = False
                return "the next one goes on"
            finally:
                del self._drains[webhook]

    @DBOS.step()
    async def send(self, webhook: str) -> float | None:
        """As many as are taken, up to a lap. Returns the seconds until the next try;
        None: nothing waits, or the webhook is disabled or deleted."""
        try:
            now = self._clock()
            endpoint, waiting = await self._outbox.next(webhook, self._config.lap, now)
            if endpoint is None or not waiting:
                return None
            for delivery in waiting:
                attempts, next_try = delivery.attempts, delivery.next_try
                while True:
                    pause = self._until(next_try)
                    if pause > self._config.nap:
                        return pause
                    await asyncio.sleep(pause)
                    answer = await self._post(endpoint, delivery.event)
                    attempts += 1
                    tried = self._judge(webhook, delivery.event, attempts, answer)
                    endpoint = await self._outbox.note(webhook, delivery.id, tried)
                    if endpoint is None:
                        return None
                    if tried.state is not DeliveryState.WAITING:
                        break
                    next_try = tried.next_try
            return 0.0
        except StorageError as error:
            self._database_is(error)
            return _DATABASE_PAUSE

    def _until(self, then: datetime | None) -> float:
        return 0.0 if then is None else max((then - self._clock()).total_seconds(), 0.0)

    async def _post(self, endpoint: Endpoint, event: KeptEvent) -> Answer:
        content = letter.content(event)
        async with self._room:
            try:
                request = self._http.build_request(
                    "POST",
                    endpoint.url,
                    content=content,
                    headers=letter.headers(
                        event, content, endpoint.secrets, self._clock()
                    ),
                )
                with metrics.webhook_seconds.time():
                    async with asyncio.timeout(self._config.timeout):
                        response = await self._http.send(request, stream=True)
            except TimeoutError:
                return Answer(None, f"no answer within {self._config.timeout:g} s")
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                return Answer(None, _line(str(error)) or type(error).__name__)
            try:
                # Of one that was taken, too: read to its end, the connection can be
                # used again.
                said = await _beginning(response, self._config.answer)
                return self._read(response, said)
            finally:
                await response.aclose()

    def _read(self, response: httpx.Response, said: str) -> Answer:
        if response.is_success:
            return Answer(response.status_code, "")
        put_off = timedelta()
        if response.status_code in (429, 503):
            wish = response.headers.get("retry-after", "")
            put_off = letter.retry_after(wish, self._clock())
        where = response.headers.get("location", "") if response.is_redirect else ""
        words = [str(response.status_code), response.reason_phrase]
        error = " ".join(words + (["to", where] if where else []))
        return Answer(response.status_code, _line(f"{error}: {said}"), put_off)

    def _judge(
        self, webhook: str, event: KeptEvent, attempts: int, answer: Answer
    ) -> Tried:
        now = self._clock()
        if not answer.error:
            _count(Outcome.DELIVERED)
            return Tried(DeliveryState.DELIVERED, attempts, now, answer.status)
        if answer.status == 410:
            _count(Outcome.GONE)
            logger.warning("[WEBHOOK] {} answers 410, and is disabled", webhook)
            return Tried(
                *(DeliveryState.WAITING, attempts, now, answer.status, answer.error),
                disable="its receiver answered 410 Gone",
            )
        if attempts >= len(self._config.schedule):
            _count(Outcome.DEAD)
            logger.error(
                "[WEBHOOK] {} is never told of {}, after {} tries: {}",
                *(webhook, event.id, attempts, answer.error),
            )
            return Tried(
                *(DeliveryState.DEAD, attempts, now, answer.status, answer.error)
            )
        _count(Outcome.FAILED)
        pause = self._config.schedule[attempts] * _spread(self._config.jitter)
        wish = min(answer.put_off.total_seconds(), self._config.longest_wish)
        return Tried(
            *(DeliveryState.WAITING, attempts, now, answer.status, answer.error),
            next_try=now + timedelta(seconds=max(pause, wish)),
        )

    async def _forget(self) -> None:
        before = self._clock() - timedelta(seconds=self._config.remembered)
        while await engine.forget(before):
            pass

    def _database_is(self, error: StorageError | None) -> None:
        """Said once."""
        if error is not None and not self._away:
            logger.error("[WEBHOOK] trying again: {}", error)
        if error is None and self._away:
            logger.info("[WEBHOOK] the database is back")
        self._away = error is not None


async def _beginning(response: httpx.Response, limit: int) -> str:
    """Of what stands in it; what counts has come before that."""
    read = b""
    with suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(_BODY_WITHIN):
            async for part in response.aiter_raw():
                read += part
                if len(read) >= limit:
                    break
    return read[:limit].decode(errors="replace")


def _line(text: str) -> str:
    return " ".join(text.split())[:_EXCERPT]


def _count(outcome: Outcome) -> None:
    metrics.webhook_deliveries.labels(outcome.value).inc()


def _spread(jitter: float) -> float:
    return random.uniform(1 - jitter, 1 + jitter)
