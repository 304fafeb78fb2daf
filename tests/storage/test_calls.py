from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from agent.calls.call import Call, CallEnd, Direction, EndReason, HangupCause
from agent.calls.facts import (
    CallAnswered,
    CallBegan,
    CallEnded,
    CauseTold,
    ToolUsed,
    TroubleMet,
    TurnTaken,
    Used,
    VariablesKept,
)
from agent.calls.record import CallRecord, ListedCall
from agent.calls.transcript import Speaker, ToolUse, Trouble, Turn
from agent.calls.usage import Meter, Use
from agent.storage.calls import Calls, UnfitFact
from agent.storage.events import Events
from agent.storage.tables import CallRow, TombstoneRow, UsageRow
from tests.storage.facts import AGENT, keep
from tests.storage.postgres import ONLY_SQLITE

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CALL = Call(
    "17.5", "+15551230000", "1000", Direction.INBOUND, "desk", NOON, ai_version=3
)
BEGAN = CallBegan(CALL)
ANSWERED = CallAnswered("17.5", NOON + timedelta(seconds=1.5), "17.6", "ulaw", "json")
END = CallEnd(EndReason.CALLER_HUNG_UP, NOON + timedelta(seconds=42), "bye")
DIED = CallEnd(EndReason.AGENT_DIED, NOON + timedelta(seconds=9), "it died")
TURN = Turn(
    Speaker.CALLER,
    "Grüß Gott",
    NOON + timedelta(seconds=1),
    NOON + timedelta(seconds=2.5),
    interrupted=True,
    latency={"stt": 0.25},
)
SAID = Turn(Speaker.AGENT, "Hello", NOON, NOON, spoken="Hello there")
USE = ToolUse("end_call", '{"why": "bye"}', "done", NOON, 12.5, failed=True)
REFUSED = ToolUse("send_email", "{}", "not allowed", NOON, 0.5, refused=True)
TROUBLE = Trouble(
    "llm", "openai.gpt-5", "throttled", "429: slow down", NOON, "anthropic.haiku"
)
SECONDS = Use(Meter.CALL_SECONDS, "", 42.0)
TOKENS = Use(Meter.LLM_INPUT_TOKENS, "openai.gpt-5", 100.0, 0.25)
UNPRICED = Use(Meter.TTS_CHARACTERS, "new.voice", 7.0, None)
CAUSE = HangupCause(16, 200)
ALL = (
    BEGAN,
    ANSWERED,
    TurnTaken("17.5", TURN),
    ToolUsed("17.5", USE),
    TroubleMet("17.5", TROUBLE),
    VariablesKept("17.5", {"name": "Żółć"}),
    Used("17.5", (TOKENS, SECONDS)),
    CallEnded("17.5", END),
    CauseTold("17.5", CAUSE),
)


@pytest.fixture
def calls(database) -> Calls:
    return Calls(database)


@pytest.fixture
def told(database):
    async def told():
        """Types and data of events."""
        found = await Events(database).after(0, 1000)
        return [(kept.event.type.value, kept.event.data) for kept in found]

    return told


async def test_a_whole_call_comes_back_as_it_was(database, calls):
    await keep(
        database,
        *ALL[:3],
        TurnTaken("17.5", SAID),
        *ALL[3:5],
        ToolUsed("17.5", REFUSED),
        TroubleMet("17.5", replace(TROUBLE, stage="tts", remedy="")),
        *ALL[5:],
    )
    assert await calls.get("17.5") == CallRecord(
        call=replace(
            CALL,
            answered_at=ANSWERED.at,
            channel_id="17.6",
            codec="ulaw",
            dialect="json",
        ),
        end=END,
        turns=(TURN, SAID),
        tool_uses=(USE, REFUSED),
        troubles=(TROUBLE, replace(TROUBLE, stage="tts", remedy="")),
        uses=(SECONDS, TOKENS),
        cause=CAUSE,
        cost=0.25,
        variables={"name": "Żółć"},
    )


async def test_the_agent_that_has_it_is_known(database):
    await keep(database, BEGAN)
    async with database.session("look", read_only=True) as session:
        assert (await session.get_one(CallRow, "17.5")).agent == AGENT


async def test_what_is_told_of_a_whole_call(database, told):
    await keep(database, *ALL)
    call = {
        "id": "17.5",
        "direction": "inbound",
        "caller": "+15551230000",
        "called": "1000",
        "ai": "desk",
        "ai_version": 3,
        "customer": "default",
        "started_at": "2026-11-21T12:00:00Z",
        "answered_at": None,
        "ended_at": None,
        "end_reason": None,
    }
    up = call | {"answered_at": "2026-11-21T12:00:01.500000Z"}
    over = up | {"ended_at": "2026-11-21T12:00:42Z", "end_reason": "caller_hung_up"}
    assert await told() == [
        ("call_created", {"call": call}),
        ("call_ringing", {"call": call}),
        (
            "call_answered",
            {
                "call": up,
                "channel_id": "17.6",
                "codec": "ulaw",
                "ringing_seconds": 1.5,
            },
        ),
        (
            "call_transcribing",
            {
                "call": up,
                "turn": 1,
                "speaker": "caller",
                "text": "Grüß Gott",
                "spoken": "",
                "started_at": "2026-11-21T12:00:01Z",
                "ended_at": "2026-11-21T12:00:02.500000Z",
                "start_seconds": 1.0,
                "end_seconds": 2.5,
                "interrupted": True,
                "latency": {"stt": 0.25},
            },
        ),
        (
            "tool_called",
            {
                "call": up,
                "tool_use": 1,
                "name": "end_call",
                "arguments": '{"why": "bye"}',
                "result": "done",
                "started_at": "2026-11-21T12:00:00Z",
                "start_seconds": 0.0,
                "milliseconds": 12.5,
                "failed": True,
                "refused": False,
            },
        ),
        (
            "call_troubled",
            {
                "call": up,
                "trouble": 1,
                "stage": "llm",
                "provider": "openai.gpt-5",
                "cause": "throttled",
                "detail": "429: slow down",
                "at": "2026-11-21T12:00:00Z",
                "remedy": "anthropic.haiku",
            },
        ),
        (
            "call_hungup",
            {
                "call": over,
                "reason": "caller_hung_up",
                "detail": "bye",
                "seconds": 42.0,
                "cause": None,
                "cost": 0.25,
                "usage": [
                    {"meter": "call_seconds", "model": "", "amount": 42.0, "cost": 0.0},
                    {
                        "meter": "llm_input_tokens",
                        "model": "openai.gpt-5",
                        "amount": 100.0,
                        "cost": 0.25,
                    },
                ],
                "corrected": False,
            },
        ),
    ]


async def test_a_call_of_ours_does_not_ring_here(database, told):
    await keep(database, CallBegan(replace(CALL, direction=Direction.OUTBOUND)))
    assert [type for type, _ in await told()] == ["call_created"]


async def test_a_cause_that_was_told_before_the_end_is_told_with_it(database, told):
    await keep(database, BEGAN, ALL[-1], ALL[-2])
    assert (await told())[-1][1]["cause"] == {"q850": 16, "sip": 200}


async def test_events_are_those_of_the_customer_of_the_call(database):
    await keep(database, CallBegan(replace(CALL, customer="acme")))
    kept = await Events(database).after(0, 9)
    assert {each.event.customer for each in kept} == {"acme"}
    assert {each.event.at for each in kept} == {NOON}


async def test_a_call_is_answered_once(database, calls, told):
    again = replace(ANSWERED, at=NOON + timedelta(seconds=7), codec="slin")
    await keep(database, BEGAN, ANSWERED, again)
    call = (await calls.get("17.5")).call
    assert (call.answered_at, call.codec) == (ANSWERED.at, "ulaw")
    assert [type for type, _ in await told()].count("call_answered") == 1


@pytest.mark.parametrize(
    ("uses", "kept", "cost"),
    [
        ([], (), 0.0),
        ([(TOKENS,)], (TOKENS,), 0.25),
        (
            [(TOKENS, TOKENS), (TOKENS,)],
            (replace(TOKENS, amount=300.0, cost=0.75),),
            0.75,
        ),
        (
            [(TOKENS, replace(TOKENS, model="b.c")), (UNPRICED,), (TOKENS,)],
            (
                replace(TOKENS, model="b.c"),
                replace(TOKENS, amount=200.0, cost=0.5),
                UNPRICED,
            ),
            None,
        ),
        (
            [(UNPRICED,), (replace(UNPRICED, cost=1.0),)],
            (replace(UNPRICED, amount=14.0),),
            None,
        ),
    ],
    ids=["nothing", "once", "summed up", "one without a price", "never again a price"],
)
async def test_what_was_used_is_summed_up(database, calls, uses, kept, cost):
    await keep(database, BEGAN, *(Used("17.5", each) for each in uses))
    record = await calls.get("17.5")
    assert (record.uses, record.cost) == (kept, cost)
    assert (await calls.newest(1)).calls[0].cost == cost
    async with database.session("look", read_only=True) as session:
        for row in await session.scalars(select(UsageRow)):
            assert (row.customer, row.ai, row.at) == ("default", "desk", NOON)


async def test_variables_are_those_of_the_dialplan_until_others_take_their_place(
    database, calls
):
    await keep(database, CallBegan(replace(CALL, variables={"vip": "yes", "n": "7"})))
    assert (await calls.get("17.5")).variables == {"vip": "yes", "n": "7"}
    await keep(database, VariablesKept("17.5", {"n": "8"}))
    assert (await calls.get("17.5")).variables == {"n": "8"}
    await keep(database, VariablesKept("17.5", {}))
    assert (await calls.get("17.5")).variables == {}


async def test_a_call_that_is_up_has_no_end(database, calls):
    await keep(database, BEGAN)
    assert await calls.get("17.5") == CallRecord(CALL, None)


async def test_an_unknown_call_is_none(calls):
    assert await calls.get("17.5") is None


@pytest.mark.parametrize(
    ("customer", "seen"), [(None, True), ("default", True), ("acme", False)]
)
async def test_a_call_is_seen_by_its_customer_only(database, calls, customer, seen):
    await keep(database, BEGAN)
    assert (await calls.get("17.5", customer) is not None) == seen
    assert len((await calls.newest(9, customer=customer)).calls) == seen


async def test_calls_do_not_mix(database, calls):
    other = replace(CALL, id="17.50")
    for call in (CALL, other):
        await keep(database, CallBegan(call))
        await keep(database, TurnTaken(call.id, replace(TURN, text=call.id)))
    await keep(database, CallEnded("17.5", END))
    assert await calls.get("17.50") == CallRecord(
        other, None, (replace(TURN, text="17.50"),)
    )


@pytest.mark.parametrize(
    ("ends", "stays", "corrected"),
    [
        ([END, CallEnd(EndReason.SHUTDOWN, NOON)], END, [False]),
        ([END, DIED], END, [False]),
        ([DIED, replace(DIED, detail="again")], DIED, [False]),
        ([DIED, END], END, [False, True]),
        ([DIED, END, DIED, replace(END, detail="")], END, [False, True]),
    ],
    ids=["the first", "a real one", "died once", "only supposed", "and not twice"],
)
async def test_which_end_stays(database, calls, told, ends, stays, corrected):
    await keep(database, BEGAN, *(CallEnded("17.5", end) for end in ends))
    assert (await calls.get("17.5")).end == stays
    hungup = [data for type, data in await told() if type == "call_hungup"]
    assert [data["corrected"] for data in hungup] == corrected
    assert hungup[-1]["reason"] == stays.reason


async def test_the_same_id_twice(database, calls, told):
    await keep(database, BEGAN)
    before = await told()
    with pytest.raises(UnfitFact, match=r"there is a call '17\.5' already"):
        await keep(database, CallBegan(replace(CALL, caller="somebody else")))
    assert (await calls.get("17.5")).call == CALL
    assert await told() == before


async def test_the_cause_of_a_call_that_the_agent_never_took(database, told):
    """The dialplan tells it of every call, those that were refused among them."""
    await keep(database, CauseTold("17.5", HangupCause(41)))
    assert await told() == []


@pytest.mark.parametrize(
    "fact",
    [fact for fact in ALL[1:] if not isinstance(fact, CauseTold)],
    ids=lambda fact: type(fact).__name__,
)
async def test_a_fact_of_a_call_that_never_began(database, told, fact):
    with pytest.raises(UnfitFact, match=r"there is no call '17\.5'"):
        await keep(database, fact)
    assert await told() == []


@pytest.mark.parametrize("fact", ALL, ids=lambda fact: type(fact).__name__)
async def test_of_an_erased_call_nothing_is_kept(database, calls, told, fact):
    await keep(database, BEGAN)
    before = (await calls.get("17.5"), await told())
    async with database.session("erase") as session:
        session.add(
            TombstoneRow(
                call_id="17.5",
                state="erased",
                at=NOON,
                who="me",
                why="",
                finished_at=None,
                last_error="",
            )
        )
    await keep(database, fact)
    assert (await calls.get("17.5"), await told()) == before


async def test_words_that_no_database_takes(database, calls, told):
    await keep(
        database,
        CallBegan(replace(CALL, caller="\ud800\0")),
        VariablesKept("17.5", {"\0": "\ud800"}),
        TurnTaken("17.5", replace(TURN, text="\ud800\0", latency={"\0": 1.0})),
        Used("17.5", (replace(TOKENS, model="\0"), replace(TOKENS, model="\0"))),
    )
    record = await calls.get("17.5")
    assert record.call.caller == "\ufffd\ufffd"
    assert record.variables == {"\ufffd": "\ufffd"}
    assert record.turns[0].text == "\ufffd\ufffd"
    assert record.uses == (replace(TOKENS, model="\ufffd", amount=200.0, cost=0.5),)
    assert (await told())[-1][1]["text"] == "\ufffd\ufffd"


async def test_what_happened_in_a_call_goes_with_it(database):
    await keep(database, *ALL)
    async with database.session("forget a call") as session:
        await session.execute(text("DELETE FROM calls"))
    async with database.session("count", read_only=True) as session:
        left = await session.execute(
            text(
                "SELECT (SELECT count(*) FROM turns), (SELECT count(*) FROM tool_uses),"
                " (SELECT count(*) FROM troubles), (SELECT count(*) FROM usage)"
            )
        )
    assert left.one() == (0, 0, 0, 0)


async def begin_many(database, count: int) -> list[str]:
    """Two calls a minute, so that every other one shares its time. Newest first."""
    ids = [f"c{number:02}" for number in range(count)]
    for number, call_id in enumerate(ids):
        started_at = NOON + timedelta(minutes=number // 2)
        ai = "sales" if number % 3 == 0 else "desk"
        call = replace(CALL, id=call_id, ai=ai, started_at=started_at)
        await keep(database, CallBegan(call))
    return ids[::-1]


async def test_pages_follow_one_another(database, calls):
    ids = await begin_many(database, 7)
    seen, before = [], None
    for expected in (3, 3, 1):
        page = await calls.newest(3, before)
        assert len(page.calls) == expected
        seen += [listed.call.id for listed in page.calls]
        before = page.next
    assert seen == ids and before is None


async def test_a_full_last_page_has_no_next(database, calls):
    await begin_many(database, 4)
    first = await calls.newest(2)
    assert (await calls.newest(2, first.next)).next is None


async def test_a_new_call_does_not_shift_the_pages(database, calls):
    ids = await begin_many(database, 4)
    first = await calls.newest(2)
    new = replace(CALL, id="new", started_at=NOON + timedelta(days=1))
    await keep(database, CallBegan(new))
    rest = await calls.newest(9, first.next)
    assert [listed.call.id for listed in rest.calls] == ids[2:]


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, ["out", "b", "a"]),
        ({"customer": "default"}, ["out", "a"]),
        ({"customer": "acme", "ai": "sales"}, ["b"]),
        ({"customer": "acme", "ai": "desk"}, []),
        ({"ai": "desk"}, ["out", "a"]),
        ({"direction": Direction.OUTBOUND}, ["out"]),
        ({"number": "1000"}, ["out", "b", "a"]),
        ({"number": "+49301"}, ["b"]),
        ({"number": "+4930"}, []),
        ({"since": NOON + timedelta(minutes=1)}, ["out", "b"]),
        ({"until": NOON + timedelta(minutes=1)}, ["a"]),
        ({"end_reason": EndReason.CALLER_HUNG_UP}, ["b"]),
        ({"end_reason": EndReason.SHUTDOWN}, []),
        ({"ended": True}, ["b"]),
        ({"ended": False}, ["out", "a"]),
        ({"ended": False, "ai": "sales"}, []),
    ],
    ids=str,
)
async def test_a_list_of_some(database, calls, wanted, ids):
    minute = timedelta(minutes=1)
    second = replace(
        CALL,
        id="b",
        ai="sales",
        customer="acme",
        caller="+49301",
        started_at=NOON + minute,
    )
    third = replace(
        CALL,
        id="out",
        direction=Direction.OUTBOUND,
        caller="1000",
        called="+15551230000",
        started_at=NOON + 2 * minute,
    )
    await keep(
        database,
        CallBegan(replace(CALL, id="a")),
        CallBegan(second),
        CallBegan(third),
        CallEnded("b", END),
        CauseTold("b", CAUSE),
    )
    page = await calls.newest(9, **wanted)
    assert [listed.call.id for listed in page.calls] == ids
    for listed in page.calls:
        if listed.call.id == "b":
            assert listed == ListedCall(second, END, CAUSE, 0.0)
        else:
            assert (listed.end, listed.cause) == (None, None)


@ONLY_SQLITE
async def test_lists_are_read_from_an_index(database):
    """Without one, a page costs a walk over all calls that ever were."""
    queries = {
        "WHERE customer = 'default' AND (started_at, id) < ('2026', 'x')": (
            "ix_calls_customer_started_at_id"
        ),
        "WHERE customer = 'default'": "ix_calls_customer_started_at_id",
        "WHERE ai = 'desk' AND (started_at, id) < ('2026', 'x')": (
            "ix_calls_ai_started_at_id"
        ),
    }
    async with database.session("explain", read_only=True) as session:
        for where, index in queries.items():
            plan = await session.execute(
                text(
                    f"EXPLAIN QUERY PLAN SELECT * FROM calls {where}"
                    " ORDER BY started_at DESC, id DESC LIMIT 50"
                )
            )
            assert [index in row.detail for row in plan] == [True], where
