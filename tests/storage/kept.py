"""Calls and recordings as they lie in the database and in a folder."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from agent.calls.call import Call, CallEnd, Direction, EndReason
from agent.calls.facts import (
    CallBegan,
    CallEnded,
    ToolUsed,
    TroubleMet,
    TurnTaken,
    Used,
    VariablesKept,
)
from agent.calls.record import Track
from agent.calls.transcript import Speaker, ToolUse, Trouble, Turn
from agent.calls.usage import Meter, Use
from agent.storage.calls import apply
from agent.storage.tables import RecordingRow

from .sound import wav

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CALL = Call("17.5", "+15551230000", "1000", Direction.INBOUND, "desk", NOON)
CANARY = "4111 1111 1111 1111"


def key(call_id, track):
    return f"2026-11-21/{call_id}/{track}.wav"


async def keep_call(database, call_id="17.5", ended_at=NOON):
    use = ToolUse("pay", f'{{"card": "{CANARY}"}}', f"{CANARY} is fine", NOON, 1.0)
    trouble = Trouble("llm", "openai.x", "throttled", CANARY, NOON, "a line")
    turn = Turn(Speaker.CALLER, CANARY, NOON, NOON)
    facts = [
        CallBegan(replace(CALL, id=call_id, variables={"card": CANARY})),
        TurnTaken(call_id, turn),
        ToolUsed(call_id, use),
        TroubleMet(call_id, trouble),
        VariablesKept(call_id, {"card": CANARY}),
        Used(call_id, (Use(Meter.TTS_CHARACTERS, "piper.amy", 20.0),)),
    ]
    if ended_at is not None:
        end = CallEnd(EndReason.CALLER_HUNG_UP, ended_at, "")
        facts.append(CallEnded(call_id, end))
    async with database.session("keep a call") as session:
        for fact in facts:
            await apply(session, fact, "agent-1", NOON)


async def keep_recording(
    database, folder, call_id="17.5", tracks=tuple(Track), content=None, **columns
):
    content = wav(2) if content is None else content
    for track in tracks:
        place = key(call_id, track.value)
        stored = columns.get("state", "stored") == "stored"
        if stored and folder is not None:
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_bytes(content)
        row = dict(
            call_id=call_id,
            track=track.value,
            store="folder" if stored else "",
            key=place if stored else "",
            bytes=len(content),
            seconds=2.0,
            sha256="5" * 64,
            created_at=NOON,
            closed_at=NOON,
            gaps=[],
        )
        async with database.session("keep a recording") as session:
            session.add(RecordingRow(**row | columns))


def days(number):
    return timedelta(days=number)
