"""Facts, kept as the journal keeps them."""

from datetime import UTC, datetime

from agent.calls.call import Call, Direction
from agent.calls.facts import CallBegan, Fact, TurnTaken
from agent.calls.transcript import Speaker, Turn
from agent.storage.calls import apply, call_of
from agent.storage.database import Database

AGENT = "agent-1"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CALL = Call("17.5", "+1555", "1000", Direction.INBOUND, "desk", NOON)
BEGAN = CallBegan(CALL)


def turn(number, call_id="17.5") -> TurnTaken:
    return TurnTaken(call_id, Turn(Speaker.CALLER, str(number), NOON, NOON))


async def keep(database: Database, *facts: Fact, agent: str = AGENT) -> None:
    """One transaction each."""
    for fact in facts:
        async with database.session(f"keep {call_of(fact)!r}") as session:
            await apply(session, fact, agent, NOON)
