from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agent.calls.call import Call, CallEnd, Direction, EndReason
from agent.calls.transcript import Speaker, ToolUse, Trouble, Turn
from agent.storage.tables import RecordingRow

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CALL = Call("17.5", "+15551230000", "1000", Direction.INBOUND, "desk", NOON)
END = CallEnd(EndReason.CALLER_HUNG_UP, NOON + timedelta(seconds=42), "bye")
SUMMARY = {
    "id": "17.5",
    "caller": "+15551230000",
    "called": "1000",
    "direction": "inbound",
    "ai": "desk",
    "channel_id": "",
    "codec": "",
    "dialect": "",
    "started_at": "2026-11-21T12:00:00Z",
    "ended_at": "2026-11-21T12:00:42Z",
    "end_reason": "caller_hung_up",
    "end_detail": "bye",
}


async def test_a_call_in_full(app, client):
    calls = app.state.calls
    await calls.begin(CALL)
    turn = Turn(Speaker.AGENT, "Grüß Gott", NOON, NOON, True, {"tts": 0.25})
    await calls.add_turn("17.5", turn)
    await calls.add_tool_use("17.5", ToolUse("end_call", "{}", "done", NOON, 12.5))
    trouble = Trouble("llm", "openai.gpt-5", "throttled", "429", NOON, "a line")
    await calls.add_trouble("17.5", trouble)
    await calls.keep_variables("17.5", {"customer": "7"})
    await calls.end("17.5", END)
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
    assert answer.json() == SUMMARY | {
        "turns": [
            {
                "speaker": "agent",
                "text": "Grüß Gott",
                "started_at": "2026-11-21T12:00:00Z",
                "ended_at": "2026-11-21T12:00:00Z",
                "interrupted": True,
                "latency": {"tts": 0.25},
            }
        ],
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
        "variables": {"customer": "7"},
    }


async def test_a_call_that_nobody_knows(client):
    answer = await client.get("/calls/17.5")
    assert answer.status_code == 404
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "there is no call '17.5'",
    }


async def test_the_list_is_walked_page_by_page(app, client):
    for number in range(5):
        started_at = NOON + timedelta(microseconds=number)
        await app.state.calls.begin(
            replace(CALL, id=f"c{number}", started_at=started_at)
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
    await app.state.calls.begin(CALL)
    await app.state.calls.end("17.5", END)
    later = NOON + timedelta(minutes=1)
    await app.state.calls.begin(replace(CALL, id="up", ai="sales", started_at=later))

    async def ids(**params):
        page = (await client.get("/calls", params=params)).json()
        return [call["id"] for call in page["calls"]]

    assert await ids() == ["up", "17.5"]
    assert await ids(live=True) == await ids(ai="sales") == ["up"]
    assert await ids(live=False) == await ids(ai="desk") == ["17.5"]
    assert await ids(ai="nobody") == []
    page = (await client.get("/calls", params={"live": False})).json()
    assert page == {"calls": [SUMMARY], "next": None}


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"limit": 0}, "query.limit: "),
        ({"limit": 201}, "query.limit: "),
        ({"limit": "many"}, "query.limit: "),
        ({"live": "perhaps"}, "query.live: "),
        ({"before": "17.5"}, "before: '17.5' is not"),
        ({"before": ""}, "before: '' is not"),
        ({"before": "ä"}, "before: 'ä' is not"),
        ({"before": "MjAyNi0xMS0yMVQxMjowMDowMCBh"}, "is not a page's `next`"),
        ({"before": "/////w=="}, "is not a page's `next`"),
    ],
)
async def test_a_question_that_makes_no_sense(client, params, says):
    answer = await client.get("/calls", params=params)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
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
    await app.state.calls.begin(CALL)
    await app.state.calls.end("17.5", END)
    answer = await client.request(*DEEDS[deed])
    assert answer.status_code == 409
    assert "is over since 2026-11-21T12:00:42+00:00" in answer.json()["detail"]


async def test_nothing_is_done_to_a_call_of_another_agent(app, client, deed):
    await app.state.calls.begin(CALL)
    answer = await client.request(*DEEDS[deed])
    assert answer.status_code == 409
    assert "is not up in this agent" in answer.json()["detail"]


async def test_nothing_is_done_to_an_unknown_call(client, deed):
    assert (await client.request(*DEEDS[deed])).status_code == 404


async def test_a_stranger_does_nothing_to_calls(app, client, deed):
    app.state.operator_token = "s3cret"
    app.state.live.up = {"17.5"}
    assert (await client.request(*DEEDS[deed])).status_code == 401
    assert app.state.live.done == []


async def test_a_database_that_is_away(app, client):
    await app.state.database.close()
    answer = await client.get("/calls")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "the records of calls cannot be reached just now"


async def test_a_recording_that_cannot_be_changed(app, client):
    app.state.live.up = {"17.5"}
    app.state.live.cannot = "OFFHOOK_AMI_PASSWORD is not set"
    answer = await client.post("/calls/17.5/record/pause")
    assert answer.status_code == 409
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
