from datetime import UTC, datetime, timedelta

import pytest

from agent.calls.customer import Scope
from agent.calls.prices import Prices
from agent.storage.usage import Usage
from agent.web import usage as usage_api
from tests.storage.test_usage import HEARD, READ, UNKNOWN, keep

from .conftest import browse

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture
async def house(app):
    app.include_router(usage_api.router)
    app.state.usage = Usage(app.state.database)
    app.state.prices = Prices(currency="CHF")
    database = app.state.database
    await keep(database, "1", HEARD, READ, at=NOW - DAY)
    await keep(database, "2", READ, UNKNOWN, ai="night", at=NOW - 3 * DAY)
    await keep(database, "3", HEARD, at=NOW - 100 * DAY)
    await keep(database, "4", HEARD, at=NOW - DAY, customer="acme")
    return app


@pytest.fixture
def ask(house):
    async def asked(headers=None, **query):
        with browse(house, headers=headers) as client:
            return await client.get("/usage", params=query)

    return asked


async def test_the_last_thirty_days(ask):
    answer = await ask()
    assert answer.status_code == 200
    told = answer.json()
    assert told["currency"] == "CHF"
    since, until = (datetime.fromisoformat(told[key]) for key in ("since", "until"))
    assert until - since == timedelta(days=30)
    assert told["total"] == {
        "calls": 2,
        "cost": 1.0,
        "meters": [
            {"meter": "llm_input_tokens", "amount": 2200.0, "cost": 0.5},
            {"meter": "stt_seconds", "amount": 60.0, "cost": 0.5},
        ],
    }
    assert told["unpriced"] == [
        {"meter": "llm_input_tokens", "model": "own.llama", "amount": 200.0}
    ]
    assert (told["group_by"], told["groups"]) == (None, [])


@pytest.mark.parametrize(
    ("query", "calls"),
    [
        ({"ai": "night"}, 1),
        ({"ai": "nobody"}, 0),
        ({"since": (NOW - 101 * DAY).isoformat()}, 3),
        ({"until": (NOW - 2 * DAY).isoformat()}, 1),
        ({"since": (NOW - 2 * DAY).isoformat()}, 1),
    ],
)
async def test_what_is_asked_for(ask, query, calls):
    assert (await ask(**query)).json()["total"]["calls"] == calls


@pytest.mark.parametrize(
    ("group_by", "keys"),
    [
        ("ai", ["desk", "night"]),
        ("model", ["groq.whisper", "openai.gpt", "own.llama"]),
        ("meter", ["llm_input_tokens", "stt_seconds"]),
        ("day", sorted(str((NOW - days * DAY).date()) for days in (1, 3))),
    ],
)
async def test_groups(ask, group_by, keys):
    told = (await ask(group_by=group_by)).json()
    assert told["group_by"] == group_by
    assert [group["key"] for group in told["groups"]] == keys


@pytest.mark.parametrize(
    "query",
    [
        {"since": "yesterday"},
        {"since": "2026-11-21T12:00:00"},
        {"since": "2026-11-21T12:00:00Z", "until": "2026-11-20T12:00:00Z"},
        {"since": "2020-01-01T00:00:00Z", "until": "2026-11-20T12:00:00Z"},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"until": "0001-01-01T00:00:00Z"},
        {"until": "9999-12-31T23:59:59-14:00"},
        {"group_by": "caller"},
        {"ai": "a" * 201},
    ],
)
async def test_what_makes_no_sense(ask, query):
    answer = await ask(**query)
    assert answer.status_code == 422
    assert answer.json()["code"]
    assert answer.headers["content-type"].startswith("application/problem+json")


async def test_each_customer_sees_his_own(ask, make_key):
    key = await make_key(Scope.READ, "acme")
    assert (await ask(headers=key)).json()["total"]["calls"] == 1


async def test_asterisk_sees_nothing(ask, make_key):
    key = await make_key(Scope.TELEPHONY)
    assert (await ask(headers=key)).status_code == 403
