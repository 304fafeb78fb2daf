import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from agent.calls.call import Call, CallEnd, Direction, EndReason
from agent.calls.facts import (
    CallAnswered,
    CallBegan,
    CallEnded,
    ToolUsed,
    TroubleMet,
    TurnTaken,
)
from agent.calls.transcript import Speaker, ToolUse, Trouble, Turn
from agent.storage import agents as module
from agent.storage.agents import Agents
from agent.storage.calls import Calls
from agent.storage.errors import StorageError
from agent.storage.events import Events
from agent.storage.tables import AgentRow
from tests.storage.facts import keep

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CALL = Call("17.5", "+15551230000", "1000", Direction.INBOUND, "desk", NOON)
END = CallEnd(EndReason.CALLER_HUNG_UP, NOON + timedelta(seconds=42), "bye")
HOUR = timedelta(hours=1)


def after(seconds):
    return NOON + timedelta(seconds=seconds)


def turn(ended):
    return TurnTaken("17.5", Turn(Speaker.CALLER, "hi", NOON, after(ended)))


async def ends(database):
    page = await Calls(database).newest(99)
    return {listed.call.id: listed.end for listed in page.calls}


async def hungup(database):
    kept = await Events(database).after(0, 99)
    return [each.event for each in kept if each.event.type == "call_hungup"]


async def seen(database):
    async with database.session("look", read_only=True) as session:
        rows = await session.scalars(select(AgentRow))
        return {row.id: (row.started_at, row.seen_at, row.applied) for row in rows}


async def test_a_sign_of_life(database):
    agents = Agents(database, "a", NOON)
    for seconds in (1, 6):
        await agents.beat(after(seconds))
    await Agents(database, "b", NOON).beat(after(3))
    assert await seen(database) == {
        "a": (NOON, after(6), 0),
        "b": (NOON, after(3), 0),
    }


async def test_what_the_earlier_life_left_is_ended_once(database):
    await Agents(database, "a", NOON).beat(after(10))
    ids = ("begun", "over", "other", "new")
    for call_id in ids[:2]:
        await keep(database, CallBegan(replace(CALL, id=call_id)), agent="a")
    await keep(database, CallEnded("over", END), agent="a")
    await keep(database, CallBegan(replace(CALL, id="other")), agent="b")
    agents = Agents(database, "a", NOON + HOUR)
    await agents.beat(NOON + HOUR)
    new = replace(CALL, id="new", started_at=NOON + HOUR)
    await keep(database, CallBegan(new), agent="a")
    assert await agents.sweep_own(NOON + HOUR) == 1
    assert await agents.sweep_own(NOON + HOUR) == 0
    died = CallEnd(EndReason.AGENT_DIED, after(10), "the agent died during the call")
    assert await ends(database) == {
        "begun": died,
        "over": END,
        "other": None,
        "new": None,
    }
    told = [event for event in await hungup(database) if event.call_id == "begun"]
    assert [event.data["reason"] for event in told] == ["agent_died"]
    assert told[0].data["seconds"] == 10.0


@pytest.mark.parametrize(
    ("facts", "beat", "ended"),
    [
        ([], None, 0),
        ([], 10, 10),
        ([CallAnswered("17.5", after(2), "", "", "")], None, 2),
        ([turn(5), turn(4)], 3, 5),
        ([turn(5)], 7, 7),
        ([turn(5), ToolUsed("17.5", ToolUse("t", "{}", "", after(6), 1.0))], 3, 6),
        ([TroubleMet("17.5", Trouble("llm", "a.b", "c", "", after(8)))], 3, 8),
    ],
    ids=["nothing", "beat", "answer", "turn", "turn, beat", "tool", "trouble"],
)
async def test_it_ended_when_it_was_last_known_to_be_up(database, facts, beat, ended):
    if beat is not None:
        await Agents(database, "a", NOON).beat(after(beat))
    await keep(database, CallBegan(CALL), *facts, agent="a")
    agents = Agents(database, "a", NOON + HOUR)
    await agents.beat(NOON + HOUR)
    await agents.sweep_own(NOON + HOUR)
    assert (await ends(database))["17.5"].ended_at == after(ended)


async def test_another_that_is_silent_for_a_minute_is_dead(database):
    # Its clock is wrong by a day, which does not matter.
    theirs = NOON - timedelta(days=1)
    other = Agents(database, "b", theirs)
    await other.beat(theirs)
    began = replace(CALL, started_at=theirs)
    await keep(database, CallBegan(began), agent="b")
    agents = Agents(database, "a", NOON)
    assert await agents.sweep(after(0)) == 0
    assert await agents.sweep(after(60)) == 0
    await other.beat(theirs + timedelta(seconds=55))
    assert await agents.sweep(after(65)) == 0
    assert await agents.sweep(after(125)) == 0
    assert await agents.sweep(after(126)) == 1
    assert await agents.sweep(after(127)) == 0
    end = (await ends(database))["17.5"]
    assert end.reason is EndReason.AGENT_DIED
    assert end.ended_at == theirs + timedelta(seconds=55)
    assert len(await hungup(database)) == 1


async def test_calls_of_an_agent_that_never_gave_a_sign_are_ended_too(database):
    await keep(database, CallBegan(CALL), agent="")
    agents = Agents(database, "a", NOON)
    assert await agents.sweep(after(0)) == 0
    assert await agents.sweep(after(61)) == 1


async def test_two_that_see_it_end_it_once(database):
    await keep(database, CallBegan(CALL), agent="c")
    both = [Agents(database, name, NOON) for name in "ab"]
    for agents in both:
        await agents.sweep(after(0))
    ended = await asyncio.gather(*(agents.sweep(after(61)) for agents in both))
    assert sum(ended) == len(await hungup(database)) == 1


async def test_one_that_was_only_cut_off_goes_on(database):
    """Its journal comes when the database is back for it."""
    await keep(database, CallBegan(CALL), agent="b")
    agents = Agents(database, "a", NOON)
    await agents.sweep(after(0))
    await agents.sweep(after(61))
    await keep(database, turn(70), CallEnded("17.5", END), agent="b")
    assert (await ends(database))["17.5"] == END
    told = [(e.data["reason"], e.data["corrected"]) for e in await hungup(database)]
    assert told == [("agent_died", False), ("caller_hung_up", True)]


class Away:
    """A database that does not answer now and then."""

    def __init__(self, database):
        self._database = database
        self.away = False

    def session(self, purpose, **options):
        if self.away:
            raise StorageError(f"could not {purpose}: it is away")
        return self._database.session(purpose, **options)


@pytest.mark.parametrize(("until", "dead"), [(330, False), (400, True)])
async def test_it_goes_on_by_itself(database, monkeypatch, until, dead):
    """And silence counts from when the database is back: the others could not give
    a sign of life either."""
    monkeypatch.setattr(module, "_BEAT_EVERY", 0.0)
    away, replayed = Away(database), asyncio.Event()
    await keep(database, CallBegan(replace(CALL, id="own")), agent="a")
    await keep(database, CallBegan(replace(CALL, id="other")), agent="b")
    asked = 0

    def clock():
        """Another second each time it is asked."""
        nonlocal asked
        asked += 1
        if asked == 20:
            replayed.set()
        away.away = 40 < asked < 300
        if asked == until:
            raise asyncio.CancelledError
        return NOON + HOUR + timedelta(seconds=asked)

    with pytest.raises(asyncio.CancelledError):
        await Agents(away, "a", NOON + HOUR).run(clock, replayed)
    found = await ends(database)
    assert found["own"].reason is EndReason.AGENT_DIED
    assert (found["other"] is not None) == dead
    assert (await seen(database))["a"][1] > NOON + HOUR + timedelta(seconds=300)


async def test_its_own_are_left_alone_until_the_journal_is_replayed(
    database, monkeypatch
):
    monkeypatch.setattr(module, "_BEAT_EVERY", 0.0)
    await keep(database, CallBegan(CALL), agent="a")
    moments = iter(range(20))

    def clock():
        if (moment := next(moments, None)) is None:
            raise asyncio.CancelledError
        return NOON + HOUR + timedelta(seconds=moment)

    with pytest.raises(asyncio.CancelledError):
        await Agents(database, "a", NOON + HOUR).run(clock, asyncio.Event())
    assert await ends(database) == {"17.5": None}
