from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agent.calls.call import Call, CallEnd, Direction, EndReason, HangupCause
from agent.calls.customer import Scope
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
from agent.calls.transcript import Speaker, ToolUse, Trouble, Turn
from agent.calls.usage import Meter, Use
from agent.storage.audit import deeds
from agent.storage.calls import apply
from agent.storage.tables import RecordingRow

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def after(seconds):
    return NOON + timedelta(seconds=seconds)


CALL = Call("17.5", "+15551230000", "1000", Direction.INBOUND, "desk", NOON)
ANSWERED = CallAnswered("17.5", after(4), "", "", "")
END = CallEnded("17.5", CallEnd(EndReason.CALLER_HUNG_UP, after(42), "bye"))
SUMMARY = {
    "id": "17.5",
    "customer": "default",
    "caller": "+15551230000",
    "called": "1000",
    "direction": "inbound",
    "ai": "desk",
    "ai_version": 0,
    "channel_id": "",
    "codec": "",
    "dialect": "",
    "started_at": "2026-11-21T12:00:00Z",
    "answered_at": "2026-11-21T12:00:04Z",
    "ended_at": "2026-11-21T12:00:42Z",
    "ring_seconds": 4.0,
    "talk_seconds": 38.0,
    "end_reason": "caller_hung_up",
    "end_detail": "bye",
    "q850": None,
    "sip": None,
    "cost": 0.0,
}
TURN = {
    "speaker": "agent",
    "text": "Grüß Gott",
    "spoken": "Grüß Gott, wie",
    "start": 5.0,
    "end": 6.5,
    "started_at": "2026-11-21T12:00:05Z",
    "ended_at": "2026-11-21T12:00:06.500000Z",
    "interrupted": True,
    "latency": {"tts": 0.25},
}


async def happen(app, *facts):
    async with app.state.database.session("have it happen") as session:
        for fact in facts:
            await apply(session, fact, "agent-1", NOON)


async def ids(client, headers=None, **params):
    answer = await client.get("/calls", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    return [call["id"] for call in answer.json()["calls"]]


async def test_a_call_in_full(app, client):
    turn = Turn(
        Speaker.AGENT,
        "Grüß Gott",
        after(5),
        after(6.5),
        True,
        {"tts": 0.25},
        "Grüß Gott, wie",
    )
    await happen(
        app,
        CallBegan(replace(CALL, ai_version=3)),
        ANSWERED,
        TurnTaken("17.5", turn),
        ToolUsed("17.5", ToolUse("end_call", "{}", "done", NOON, 12.5)),
        TroubleMet(
            "17.5", Trouble("llm", "openai.gpt-5", "throttled", "429", NOON, "a line")
        ),
        VariablesKept("17.5", {"customer": "7"}),
        Used("17.5", (Use(Meter.TTS_CHARACTERS, "piper.amy", 9.0, 0.25),)),
        END,
        CauseTold("17.5", HangupCause(16, 200)),
    )
    async with app.state.database.session("add a recording") as session:
        session.add(
            RecordingRow(
                call_id="17.5",
                track="mix",
                store="folder",
                key="2026-11-21/17.5/mix.wav",
                bytes=44,
                seconds=0.5,
                sha256="5",
                created_at=NOON,
            )
        )
    answer = await client.get("/calls/17.5")
    assert answer.status_code == 200
    told = {"ai_version": 3, "q850": 16, "sip": 200, "cost": 0.25}
    assert answer.json() == SUMMARY | told | {
        "turns": [TURN],
        "tool_uses": [
            {
                "name": "end_call",
                "arguments": "{}",
                "result": "done",
                "started_at": "2026-11-21T12:00:00Z",
                "milliseconds": 12.5,
                "failed": False,
                "refused": False,
            }
        ],
        "troubles": [
            {
                "stage": "llm",
                "provider": "openai.gpt-5",
                "cause": "throttled",
                "detail": "429",
                "at": "2026-11-21T12:00:00Z",
                "remedy": "a line",
            }
        ],
        "recordings": [
            {
                "call_id": "17.5",
                "track": "mix",
                "store": "folder",
                "key": "2026-11-21/17.5/mix.wav",
                "bytes": 44,
                "seconds": 0.5,
                "sha256": "5",
                "created_at": "2026-11-21T12:00:00Z",
                "state": "stored",
                "format": "wav",
                "closed_at": None,
                "stored_at": None,
                "last_error": "",
                "next_try": None,
                "gaps": [],
            }
        ],
        "usage": [
            {
                "meter": "tts_characters",
                "model": "piper.amy",
                "amount": 9.0,
                "cost": 0.25,
            }
        ],
        "variables": {"customer": "7"},
        "untold": [],
    }
    assert (await client.get("/calls/17.5/turns")).json() == {"turns": [TURN]}


@pytest.mark.parametrize(
    ("facts", "ring_seconds", "talk_seconds"),
    [
        ([], None, None),
        ([ANSWERED], 4.0, None),
        ([ANSWERED, END], 4.0, 38.0),
        ([END], 42.0, 0.0),
    ],
)
async def test_how_long_it_rang_and_how_long_it_was_talked(
    app, client, facts, ring_seconds, talk_seconds
):
    await happen(app, CallBegan(CALL), *facts)
    told = (await client.get("/calls/17.5")).json()
    assert (told["ring_seconds"], told["talk_seconds"]) == (ring_seconds, talk_seconds)


@pytest.mark.parametrize("path", ["/calls/17.5", "/calls/17.5/turns"])
async def test_a_call_that_nobody_knows(client, path):
    answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "code": "no_call",
        "detail": "there is no call '17.5'",
    }


async def test_the_list_is_walked_page_by_page(app, client):
    for number in range(5):
        started_at = NOON + timedelta(microseconds=number)
        await happen(
            app, CallBegan(replace(CALL, id=f"c{number}", started_at=started_at))
        )
    seen, before = [], {}
    for expected in (2, 2, 1):
        page = (await client.get("/calls", params={"limit": 2, **before})).json()
        assert len(page["calls"]) == expected
        seen += [call["id"] for call in page["calls"]]
        before = {"before": page["next"]}
    assert seen == ["c4", "c3", "c2", "c1", "c0"]
    assert page["next"] is None


async def test_the_list_shows_summaries_of_those_asked_for(app, client):
    later = replace(
        CALL,
        id="up",
        ai="sales",
        caller="200",
        direction=Direction.OUTBOUND,
        started_at=after(60),
    )
    await happen(app, CallBegan(CALL), ANSWERED, END, CallBegan(later))
    assert await ids(client) == ["up", "17.5"]
    for params in (
        {"live": True},
        {"ai": "sales"},
        {"direction": "outbound"},
        {"number": "200"},
        {"since": "2026-11-21T12:01:00Z"},
    ):
        assert await ids(client, **params) == ["up"], params
    for params in (
        {"live": False},
        {"ai": "desk"},
        {"direction": "inbound"},
        {"number": "+15551230000"},
        {"until": "2026-11-21T13:01:00+01:00"},
        {"end_reason": "caller_hung_up"},
    ):
        assert await ids(client, **params) == ["17.5"], params
    assert await ids(client, number="1000") == ["up", "17.5"]
    for params in ({"ai": "nobody"}, {"end_reason": "too_long"}):
        assert await ids(client, **params) == []
    page = (await client.get("/calls", params={"live": False})).json()
    assert page == {"calls": [SUMMARY], "next": None}


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"limit": 0}, "query.limit: "),
        ({"limit": 201}, "query.limit: "),
        ({"limit": "many"}, "query.limit: "),
        ({"live": "perhaps"}, "query.live: "),
        ({"direction": "sideways"}, "query.direction: "),
        ({"end_reason": "boredom"}, "query.end_reason: "),
        ({"since": "yesterday"}, "query.since: "),
        ({"since": "0"}, "written like 2026-11-21T12:00:00Z"),
        ({"since": "2026-11-21T12:00:00"}, "written like"),
        ({"until": "2026-11-21"}, "written like"),
        ({"until": "0001-01-01T00:00:00+14:00"}, "years 1 to 9999"),
        ({"ai": "a\0b"}, "NUL"),
        ({"before": ""}, "query.before: "),
        ({"before": "17"}, "query.before: "),
        ({"before": "17.5"}, "query.before: "),
        ({"before": "17.5a.5a"}, "query.before: "),
        ({"before": "-17.5a"}, "query.before: "),
        ({"before": "\u0661.5a"}, "query.before: "),
        ({"before": "9" * 18 + ".5a"}, "query.before: "),
    ],
)
async def test_a_question_that_makes_no_sense(client, params, says):
    answer = await client.get("/calls", params=params)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "invalid_request"
    assert says in answer.json()["detail"]


# What is done to a call that is up: how it is asked for, and what comes of it.
DEEDS = {
    "end": ("DELETE", "/calls/17.5"),
    "hold": ("POST", "/calls/17.5/hold"),
    "resume": ("POST", "/calls/17.5/resume"),
    "record_start": ("POST", "/calls/17.5/record/start"),
    "record_stop": ("POST", "/calls/17.5/record/stop"),
    "record_pause": ("POST", "/calls/17.5/record/pause"),
    "record_resume": ("POST", "/calls/17.5/record/resume"),
}


@pytest.fixture(params=DEEDS)
def deed(request):
    return request.param


async def test_something_is_done_to_a_call_that_is_up(app, client, deed):
    app.state.live.up = {"17.5"}
    answer = await client.request(*DEEDS[deed])
    assert (answer.status_code, answer.content) == (202, b"")
    assert app.state.live.done == [(deed, "17.5")]


async def test_nothing_is_done_to_a_call_that_is_over(app, client, deed):
    await happen(app, CallBegan(CALL), END)
    answer = await client.request(*DEEDS[deed])
    assert answer.status_code == 409
    assert answer.json()["code"] == "call_over"
    assert "is over since 2026-11-21T12:00:42+00:00" in answer.json()["detail"]


async def test_nothing_is_done_to_a_call_of_another_agent(app, client, deed):
    await happen(app, CallBegan(CALL))
    answer = await client.request(*DEEDS[deed])
    assert answer.status_code == 409
    assert answer.json()["code"] == "call_elsewhere"


async def test_nothing_is_done_to_an_unknown_call(client, deed):
    assert (await client.request(*DEEDS[deed])).status_code == 404


async def test_a_stranger_does_nothing_to_calls(app, client, deed):
    app.state.operator_token = "s3cret"
    app.state.live.up = {"17.5"}
    assert (await client.request(*DEEDS[deed])).status_code == 401
    assert app.state.live.done == []


async def test_who_may_only_read_does_nothing_to_calls(app, client, make_key, deed):
    app.state.live.up = {"17.5"}
    answer = await client.request(*DEEDS[deed], headers=await make_key(Scope.READ))
    assert (answer.status_code, answer.json()["needed"]) == (403, "operator")
    assert app.state.live.done == []


async def test_nothing_is_done_to_a_call_of_another_customer(
    app, client, make_key, deed
):
    app.state.live.up = {"17.5"}
    await happen(app, CallBegan(CALL))
    other = await make_key(Scope.OPERATOR, "other")
    answer = await client.request(*DEEDS[deed], headers=other)
    assert (answer.status_code, answer.json()["code"]) == (404, "no_call")
    assert app.state.live.done == []


async def test_calls_of_another_customer_are_not_there(app, client, make_key):
    other = await make_key(Scope.READ, "other")
    await happen(app, CallBegan(CALL))
    await happen(app, CallBegan(replace(CALL, id="theirs", customer="other")))
    assert await ids(client, other) == ["theirs"]
    for path in ("/calls/17.5", "/calls/17.5/turns"):
        assert (await client.get(path, headers=other)).status_code == 404
    assert (await client.get("/calls/theirs", headers=other)).status_code == 200
    admin = await make_key()
    assert await ids(client, admin) == ["17.5"]
    assert await ids(client, admin | {"Offhook-Customer": "other"}) == ["theirs"]


async def test_it_is_written_down_who_hung_up(app, client):
    app.state.live.up = {"17.5"}
    await client.delete("/calls/17.5")
    await client.post("/calls/17.5/hold")
    (done,) = await deeds(app.state.database, "17.5")
    assert (done.act, done.who) == ("call_hung_up", "this machine")


async def test_a_database_that_is_away(app, client):
    await app.state.database.close()
    answer = await client.get("/calls")
    assert answer.status_code == 503
    assert answer.json()["code"] == "database_away"
    assert answer.headers["retry-after"] == "5"
    # One can still hang up.
    app.state.live.up = {"17.5"}
    assert (await client.delete("/calls/17.5")).status_code == 202
    assert app.state.live.done == [("end", "17.5")]


async def test_a_recording_that_cannot_be_changed(app, client):
    app.state.live.up = {"17.5"}
    app.state.live.cannot = "OFFHOOK_AMI_PASSWORD is not set"
    answer = await client.post("/calls/17.5/record/pause")
    assert answer.status_code == 409
    assert answer.json()["code"] == "cannot_be_done"
    assert answer.json()["detail"] == "OFFHOOK_AMI_PASSWORD is not set"


@pytest.mark.parametrize(
    ("asked", "seconds"), [("", 120), ("?seconds=30", 30), ("?seconds=600", 600)]
)
async def test_how_long_a_pause_may_be(app, client, asked, seconds):
    app.state.live.up = {"17.5"}
    answer = await client.post(f"/calls/17.5/record/pause{asked}")
    assert (answer.status_code, app.state.live.seconds) == (202, seconds)


@pytest.mark.parametrize("seconds", ["0", "601", "for ever", "nan"])
async def test_a_pause_that_makes_no_sense(app, client, seconds):
    answer = await client.post(f"/calls/17.5/record/pause?seconds={seconds}")
    assert answer.status_code == 422
