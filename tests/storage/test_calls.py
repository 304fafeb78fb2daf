from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from agent.calls.call import Call, CallEnd, Direction, EndReason
from agent.calls.record import CallRecord, ListedCall
from agent.calls.transcript import Speaker, ToolUse, Trouble, Turn
from agent.storage.calls import Calls
from agent.storage.errors import StorageError

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CALL = Call("17.5", "+15551230000", "1000", Direction.INBOUND, "desk", NOON)
END = CallEnd(EndReason.CALLER_HUNG_UP, NOON + timedelta(seconds=42), "bye")
TURN = Turn(
    Speaker.CALLER,
    "Grüß Gott",
    NOON + timedelta(seconds=1),
    NOON + timedelta(seconds=2.5),
    interrupted=True,
    latency={"stt": 0.25},
)
USE = ToolUse("end_call", '{"why": "bye"}', "done", NOON, 12.5, failed=True)
REFUSED = ToolUse("send_email", "{}", "not allowed", NOON, 0.5, refused=True)
TROUBLE = Trouble(
    "llm", "openai.gpt-5", "throttled", "429: slow down", NOON, "anthropic.haiku"
)


@pytest.fixture
def calls(database) -> Calls:
    return Calls(database)


async def test_a_whole_call_comes_back_as_it_was(calls):
    answer = Turn(Speaker.AGENT, "Hello", NOON, NOON)
    call = replace(CALL, channel_id="17.6", codec="ulaw", dialect="json")
    await calls.begin(call)
    await calls.add_turn("17.5", TURN)
    await calls.add_tool_use("17.5", USE)
    await calls.add_tool_use("17.5", REFUSED)
    await calls.add_trouble("17.5", TROUBLE)
    await calls.add_trouble("17.5", replace(TROUBLE, stage="tts", remedy=""))
    await calls.add_turn("17.5", answer)
    await calls.keep_variables("17.5", {"name": "Żółć"})
    await calls.end("17.5", END)
    assert await calls.get("17.5") == CallRecord(
        call=call,
        end=END,
        turns=(TURN, answer),
        tool_uses=(USE, REFUSED),
        troubles=(TROUBLE, replace(TROUBLE, stage="tts", remedy="")),
        variables={"name": "Żółć"},
    )


async def test_variables_are_those_of_the_dialplan_until_others_take_their_place(calls):
    await calls.begin(replace(CALL, variables={"customer": "7", "vip": "yes"}))
    assert (await calls.get("17.5")).variables == {"customer": "7", "vip": "yes"}
    await calls.keep_variables("17.5", {"customer": "8"})
    assert (await calls.get("17.5")).variables == {"customer": "8"}
    await calls.keep_variables("17.5", {})
    assert (await calls.get("17.5")).variables == {}


async def test_a_call_that_is_up_has_no_end(calls):
    await calls.begin(CALL)
    assert await calls.get("17.5") == CallRecord(CALL, None)


async def test_an_unknown_call_is_none(calls):
    assert await calls.get("17.5") is None


async def test_calls_do_not_mix(calls):
    other = replace(CALL, id="17.50")
    for call in (CALL, other):
        await calls.begin(call)
        await calls.add_turn(call.id, replace(TURN, text=call.id))
    await calls.end("17.5", END)
    assert await calls.get("17.50") == CallRecord(
        other, None, (replace(TURN, text="17.50"),)
    )


async def test_the_first_end_stays(calls):
    await calls.begin(CALL)
    await calls.end("17.5", END)
    await calls.end("17.5", CallEnd(EndReason.SHUTDOWN, NOON))
    assert (await calls.get("17.5")).end == END


async def test_the_same_id_twice(calls):
    await calls.begin(CALL)
    with pytest.raises(StorageError, match=r"there is a call '17\.5' already"):
        await calls.begin(replace(CALL, caller="somebody else"))
    assert (await calls.get("17.5")).call == CALL


@pytest.mark.parametrize(
    "write",
    [
        lambda calls: calls.add_turn("17.5", TURN),
        lambda calls: calls.add_tool_use("17.5", USE),
        lambda calls: calls.add_trouble("17.5", TROUBLE),
        lambda calls: calls.keep_variables("17.5", {}),
        lambda calls: calls.end("17.5", END),
    ],
    ids=["turn", "tool use", "trouble", "variables", "end"],
)
async def test_writing_to_a_call_that_never_began(calls, write):
    with pytest.raises(StorageError, match=r"there is no call '17\.5'"):
        await write(calls)


async def test_words_that_no_database_takes(calls):
    await calls.begin(replace(CALL, caller="\ud800\0"))
    await calls.keep_variables("17.5", {"\0": "\ud800"})
    record = await calls.get("17.5")
    assert record.call.caller == "\ufffd\ufffd"
    assert record.variables == {"\ufffd": "\ufffd"}


async def test_what_happened_in_a_call_goes_with_it(calls, database):
    await calls.begin(CALL)
    await calls.add_turn("17.5", TURN)
    await calls.add_tool_use("17.5", USE)
    await calls.add_trouble("17.5", TROUBLE)
    async with database.session("forget a call") as session:
        await session.execute(text("DELETE FROM calls"))
    async with database.session("count", read_only=True) as session:
        left = await session.execute(
            text(
                "SELECT (SELECT count(*) FROM turns), (SELECT count(*) FROM tool_uses),"
                " count(*) FROM troubles"
            )
        )
    assert left.one() == (0, 0, 0)


async def begin_many(calls, count: int) -> list[str]:
    """Two calls a minute, so that every other one shares its time. Newest first."""
    ids = [f"c{number:02}" for number in range(count)]
    for number, call_id in enumerate(ids):
        started_at = NOON + timedelta(minutes=number // 2)
        ai = "sales" if number % 3 == 0 else "desk"
        await calls.begin(replace(CALL, id=call_id, ai=ai, started_at=started_at))
    return ids[::-1]


async def test_pages_follow_one_another(calls):
    ids = await begin_many(calls, 7)
    seen, before = [], None
    for expected in (3, 3, 1):
        page = await calls.newest(3, before)
        assert len(page.calls) == expected
        seen += [listed.call.id for listed in page.calls]
        before = page.next
    assert seen == ids and before is None


async def test_a_full_last_page_has_no_next(calls):
    await begin_many(calls, 4)
    first = await calls.newest(2)
    assert (await calls.newest(2, first.next)).next is None


async def test_a_new_call_does_not_shift_the_pages(calls):
    ids = await begin_many(calls, 4)
    first = await calls.newest(2)
    await calls.begin(replace(CALL, id="new", started_at=NOON + timedelta(days=1)))
    rest = await calls.newest(9, first.next)
    assert [listed.call.id for listed in rest.calls] == ids[2:]


async def test_a_list_of_some(calls):
    ids = await begin_many(calls, 6)
    await calls.end("c03", END)
    of_sales = await calls.newest(9, ai="sales")
    assert [listed.call.id for listed in of_sales.calls] == ["c03", "c00"]
    over = await calls.newest(9, ended=True)
    assert [(listed.call.id, listed.end) for listed in over.calls] == [("c03", END)]
    up = await calls.newest(9, ended=False)
    assert [listed.call.id for listed in up.calls] == [i for i in ids if i != "c03"]
    assert all(listed.end is None for listed in up.calls)
    assert (await calls.newest(9, ai="sales", ended=False)).calls == (
        ListedCall(replace(CALL, id="c00", ai="sales"), None),
    )


async def test_what_a_dead_process_left_is_ended_once(calls):
    await begin_many(calls, 3)
    await calls.end("c01", END)
    died = ("the agent was killed", NOON)
    assert await calls.abandon_open(*died) == 2
    assert await calls.abandon_open(*died) == 0
    assert (await calls.get("c00")).end == CallEnd(
        EndReason.AGENT_FAILED, NOON, "the agent was killed"
    )
    assert (await calls.get("c01")).end == END


async def test_lists_are_read_from_an_index(database):
    """Without one, a page costs a walk over all calls that ever were."""
    queries = {
        "WHERE (started_at, id) < ('2026', 'x')": "ix_calls_started_at_id",
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
