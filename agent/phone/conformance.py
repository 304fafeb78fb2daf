"""Does a server for chan_websocket keep to what a real Asterisk needs?

    offhook bench conformance --url ws://127.0.0.1:7860/telephony/ws --password ...

Asterisk is played, exactly where it matters and with every rule broken where that is
the question. A call of its own is watched while hostile cases run: it must not notice.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

from . import report
from .cases import end, framing, handshake, hostile, sound, start, talk
from .cases.case import FIRST_WORD, TICK, Call, Case, Failed, Severity, Skipped, Target
from .rawsocket import NoAnswer, Opcode, frame

CASES: Sequence[Case] = [
    *handshake.CASES,
    *framing.CASES,
    *start.CASES,
    *sound.CASES,
    *talk.CASES,
    *end.CASES,
    *hostile.CASES,
]
LISTENED = 3.0
"""Seconds of the server's first words that are looked at."""
DISTURBED = 1.0
"""Seconds of silence, or without a pong, that the watched call bears."""
DEADLINE = 30.0
"""Seconds of one case."""

Verdict = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    why: str
    severity: Severity
    verdict: Verdict
    detail: str
    seconds: float


async def run(
    url: str,
    *,
    username: str = "asterisk",
    password: str = "",
    only: str = "",
    patience: float = 1.0,
    listen: float = LISTENED,
    at_once: int = 1,
    cases: Sequence[Case] = CASES,
    on_result: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """`only`: a part of the names. Failed or NoAnswer when nothing can be tried.

    `at_once`: several cases at a time is faster, and tells less surely which of them
    disturbed the call that is watched.
    """
    target = Target(url, username, password, patience)
    chosen = [case for case in cases if only in case.name]
    room = asyncio.Semaphore(at_once)

    async def attempt(case: Case, bystander: "Bystander | None") -> Result:
        async with room:
            result = await _try(case, target, bystander)
        on_result(result)
        return result

    async with _listening(target, listen) as watched:
        target.watched = watched
        async with _bystander(target, chosen) as bystander:
            return await asyncio.gather(*(attempt(case, bystander) for case in chosen))


@asynccontextmanager
async def _listening(target: Target, seconds: float) -> AsyncIterator[Call]:
    """The server's first words, and whether there are any."""
    async with target.call() as call:
        try:
            await call.speech(target.limit(FIRST_WORD))
            await asyncio.sleep(seconds)
        except Failed:
            target.speaks = False
    yield call


async def _try(case: Case, target: Target, bystander: "Bystander | None") -> Result:
    began = time.monotonic()
    verdict: Verdict = "passed"
    try:
        if case.speaks and not target.speaks:
            raise Skipped("the server says nothing unless it is spoken to")
        before = bystander.moment if bystander is not None else None
        async with asyncio.timeout(target.limit(DEADLINE)):
            detail = await case.run(target)
        if case.hostile and bystander is not None and before is not None:
            bystander.check(before)
    except Skipped as reason:
        verdict, detail = "skipped", str(reason)
    except (Failed, NoAnswer) as error:
        verdict, detail = "failed", str(error)
    except TimeoutError:
        verdict, detail = "failed", f"not done in {target.limit(DEADLINE):g} s"
    seconds = time.monotonic() - began
    return Result(case.name, case.why, case.severity, verdict, detail, seconds)


@dataclass(frozen=True, slots=True)
class Moment:
    at: float
    tick: int


class Bystander:
    """A call that wants nothing but to be served as before."""

    def __init__(self, call: Call, limit: float) -> None:
        self._call = call
        self._limit = limit
        self._pings: list[float] = []
        """When each was sent."""
        self._pongs: list[float] = []
        """When each was answered."""

    @property
    def moment(self) -> Moment:
        return Moment(self._call.now, len(self._call.played))

    def check(self, since: Moment) -> None:
        call = self._call
        if call.wire.over:
            code = call.wire.close_code
            raise Failed(f"another call was ended, close code {code}")
        if (waited := self._longest_wait(since)) > self._limit:
            raise Failed(f"another call's ping waited {waited:.2f} s")
        if self._fills and (gap := self._longest_gap(since)) > self._limit:
            raise Failed(f"another call had a gap of {gap:.2f} s in what it heard")

    async def ask(self) -> None:
        """Pings, again and again."""
        while not self._call.wire.over:
            mark = b"bystander %d" % len(self._pings)
            self._pings.append(self._call.now)
            self._call.wire.write(frame(Opcode.PING, mark))
            await self._call.wire.until(partial(self._has, mark), DEADLINE)
            self._pongs.append(self._call.now)
            await asyncio.sleep(0.1)

    def _has(self, mark: bytes) -> bool:
        frames = self._call.wire.frames[-200:]
        return self._call.wire.over or any(
            one.opcode == Opcode.PONG and one.payload == mark for one in frames
        )

    def _longest_wait(self, since: Moment) -> float:
        ends = [*self._pongs, self._call.now]
        pairs = zip(self._pings, ends, strict=False)
        return max(
            (end - max(begin, since.at) for begin, end in pairs if end > since.at),
            default=0.0,
        )

    @property
    def _fills(self) -> bool:
        """The server sends sound or silence all the time, so that a gap is one."""
        heard = sum(one is not None for one in self._call.played)
        return heard > 0.8 * len(self._call.played)

    def _longest_gap(self, since: Moment) -> float:
        longest = gap = 0
        for one in self._call.played[since.tick :]:
            gap = gap + 1 if one is None else 0
            longest = max(longest, gap)
        return longest * TICK


@asynccontextmanager
async def _bystander(
    target: Target, cases: Sequence[Case]
) -> AsyncIterator[Bystander | None]:
    if not any(case.hostile for case in cases):
        yield None
        return
    async with target.call() as call:
        bystander = Bystander(call, target.limit(DISTURBED))
        asking = asyncio.create_task(bystander.ask())
        try:
            yield bystander
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", required=True, help="ws://127.0.0.1:7860/telephony/ws")
    parser.add_argument("--username", default="asterisk")
    parser.add_argument("--password", default="", help="of the socket; none: open")
    parser.add_argument("--only", default="", metavar="TEXT", help="in a case's name")
    parser.add_argument(
        "--patience",
        type=float,
        default=1.0,
        metavar="FACTOR",
        help="times every limit (1.0)",
    )


async def command(arguments: argparse.Namespace) -> int:
    """The exit status: 0 when no case failed that must not, 2 when none was tried."""
    try:
        results = await run(
            arguments.url,
            username=arguments.username,
            password=arguments.password,
            only=arguments.only,
            patience=arguments.patience,
            listen=LISTENED,
            cases=CASES,
            on_result=_show,
        )
    except (Failed, NoAnswer) as error:
        report.say(f"no case was tried: {error}")
        return 2
    count = {
        verdict: sum(result.verdict == verdict for result in results)
        for verdict in ("passed", "failed", "skipped")
    }
    report.say(
        f"{count['passed']} passed, {count['failed']} failed"
        + (f", {count['skipped']} skipped" if count["skipped"] else "")
    )
    must = [r for r in results if r.verdict == "failed" and r.severity == "must"]
    return 1 if must or not results else 0


def _show(result: Result) -> None:
    said = f"{result.verdict:7}  {result.severity:6}  {result.name}: {result.detail}"
    if result.verdict == "failed":
        said += f" ({result.why})"
    report.say(said)
